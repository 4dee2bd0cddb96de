#!/bin/bash
# New weights are copied over those in use, a log is rotated: one line with the file's name, and no
# backtrace of UCX.
# shellcheck source=tests/field/driver.sh
. "${BASH_SOURCE[0]%/*}/driver.sh"

seq -f 'Card %.0f of the shelf.' 3000 >"$folder/cards.txt"

# cut FILE COMMAND...: cuts the file once the command computes; leaves exit code, "$folder/err".
cut_during() {
    local file=$1 pid
    shift
    rm -rf "$folder/saved"
    "$@" >"$folder/out" 2>"$folder/err" &
    pid=$!
    for _ in $(seq 600); do
        [ -z "$(find "$folder/saved" -name 'chunk-*' 2>/dev/null)" ] || break
        sleep 0.05
    done
    : >"$file"
    wait $pid
    rc=$?
}

one_line() { # WHAT NAME
    same "$1: exit code" $rc 74
    grep -Eq "error: .*$2 was cut short while it was in use" "$folder/err" || fail "$1: no line"
    ! grep -qi backtrace "$folder/err" || fail "$1: a backtrace"
}

copy_model "$folder/model"
cut_during "$folder/model/model.safetensors" "$yoco" context save -m "$folder/model" \
    -f "$folder/cards.txt" --chunk 64 -o "$folder/saved"
one_line "one rank" model.safetensors
same "error lines" "$(grep -c error: "$folder/err")" 1

copy_model "$folder/model"
cut_during "$folder/model/model.safetensors" timeout 60 "$mpiexec" -n 2 "$yoco" context save \
    -m "$folder/model" -f "$folder/cards.txt" --chunk 64 -o "$folder/saved"
one_line "two ranks" model.safetensors

# A document is read before anything is computed from it.
head -300 "$folder/cards.txt" >"$folder/log"
cut_during "$folder/log" "$yoco" context save -m "$demo" -f "$folder/log" --chunk 64 -o "$folder/saved"
same "a rotated document: exit code" $rc 0
finish
