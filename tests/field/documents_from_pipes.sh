#!/bin/bash
# A document that comes from a pipe, from stdin, or from a file of unknown size; weights cannot.
# shellcheck source=tests/field/driver.sh
. "${BASH_SOURCE[0]%/*}/driver.sh"

write_log "$folder/log.txt"
gzip -c "$folder/log.txt" >"$folder/gz"
write_jobs "$folder/jobs.jsonl"
answers() { # WHAT, then run's arguments; stdin as it is
    local what=$1
    shift
    same "$what" "$(timeout 60 "$yoco" run -m "$demo" "$@" -q "$question" -n 8 2>"$folder/err")" " 73914"
}

answers "a pipe as stdin" -f /dev/stdin < <(cat "$folder/log.txt")
answers "a file as stdin" -f /dev/stdin <"$folder/log.txt"
answers "the name -" -f - <"$folder/log.txt"
answers "a substituted process" -f <(zcat "$folder/gz")
mkfifo "$folder/fifo"
cat "$folder/log.txt" >"$folder/fifo" &
answers "a named pipe" -f "$folder/fifo"
same "two ranks" "$(timeout 60 "$mpiexec" -n 2 "$yoco" run -m "$demo" -f - -q "$question" -n 8 \
    <"$folder/log.txt" 2>/dev/null)" " 73914"
succeed "$yoco" run -m "$demo" -f /proc/cpuinfo -n 1
succeed "$yoco" run -m "$demo" --prompt-ids <(echo 5 6 7) --question-ids <(echo 8) -n 1
succeed "$yoco" batch -m "$demo" -i <(cat "$folder/jobs.jsonl") -o "$folder/results"
same "results" "$(wc -l <"$folder/results")" 5
"$yoco" context save -m "$demo" -f - -o "$folder/book" <"$folder/log.txt" 2>/dev/null || fail "context save"
succeed "$yoco" run -m "$demo" --context "$folder/book" -q "$question" -n 8
holds 73914
succeed "$yoco" plan -m <(cat "$source/configs/shapes/yoco-demo-window.json") --tokens 16K

expect 65 "stdin is empty" "$yoco" run -m "$demo" -f - -n 1
expect 66 "folder" "$yoco" run -m "$demo" -f "$folder" -n 1
copy_model "$folder/piped"
rm "$folder/piped/model.safetensors"
mkfifo "$folder/piped/model.safetensors"
expect 66 "model.safetensors: it is a pipe, and a regular file is wanted" \
    "$yoco" run -m "$folder/piped" -p hi -n 1
finish
