#!/bin/bash
# refused.sh COMM_FAULT MPIEXEC: an NCCL that is too old, and settings under which ranks would wait
# for ever, are refused in one line; NCCL 2.27 is not.
set -u
program=$1 mpiexec=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
n_failed=0

# refused RANKS TEXT VARIABLE=VALUE
refused() {
    env "$3" "$mpiexec" -n "$1" "$program" "$folder" nccl none 0 >"$folder/log" 2>&1
    rc=$?
    if [ $rc != 2 ] || [ "$(grep -c error: "$folder/log")" != 1 ] || ! grep -q "$2" "$folder/log"; then
        echo "FAILED: $3 on $1 ranks: exit code $rc"
        cat "$folder/log"
        n_failed=$((n_failed + 1))
    fi
}
refused 3 "NCCL 2.18.5 is loaded, and 2.27 or later is needed" NCCL_HOST_VERSION=21805
refused 3 "NCCL 2.26.9 is loaded, and 2.27 or later is needed" NCCL_HOST_VERSION=22609
refused 1 "NCCL 2.26.9 is loaded, and 2.27 or later is needed" NCCL_HOST_VERSION=22609
refused 2 "CUDA_LAUNCH_BLOCKING is set" CUDA_LAUNCH_BLOCKING=1
refused 2 "NCCL_LAUNCH_ORDER_IMPLICIT is set" NCCL_LAUNCH_ORDER_IMPLICIT=1
[ $n_failed = 0 ] || exit 1
CUDA_LAUNCH_BLOCKING=0 NCCL_HOST_VERSION=22700 "$mpiexec" -n 3 "$program" "$folder" nccl none 0
