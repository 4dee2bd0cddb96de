# shellcheck shell=bash disable=SC2034
# Sourced by the drivers of this folder, each called as DRIVER YOCO MPIEXEC DUMP_TOOL ARGUMENT...:
# runs that must succeed, in a temporary folder that goes away.
set -u
yoco=$1 mpiexec=$2 tool=$3
shift 3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
n_failed=0

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
    check "run on $ranks ranks: $*" "${launcher[@]}" "$yoco" run --deadline 120 --dump "$dump" "$@"
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

# write_params FILE DIM LAYERS HIDDEN SELF_HEADS HEADS KV_HEADS VOCAB WINDOW
write_params() {
    cat >"$1" <<END
{"dim": $2, "n_layers": $3, "hidden_dim": $4, "n_self_heads": $5, "n_attn_heads": $6,
 "n_attn_kv_heads": $7, "vocab_size": $8, "sliding_window": $9, "max_seq_len": 8192}
END
}

# write_ids FILE N VOCAB SALT: N ids that look random.
write_ids() {
    awk -v n="$2" -v vocab="$3" -v x="$4" 'BEGIN {
        for (i = 0; i < n; i++) {
            x = (x * 1103515 + 12345 + i) % 2147483
            print x % vocab
        }
    }' >"$1"
}
