import collections
import re

import cronium

# A word is a run of the letters A to Z, in lower case; nothing depends on a locale.
text = cronium.input()["text"]
words = [word.lower() for word in re.findall(r"[A-Za-z]+", text)]
counts = collections.Counter(words)
top = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:10]
print(f"{len(words)} words in {text.count(chr(10))} lines; most often: {top[0][0]}")
cronium.output({"words": len(words), "lines": text.count("\n"), "top": [list(entry) for entry in top]})
