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

# write_fla FILE swa|gated_retention VOCAB: the config.json of a model of flash-linear-attention, with
# what such models have and the authors' release has not.
write_fla() {
    local self='"num_heads": 6, "num_v_heads": 2, "window_size": 48, "qkv_bias": true'
    [ "$2" = swa ] || self='"num_heads": 3, "rope_inv_freq": "yoco", "gate_logit_normalizer": 10'
    cat >"$1" <<END
{"model_type": "yoco", "hidden_size": 96, "num_hidden_layers": 5, "num_self_decoder_layers": 2,
 "intermediate_size": 200, "vocab_size": $3, "max_position_embeddings": 100000, "norm_eps": 1e-5,
 "eos_token_id": null, "self_decoder_attn": {"type": "$2", $self},
 "cross_decoder_attn": {"num_heads": 6, "num_kv_heads": 3, "qkv_bias": true, "qk_norm": true}}
END
}

# is_retention MODEL: whether chunks of this model are multiples of 256.
is_retention() {
    grep -Eq '"sliding_window": null|"gated_retention"' "$1"/*.json
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
