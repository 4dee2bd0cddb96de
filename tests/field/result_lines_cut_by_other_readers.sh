#!/bin/bash
# result_lines_cut_by_other_readers.sh: no file of JSON Lines, nor anything that --json prints, has a character in it at
# which another reader ends a line.
source "$(dirname "$0")/driver.sh"

separators=$'\u0085\u2028\u2029'

# clean FILE N: so many lines, for a reader that knows all separators of Unicode, and all are JSON.
clean() {
    python3 - "$1" "$2" <<'P' || fail "$1 is cut by other readers"
import json, sys
lines = open(sys.argv[1], newline="", encoding="utf-8").read().splitlines()
[json.loads(l) for l in lines]
sys.exit(len(lines) != int(sys.argv[2]))
P
}

job "a${separators}b" '"prompt":"p","max_tokens":1,"model":"'"$separators"'"' >"$folder/jobs"
job c '"prompt":"p","x'"$separators"'":1' >>"$folder/jobs"
"$yoco" batch -m "$demo" -i "$folder/jobs" -o "$folder/results" 2>"$folder/err"
same "exit code" $? 65
clean "$folder/results" 2
"$yoco" batch -m "$demo" -i "$folder/jobs" -o - >"$folder/results" 2>"$folder/err"
clean "$folder/results" 2

# The haystack's name is the model folder's; its text stands in the samples.
copy_model "$folder/model$separators"
for i in $(seq 300); do echo "Card $i of the ${separators}shelf."; done >"$folder/hay"
succeed "$yoco" eval -m "$folder/model$separators" --task needle --trials 1 --depths 2 --length 512 --haystack "$folder/hay" \
    -o "$folder/e" --threads 1
clean "$folder/e/samples.jsonl" 2
grep -q 'u2028' "$folder/e/samples.jsonl" || fail "the model's name is not in the samples"

cp "$source/configs/shapes/yoco-demo-window.json" "$folder/shape$separators.json"
succeed "$yoco" scale -m "$folder/shape$separators.json" -o "$folder/s" --predict --hardware h100-infiniband --ranks 1 --tokens 4K
clean "$folder/s/scale.jsonl" "$(wc -l <"$folder/s/scale.jsonl")"

# --json is over several lines; none but its own.
printf 'a%sb' "$separators" >"$folder/text"
succeed "$yoco" run -m "$folder/model$separators" -f "$folder/text" -q "Which${separators}?" -n 2 --json
python3 - "$folder/out" <<'P' || fail "--json is cut by other readers"
import sys
text = open(sys.argv[1], newline="", encoding="utf-8").read()
sys.exit(len(text.splitlines()) != text.count("\n"))
P
finish
