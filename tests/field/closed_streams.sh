#!/bin/bash
# A program started without stdin, stdout or stderr opens its files as those, and logs into them.
# shellcheck source=tests/field/driver.sh
. "${BASH_SOURCE[0]%/*}/driver.sh"

predict() {
    "$yoco" scale -m "$source/configs/shapes/yoco-demo-window.json" -o "$1" --predict \
        --hardware h100-infiniband --ranks 1,2 --tokens 16K
}
whole_lines() {
    same "lines of $1 that are JSON" "$(grep -c '^{.*}$' "$1")" "$(wc -l <"$1")"
}

predict "$folder/all" >/dev/null 2>&1 || fail "exit code $?"
n=$(wc -l <"$folder/all/scale.jsonl")
predict "$folder/a" 2>&- || fail "without stderr: exit code $?"
predict "$folder/b" <&- 2>&- || fail "without stdin and stderr: exit code $?"
predict "$folder/c" 2>/dev/null <&- >&-
for name in a b c; do
    whole_lines "$folder/$name/scale.jsonl"
    same "rows of $name" "$(wc -l <"$folder/$name/scale.jsonl")" "$n"
done

write_jobs "$folder/jobs.jsonl"
"$yoco" batch -m "$demo" -i "$folder/jobs.jsonl" -o "$folder/results" <&- >&- 2>&- || fail "batch: $?"
whole_lines "$folder/results"
same "results" "$(wc -l <"$folder/results")" 5

# What was asked for and cannot be printed is an error all the same.
"$yoco" --version >&- 2>"$folder/err"
same "exit code without stdout" $? 74
finish
