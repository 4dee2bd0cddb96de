#!/bin/bash
# commands_without_ranks.sh: what needs no ranks runs once under mpiexec, with the exit code of that
# one process, and rank 0 alone reads stdin.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"

write_log "$folder/log.txt"
write_jobs "$folder/jobs.jsonl"
succeed "$yoco" context save -m "$demo" -f "$folder/log.txt" --chunk 64 -o "$folder/context"

# once COMMAND...: as often as without mpiexec, and the same.
once() {
    succeed "$yoco" "$@"
    mv "$folder/out" "$folder/wanted"
    succeed "$mpiexec" -n 3 "$yoco" "$@"
    cmp -s "$folder/wanted" "$folder/out" || fail "the output is another: $*"
}

once info -m "$demo"
once plan -m "$demo" --tokens 1K
once context info "$folder/context"
once context verify "$folder/context" -m "$demo"
once batch -m "$demo" -i "$folder/jobs.jsonl" --validate-only
once eval -m "$demo" --task needle --length 1K --depths 1 --trials 1 --haystack "$folder/log.txt" \
    --dump-prompt
once --version
once --help
once run --help
once context --help
once context verify --help

# code CODE COMMAND...: that of mpiexec, and one line.
code() {
    local wanted=$1
    shift
    expect "$wanted" . "$mpiexec" -n 3 "$yoco" "$@"
}

code 66 info -m "$folder/none"
code 66 context verify "$folder/none"
code 66 eval report "$folder/none"
code 2 eval report
code 2 plan -m "$demo"
succeed "$mpiexec" -n 2 "$yoco" init --shape "$demo/params.json" -o "$folder/new"
succeed "$mpiexec" -n 2 "$yoco" scale -m "$source/configs/shapes/yoco-demo-window.json" \
    -o "$folder/scale" --predict --hardware h100-infiniband --ranks 1,2 --tokens 16K
same 'points' 2 "$(grep -c . "$folder/scale/scale.jsonl")"
succeed "$mpiexec" -n 2 "$yoco" scale -m "$demo" -o "$folder/measured" --ranks 2 --tokens 256 --runs 1 \
    --steps 1

# mpiexec as a way to start different things: each does its own.
mkdir "$folder/0" "$folder/1"
cp -r "$folder/context" "$folder/0"
# shellcheck disable=SC2016
timeout 60 "$mpiexec" -n 2 sh -c 'cd "$0/$PMI_RANK" && exec "$@"' "$folder" "$yoco" \
    context verify context >"$folder/out" 2>"$folder/err"
same 'exit code' 66 $?
holds 'all files of [0-9]+ chunks'
grep -q 'rank 1: error: cannot open context/' "$folder/err" || fail 'the second folder is not there'

timeout 60 "$mpiexec" -n 1 "$yoco" context verify "$folder/context" : -n 1 "$yoco" context verify "$folder/none" \
    >"$folder/out" 2>"$folder/err"
same 'exit code' 66 $?
grep -q 'rank 1: error: cannot open .*/none/' "$folder/err" || fail 'the folder of rank 1 is not looked at'

# A script goes on: a command that needs no ranks leaves MPI to the next one.
# shellcheck disable=SC2016
succeed "$mpiexec" -n 2 sh -c '"$0" info -m "$1" && "$0" plan -m "$1" --tokens 9 && "$0" info -m no ||
    "$0" run -m "$1" -p hi -n 1' "$yoco" "$demo"
same 'models' 2 "$(grep -c '^model ' "$folder/out")"

# stdin is rank 0's; the others' never ends.
timeout 60 "$mpiexec" -n 2 "$yoco" batch -m "$demo" -i - --validate-only <"$folder/jobs.jsonl" \
    >"$folder/out" 2>"$folder/err"
same 'exit code' 0 $?
timeout 60 "$mpiexec" -n 2 "$yoco" batch -m "$demo" -i - --validate-only </dev/null \
    >"$folder/out" 2>"$folder/err"
same 'exit code' 65 $?
timeout 120 "$mpiexec" -n 2 "$yoco" batch -m "$demo" -i - -o "$folder/results" \
    <"$folder/jobs.jsonl" >"$folder/out" 2>"$folder/err" || fail 'a batch from stdin'
same 'answers' 5 "$(grep -c . "$folder/results")"

# Nothing else that a rank reads by itself waits for it.
timeout 60 "$mpiexec" -n 2 "$yoco" bench -m /dev/stdin --tokens 256 --contexts 256 --branches 1 --runs 1 \
    <"$demo/params.json" >"$folder/out" 2>"$folder/err"
same 'exit code' 65 $?
grep -q 'rank 1: error: .*stdin' "$folder/err" || fail 'no line on the shape from stdin'

# More than a pipe holds, as it comes.
for part in 1 2 3; do
    sleep 1
    for i in $(seq 200); do
        job "$part.$i" '"prompt":"Lantern '"$i"' stands on the quay, as ever.","max_tokens":1'
    done
done | timeout 120 "$mpiexec" -n 2 "$yoco" batch -m "$demo" -i - --validate-only \
    >"$folder/out" 2>"$folder/err" || fail 'many lines from stdin'
grep -q '600 of 600 lines' "$folder/err" || fail 'lines are missing'

finish
