#!/bin/bash
# transports.sh YOCO MPIEXEC DUMP_TOOL window|retention: a dump has the same bytes over UCX as over
# MPI, on any number of ranks.
source "$(dirname "$0")/driver.sh"
kind=$1
vocab=512
if [ "$kind" = window ]; then
    write_params "$folder/model.json" 96 4 200 4 6 2 $vocab 48
    chunk=100
else
    write_params "$folder/model.json" 96 4 200 3 6 3 $vocab null
    chunk=256
fi
write_ids "$folder/prompt.ids" 1500 $vocab 1
write_ids "$folder/question.ids" 60 $vocab 2
check init "$yoco" init --shape "$folder/model.json" -o "$folder/model" --dtype bf16 --seed 3
options=(-m "$folder/model" --prompt-ids "$folder/prompt.ids" --question-ids "$folder/question.ids"
    -n 8 --chunk "$chunk" --threads 1 --temperature 0.8)
run 1 "$folder/one" "${options[@]}" --transport mpi
run 3 "$folder/dump" "${options[@]}" --transport mpi
check "$kind: mpi, 3 ranks" cmp "$folder/one" "$folder/dump"
for ranks in 1 2 3 5; do
    run $ranks "$folder/dump" "${options[@]}" --transport ucx
    check "$kind: ucx, $ranks ranks" cmp "$folder/one" "$folder/dump"
done
[ $n_failed = 0 ]
