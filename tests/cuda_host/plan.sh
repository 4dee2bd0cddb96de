#!/bin/bash
# plan.sh YOCO NCCL_YOCO PARAMS: what yoco plan says of a GPU is what is done there: the default chunk, and the
# memory that only a device takes.
set -euo pipefail
yoco=$1 nccl_yoco=$2 folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sed 's/"max_seq_len": [0-9]*/"max_seq_len": 20000/' "$3" >"$folder/shape.json"

# chunk_of BACKEND: of a measurement, after checking that the plan has the same.
chunk_of() {
    local chunk
    chunk=$("$yoco" bench --per-rank -m "$folder/shape.json" --tokens 16 --steps 1 --runs 1 --threads 1 \
        --backend "$1" --transport mpi | grep -oE '"chunk": *[0-9]+' | grep -oE '[0-9]+')
    "$yoco" plan -m "$folder/shape.json" --tokens 10000 --backend "$1" >"$folder/plan"
    grep -q "chunks of $chunk on" "$folder/plan" || { cat "$folder/plan" && exit 1; }
    echo "$chunk"
}
[ "$(chunk_of cpu)" = 2048 ] || { echo "the cpu's chunk is not 2048" && exit 1; }
[ "$(chunk_of cuda)" = 8192 ] || { echo "the GPU's chunk is not 8192" && exit 1; }

# runtime PROGRAM RANKS: MiB that the plan has for the program and its libraries.
runtime() {
    "$1" plan -m "$folder/shape.json" --tokens 10000 --ranks "$2" --backend cuda |
        sed -n 's/^  program, MPI and libraries *\([0-9]*\).*/\1/p' | head -1
}
[ "$(runtime "$yoco" 2)" -ge 600 ] || { echo "the plan lacks what a device takes" && exit 1; }
[ "$(runtime "$nccl_yoco" 2)" -gt "$(runtime "$yoco" 2)" ] ||
    { echo "the plan lacks NCCL's buffers" && exit 1; }
