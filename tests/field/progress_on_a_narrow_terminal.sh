#!/bin/bash
# The line of progress renews itself; where it is wider than the terminal it would wrap, and leave a
# line for each update.
# shellcheck source=tests/field/driver.sh
. "${BASH_SOURCE[0]%/*}/driver.sh"

seq -f 'Card %.0f of the shelf.' 100 >"$folder/cards.txt"
seq -f 'Card %.0f of the shelf.' 4000 >"$folder/long.txt" # takes longer than the line needs to renew
for i in 1 2; do
    job "$i" "\"document\":{\"path\":\"cards.txt\"},\"prompt\":\"$i\",\"max_tokens\":4"
done >"$folder/jobs.jsonl"

# widest COLUMNS COMMAND...: the most characters of a line that renews itself.
widest() {
    local columns=$1
    shift
    script -qec "stty cols $columns; $*" /dev/null </dev/null 2>/dev/null | tr '\r' '\n' |
        sed -n 's/^\x1b\[K//p' | grep ' of ' | grep -v 'done' | wc -L
}
for command in "run -m $demo -f $folder/long.txt -q x -n 1 --chunk 64 --threads 1" \
    "batch -m $demo -i $folder/jobs.jsonl --documents $folder --threads 1 -o $folder/r40" \
    "eval -m $demo --task needle --length 4096 --trials 1 --depths 1 --haystack $folder/cards.txt --threads 1 -o $folder/e40"; do
    n=$(widest 40 "$yoco $command")
    [ "$n" -lt 40 ] || fail "$n characters in 40 columns: $command"
done
n=$(widest 200 "$yoco run -m $demo -f $folder/long.txt -q x -n 1 --chunk 64 --threads 1")
[ "$n" -gt 40 ] || fail "no progress to look at ($n characters)"
finish
