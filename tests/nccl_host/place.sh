#!/bin/bash
# place.sh COMM_FAULT MPIEXEC: two ranks on one GPU are refused in one line; one rank per GPU is not.
set -u
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
CUDA_HOST_DEVICES=2 "$2" -n 3 "$1" "$folder" nccl none 0 >"$folder/log" 2>&1
rc=$?
if [ $rc != 2 ] || [ "$(grep -c error: "$folder/log")" != 1 ] ||
    ! grep -q "rank 2: error: ranks 0 and 2 are on the same GPU" "$folder/log"; then
    echo "FAILED: exit code $rc"
    cat "$folder/log"
    exit 1
fi
CUDA_HOST_DEVICES=3 "$2" -n 3 "$1" "$folder" nccl none 0
