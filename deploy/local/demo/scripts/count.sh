. /usr/local/bin/cronium.sh
# A word is a run of the letters A to Z, in lower case; nothing depends on a locale.
export LC_ALL=C
cronium_input | jq -j .text >/tmp/text
tr -cs 'A-Za-z' '\n' </tmp/text | tr 'A-Z' 'a-z' | sed '/^$/d' >/tmp/words
words=$(wc -l </tmp/words)
lines=$(wc -l </tmp/text)
top=$(sort /tmp/words | uniq -c | sort -k1,1nr -k2,2 | head -n 10 |
  while read -r count word; do printf ',["%s",%s]' "$word" "$count"; done)
echo "$words words in $lines lines; most often: $(printf '%s' "$top" | cut -d'"' -f2)"
cronium_output "{\"words\":$words,\"lines\":$lines,\"top\":[${top#,}]}"
