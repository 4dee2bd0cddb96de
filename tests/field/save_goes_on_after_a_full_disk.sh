#!/bin/bash
# A save that cannot write ends soon after, on every rank, with 74; a checkpoint goes on to answers.
# shellcheck source=tests/field/driver.sh
source "$(dirname "$0")/driver.sh"
seq -f 'Card %.0f of the shelf.' 1000 >"$folder/cards.txt"
for n in 1 2; do
    expect 74 'chunk-.*No space left' "$mpiexec" -n $n "$yoco" --failpoint file.write:6:enospc:0 context save -m "$demo" \
        -f "$folder/cards.txt" --chunk 64 --threads 1 -o "$folder/full$n"
    ! grep -q 'stopped as asked' "$folder/err" || fail "the stop is called asked for on $n ranks"
    same "temporary files" "$(find "$folder" -name '*.tmp')" ""
done
[ "$(find "$folder/full2" -name 'chunk-*' | wc -l)" -lt 60 ] || fail "the save went on after the failure"
succeed "$yoco" context save -m "$demo" -f "$folder/cards.txt" --chunk 64 --threads 1 -o "$folder/full2"
succeed "$yoco" context verify "$folder/full2" -m "$demo"
finish
