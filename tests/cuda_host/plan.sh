#!/bin/bash
# plan.sh YOCO PARAMS: what yoco plan says of a GPU is what is done there: the default chunk, and the
# memory that only a device takes.
set -euo pipefail
yoco=$1 folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sed 's/"max_seq_len": [0-9]*/"max_seq_len": 20000/' "$2" >"$folder/shape.json"

# chunk_of BACKEND: of a measurement, after checking that the plan has the same.
chunk_of() {
    local chunk
    chunk=$("$yoco" measure -m "$folder/shape.json" --tokens 16 --steps 1 --runs 1 --threads 1 \
        --backend "$1" --transport mpi | grep -oE '"chunk": *[0-9]+' | grep -oE '[0-9]+')
    "$yoco" plan -m "$folder/shape.json" --tokens 10000 --backend "$1" >"$folder/plan"
    grep -q "chunks of $chunk on" "$folder/plan" || { cat "$folder/plan" && exit 1; }
    echo "$chunk"
}
[ "$(chunk_of cpu)" = 2048 ] || { echo "the cpu's chunk is not 2048" && exit 1; }
[ "$(chunk_of cuda)" = 8192 ] || { echo "the GPU's chunk is not 8192" && exit 1; }

# runtime TRANSPORT: MiB that the plan has for the program and its libraries, on two ranks.
runtime() {
    "$yoco" plan -m "$folder/shape.json" --tokens 10000 --ranks 2 --backend cuda --transport "$1" |
        sed -n 's/^  program, MPI and libraries *\([0-9]*\).*/\1/p' | head -1
}
[ "$(runtime mpi)" -ge 600 ] || { echo "the plan lacks what a device takes" && exit 1; }
[ "$(runtime nccl)" -gt "$(runtime mpi)" ] || { echo "the plan lacks NCCL's buffers" && exit 1; }
