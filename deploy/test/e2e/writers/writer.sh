# Each kind of write again and again, all kinds at once, until the variable `end` says so. Prints the number of each.
. cronium.sh
mine=writers/$CRONIUM_JOB_ID
head -c 1000000 /dev/zero > zeros

count() { cronium_increment_variable "$mine/count" >/dev/null; }
compared() { cronium_set_variable --json --if-version "$(($1 - 1))" "$mine/compared" "$1"; }
list() { cronium_append_variable "$mine/list" "$1" ' ' >/dev/null; }
output() { cronium_output "{\"last\":$1}"; }
artifact() {
  { echo "$1"; cat zeros; } > artifact
  cronium_artifact artifact >/dev/null
}

again() { # WRITE
  local number=0 end
  end=$(cronium_get_variable end) || return
  until [[ $end == yes ]]; do
    number=$((number + 1))
    "$1" "$number" || return
    echo "$1 $number"
    sleep 1
    end=$(cronium_get_variable end) || return
  done
}

# The first that fails ends all.
for write in count compared list output artifact; do
  { again "$write" || kill "$$"; } &
done
wait
