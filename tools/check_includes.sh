#!/bin/bash
# Holds the house plan (docs/DESIGN.md): which folder may include what, and that no arrows between
# folders make a circle. Prints what offends and exits with 1 if there is any.
set -euo pipefail
cd "$(dirname "$0")/.."

# A folder, and whose headers it may include: folders, single files, or patterns of either. `base` is the
# root: base.h, failpoint.h, trace.h. The longest matching folder counts, so kernels/cpu does not see
# kernels/reference, and comm/comm.h is not comm/mpi.
engine='base configs/* partition comm/comm.h comm/tags.h worker worker/snapshot'
session="$engine coordinator/text coordinator/cli coordinator/session coordinator/report"
ask="$session coordinator/ask"
allowed="
base                base
configs/files       base configs/files
configs/model       base configs/files configs/model
configs/context     base configs/files configs/context
configs/machine     base configs/files configs/machine
partition           base configs/* partition
kernels             base kernels
kernels/cpu         base kernels kernels/cpu
kernels/reference   base kernels kernels/reference
kernels/tally       base configs/* partition kernels kernels/tally
kernels/sim         base configs/* partition kernels kernels/tally kernels/sim
kernels/cuda        base kernels kernels/cuda
comm                base comm
comm/mpi            base comm comm/watch comm/mpi
comm/ucx            base comm comm/ucx
comm/nccl           base comm comm/nccl
comm/self           base comm comm/watch comm/self
comm/sim            base kernels/sim/sim.h comm/sim
comm/watch          base comm comm/watch
worker              base configs/* partition kernels kernels/tally comm worker worker/past worker/layers
worker/past         base configs/* partition kernels comm worker worker/past
worker/layers       base configs/* partition kernels comm worker worker/past worker/layers
worker/snapshot     base configs/* partition kernels comm worker worker/past worker/snapshot
coordinator             base comm/comm.h coordinator/cli
coordinator/text        base configs/files coordinator/text
coordinator/cli         base configs/files configs/model configs/context comm/comm.h coordinator/cli
coordinator/report      base coordinator/text coordinator/report
coordinator/timing      $engine coordinator/timing
coordinator/session     $engine coordinator/text coordinator/cli coordinator/session
coordinator/ask         $engine coordinator/text coordinator/cli coordinator/session coordinator/ask
coordinator/plan        $session coordinator/plan
coordinator/batch       $ask coordinator/batch
coordinator/eval        $ask coordinator/eval
coordinator/bench       $session kernels coordinator/timing coordinator/bench
coordinator/scale       $session coordinator/timing coordinator/plan coordinator/scale
coordinator/scale/sim   $engine coordinator/cli coordinator/timing kernels kernels/tally kernels/sim
coordinator/doctor      $session coordinator/plan coordinator/doctor
tests               base configs/* partition kernels comm comm/* worker worker/snapshot coordinator/* tests
"

# A header of a library, and the only files that may include it.
owned='
mpi.h               comm/mpi/mpi.c comm/sim/mpi.c tests/comm/comm_fault.c tests/nccl_host/nccl.c
smpi/smpi.h         kernels/sim/account.c
ucp/api/ucp.h       comm/ucx/ucx.c comm/ucx/info.c
uct/api/uct.h       comm/ucx/info.c
nccl.h              comm/nccl/channels.h tests/nccl_host/nccl.c
cuda_runtime_api.h  comm/nccl/channels.h comm/nccl/cuda_place.c tests/nccl_host/* tests/cuda_host/*
cuda_runtime.h      kernels/cuda/* tests/cuda_host/*
cublasLt.h          kernels/cuda/*
cuda_host.h         kernels/cuda/portable.cuh
wgmma_host.h        kernels/cuda/hopper.cuh
bulk_host.h         kernels/cuda/bulk_copy.cuh
cuda.h              kernels/cuda/bulk_copy.cuh tests/cuda_host/include/bulk_host.h
'

declare -A may_see only_in
while read -r name list; do
    [ -z "$name" ] || may_see[$name]=$list
done <<<"$allowed"
while read -r name list; do
    [ -z "$name" ] || only_in[$name]=$list
done <<<"$owned"

# folder_of FILE: the longest folder of the table that holds it; files in the root are `base`.
folder_of() {
    local folder=$1
    while [[ $folder == */* ]]; do
        folder=${folder%/*}
        [ -z "${may_see[$folder]:-}" ] || break
    done
    [[ $1 == */* ]] && echo "$folder" || echo base
}

n_bad=0
arrows= # between folders; a single file that the table names is none
offend() {
    echo "$file:$line: $1"
    n_bad=$((n_bad + 1))
}

check_library_header() {
    local pattern patterns
    [ -n "${only_in[$header]:-}" ] || return 0
    read -ra patterns <<<"${only_in[$header]}"
    for pattern in "${patterns[@]}"; do
        # shellcheck disable=SC2053
        [[ $file != $pattern ]] || return 0
    done
    offend "<$header> may be included only by: ${only_in[$header]}"
}

check_own_header() {
    local target=$header from to pattern patterns
    [[ $target != *..* ]] || { offend "write \"$header\" from the root"; return; }
    [ -f "$target" ] || target=${file%/*}/$header
    [ -f "$target" ] || { offend "\"$header\" is no file, seen from the root or from here"; return; }
    case $target in
        *.c | *.cu) offend "includes the source file $target" ;;
    esac
    from=$(folder_of "$file") to=$(folder_of "$target")
    [ -n "${may_see[$from]:-}" ] || { offend "folder $from is not in the table of $0"; return; }
    read -ra patterns <<<"${may_see[$from]}"
    for pattern in "${patterns[@]}"; do
        # shellcheck disable=SC2053
        if [[ $to == $pattern ]]; then
            # A room inside another one uses the headers of the house around it.
            [[ $from/ == $to/* ]] || arrows+="$from $to"$'\n'
            return 0
        fi
        # shellcheck disable=SC2053
        [[ $target != $pattern ]] || return 0
    done
    offend "$from must not include $target: it may see ${may_see[$from]}"
}

include='^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"])([^<>"]+)[>"]'
n_files=0
while read -r file; do
    [ -f "$file" ] || continue
    n_files=$((n_files + 1))
    while IFS=: read -r line text; do
        [[ $text =~ $include ]] || { offend "names no header"; continue; }
        header=${BASH_REMATCH[2]}
        check_library_header
        if [ "${BASH_REMATCH[1]}" = '"' ] || [ -f "$header" ]; then
            check_own_header
        fi
    done < <(grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" || true)
done < <(git ls-files --cached --others --exclude-standard '*.c' '*.h' '*.cu' '*.cuh' '*.cpp')

circles=$(tsort <<<"$arrows" 2>&1 >/dev/null || true)
if [ -n "$circles" ]; then
    echo "folders include each other:"
    echo "$circles"
    n_bad=$((n_bad + 1))
fi
if [ "$n_files" = 0 ]; then
    echo "no source files found: not a git checkout?"
    exit 1
fi
[ "$n_bad" = 0 ] || exit 1
echo "includes of $n_files files follow the house plan"
