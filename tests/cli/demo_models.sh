#!/bin/bash
# demo_models.sh: both demo models find what stands in a document, the same on one rank and on two.
source "$(dirname "$0")/../field/driver.sh"

write_log "$folder/log.txt"
for name in demo demo-retention; do
    ask=("$yoco" run -m "$source/models/$name" -f "$folder/log.txt" -q "$question" -n 8)
    succeed "${ask[@]}"
    holds '73914'
    cp "$folder/out" "$folder/alone"
    succeed "$mpiexec" -n 2 "${ask[@]}"
    cmp -s "$folder/out" "$folder/alone" || fail "$name answers otherwise on two ranks"
done
finish
