# shellcheck shell=bash disable=SC2034
# Sourced by the drivers of this folder, each called as DRIVER YOCO MPIEXEC DUMP_TOOL ARGUMENT...:
# runs that must succeed, in a temporary folder that goes away.
set -u
yoco=$1 mpiexec=$2 tool=$3
shift 3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
n_failed=0
global=() # options before the command of a run

fail() {
    echo "FAILED: $1"
    sed 's/^/    /' "$folder/log"
    n_failed=$((n_failed + 1))
}

# check NAME COMMAND...
check() {
    local name=$1
    shift
    "$@" >"$folder/log" 2>&1 </dev/null || fail "$name"
}

# run RANKS DUMP OPTION...: yoco run on that many ranks, into a new dump. One rank starts without
# a launcher.
run() {
    local ranks=$1 dump=$2 launcher=()
    shift 2
    [ "$ranks" = 1 ] || launcher=("$mpiexec" -n "$ranks")
    rm -f "$dump"
    check "run on $ranks ranks: $*" "${launcher[@]}" "$yoco" "${global[@]}" run --deadline 120 --dump "$dump" "$@"
}

# isas PARAMS: the instruction sets that this machine has.
isas() {
    local isa
    for isa in portable avx2 avx512 avx512_bf16; do
        if "$yoco" plan -m "$1" --tokens 1 --isa "$isa" >"$folder/log" 2>&1; then
            echo "$isa"
        else
            echo "skipped: $isa: this processor lacks it" >&2
        fi
    done
}

# shellcheck source=tests/engine/models.sh
source "${BASH_SOURCE[0]%/*}/models.sh"
