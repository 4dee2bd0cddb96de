#!/bin/bash
# Holds the house plan (docs/DESIGN.md): which folder may include what. Prints every offending line
# and exits with 1 if there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

# A folder, and whose headers it may include besides its own: folders, or single files. `base` is
# base.h, failpoint.h, trace.h and yoco.h. The longest matching folder counts, so kernels/cpu does not see
# kernels/reference. A folder's headers do not include those of the folders below it.
allowed='
base                base
configs             base configs
partition           base configs partition
kernels             base kernels
kernels/cpu         base kernels kernels/cpu
kernels/reference   base kernels kernels/reference
kernels/sim         base configs partition kernels kernels/sim
kernels/cuda        base kernels kernels/cuda
comm                base comm
worker              base configs partition kernels comm worker
coordinator         base configs partition comm/comm.h worker coordinator
coordinator/sim     base configs partition comm/comm.h kernels kernels/sim worker coordinator
tests               base configs partition kernels comm worker coordinator tests
'

# A header of a library, and the only files that may include it.
owned='
mpi.h               comm/comm_mpi.c kernels/sim/mpi.c tests/comm/comm_fault.c tests/nccl_host/nccl.c
smpi/smpi.h         kernels/sim/account.c
ucp/api/ucp.h       comm/comm_ucx.c comm/ucx_info.c
uct/api/uct.h       comm/ucx_info.c
nccl.h              comm/nccl_channels.h tests/nccl_host/nccl.c
cuda_runtime_api.h  comm/nccl_channels.h comm/cuda_place.c tests/nccl_host/* tests/cuda_host/*
cuda_runtime.h      kernels/cuda/* tests/cuda_host/*
cublasLt.h          kernels/cuda/*
cuda_host.h         kernels/cuda/portable.cuh
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
    local target=$header from to seen
    [[ $target != *..* ]] || { offend "write \"$header\" from the root"; return; }
    [ -f "$target" ] || target=${file%/*}/$header
    [ -f "$target" ] || { offend "\"$header\" is no file, seen from the root or from here"; return; }
    case $target in
        *.c | *.cu) offend "includes the source file $target" ;;
    esac
    from=$(folder_of "$file") to=$(folder_of "$target")
    [ -n "${may_see[$from]:-}" ] || { offend "folder $from is not in the table of $0"; return; }
    for seen in ${may_see[$from]}; do
        [ "$seen" != "$to" ] && [ "$seen" != "$target" ] || return 0
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

if [ "$n_files" = 0 ]; then
    echo "no source files found: not a git checkout?"
    exit 1
fi
[ "$n_bad" = 0 ] || exit 1
echo "includes of $n_files files follow the house plan"
