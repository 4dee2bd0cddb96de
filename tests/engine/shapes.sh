#!/bin/bash
# shapes.sh YOCO MPIEXEC DUMP_TOOL window|retention|fla|phi|gemma|llama|hybrid: odd sizes of everything. The two backends agree,
# and three ranks give the bytes of one.
source "$(dirname "$0")/driver.sh"
kind=$1
limit=5e-5

# agree CHUNK: f32 on both backends, and on 3 ranks.
agree() {
    local options=("${base[@]}" --chunk "$1" --threads 1)
    run 1 "$folder/cpu" "${options[@]}" --backend cpu
    run 1 "$folder/reference" "${options[@]}" --backend reference
    check "$name, $n ids, chunks of $1: backends agree" \
        "$tool" close "$folder/cpu" "$folder/reference" $limit
    run 3 "$folder/ranks" "${options[@]}" --backend cpu
    check "$name, $n ids, chunks of $1: 3 ranks" cmp "$folder/cpu" "$folder/ranks"
}

# shape NAME DIM LAYERS HIDDEN SELF_HEADS HEADS KV_HEADS VOCAB WINDOW CHUNK...
shape() {
    write_params "$folder/params.json" "${@:2:8}"
    try "$1" "$8" "${@:10}"
}

# config NAME VOCAB CHUNK... <CONFIG: the same of a config.json.
config() {
    cat >"$folder/params.json"
    try "$@"
}

# try NAME VOCAB CHUNK...: prompts of all lengths.
try() {
    local name=$1 vocab=$2 chunks=("${@:3}") model=$folder/$1 n chunk base
    check "init $name" "$yoco" init --shape "$folder/params.json" -o "$model" --dtype f32
    for n in 1 2 45 300; do
        write_ids "$folder/ids" $n "$vocab" $n
        base=(-m "$model" --prompt-ids "$folder/ids" -n 4)
        for chunk in "${chunks[@]}"; do
            if [ "$n" -gt 2 ] || [ "$chunk" = "${chunks[0]}" ]; then
                agree "$chunk"
            fi
        done
    done
    run 1 "$folder/one" "${base[@]}" --backend cpu --dtype bf16 --threads 1
    run 3 "$folder/ranks" "${base[@]}" --backend cpu --dtype bf16 --threads 2
    check "$name, $n ids, bf16: 3 ranks" cmp "$folder/one" "$folder/ranks"
    echo "done: $name"
}

if [ "$kind" = window ]; then
    shape window-of-1 36 2 97 6 6 6 5 1 1 7 64
    shape window-wider-than-prompt 40 3 7 4 4 1 33 1000 1 7 64
    shape heads-of-2 6 2 7 3 3 3 5 2 1 7
    shape smallest-window 2 2 1 1 1 1 2 3 1 7
    shape unlike-heads 66 4 97 3 33 11 257 17 16 64
elif [ "$kind" = fla ]; then
    common='"model_type": "yoco", "vocab_size": 33, "max_position_embeddings": 1000'
    config one-layer-each 33 1 7 64 <<END
{$common, "hidden_size": 40, "num_hidden_layers": 2, "num_self_decoder_layers": 1,
 "intermediate_size": 7, "tie_word_embeddings": true,
 "self_decoder_attn": {"type": "swa", "num_heads": 10, "num_v_heads": 1, "window_size": 3},
 "cross_decoder_attn": {"num_heads": 5, "num_kv_heads": 1, "qk_norm": true}}
END
    config more-cross-layers 33 3 64 <<END
{$common, "hidden_size": 24, "num_hidden_layers": 5, "num_self_decoder_layers": 1,
 "intermediate_size": 97,
 "self_decoder_attn": {"type": "swa", "num_heads": 12, "num_v_heads": 4, "window_size": 1000,
                       "qkv_bias": true},
 "cross_decoder_attn": {"num_heads": 1, "qkv_bias": true, "rope_inv_freq": "yoco"}}
END
    config delta 33 1 3 64 <<END
{$common, "hidden_size": 24, "num_hidden_layers": 3, "num_self_decoder_layers": 2,
 "intermediate_size": 50,
 "self_decoder_attn": {"type": "gated_deltanet", "num_heads": 1, "num_v_heads": 3, "head_dim": 7,
                       "expand_v": 3, "conv_size": 2, "allow_neg_eigval": true},
 "cross_decoder_attn": {"num_heads": 3, "qk_norm": true}}
END
    config delta-default 33 3 300 <<END
{$common, "hidden_size": 24, "num_hidden_layers": 2, "num_self_decoder_layers": 1,
 "intermediate_size": 50, "self_decoder_attn": {"num_heads": 2, "head_dim": 16},
 "cross_decoder_attn": {"num_heads": 2}}
END
    config retention 33 256 <<END
{$common, "hidden_size": 36, "num_hidden_layers": 4, "num_self_decoder_layers": 3,
 "intermediate_size": 50,
 "self_decoder_attn": {"type": "gated_retention", "num_heads": 2, "rope_theta": 500,
                       "gate_logit_normalizer": 3.5},
 "cross_decoder_attn": {"num_heads": 6, "num_kv_heads": 2, "qkv_bias": true, "qk_norm": true}}
END
elif [ "$kind" = phi ]; then
    limit=2e-4
    common='"model_type": "phi4flash", "vocab_size": 33, "max_position_embeddings": 1000'
    config smallest 33 1 7 64 <<END
{$common, "hidden_size": 4, "num_hidden_layers": 4, "intermediate_size": 1, "num_attention_heads": 2,
 "sliding_window": 1, "mamba_d_state": 1, "mamba_d_conv": 1, "mamba_expand": 1, "mamba_dt_rank": 1}
END
    config odd-sizes 33 2 64 <<END
{$common, "hidden_size": 60, "num_hidden_layers": 4, "intermediate_size": 97,
 "num_attention_heads": 6, "num_key_value_heads": 6, "sliding_window": [null, 5, null, null],
 "mamba_d_state": 32, "mamba_d_conv": 7, "mamba_expand": 3, "mamba_dt_rank": "auto",
 "tie_word_embeddings": false}
END
    config windows 33 5 64 <<END
{$common, "hidden_size": 48, "num_hidden_layers": 12, "intermediate_size": 50,
 "num_attention_heads": 12, "num_key_value_heads": 2, "mamba_d_state": 3,
 "sliding_window": [1, 2, 3, 1000, 5, 6, 7, 8, 9, 10, 11, 12]}
END
elif [ "$kind" = gemma ]; then
    limit=1e-4
    common='"model_type": "gemma4_text", "vocab_size": 33, "vocab_size_per_layer_input": 33, "max_position_embeddings": 1000'
    window='"sliding_attention"' full='"full_attention"'
    config smallest 33 1 7 64 <<END
{$common, "hidden_size": 2, "num_hidden_layers": 2, "intermediate_size": 1, "num_attention_heads": 1,
 "num_key_value_heads": 1, "head_dim": 2, "global_head_dim": 8, "sliding_window": 1,
 "layer_types": [$full, $full], "num_kv_shared_layers": 1, "hidden_size_per_layer_input": 1}
END
    config window-kept-last 33 1 7 64 <<END
{$common, "hidden_size": 30, "num_hidden_layers": 6, "intermediate_size": 41,
 "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 10, "global_head_dim": 14,
 "layer_types": [$full, $window, $window, $window, $full, $full], "num_kv_shared_layers": 3,
 "sliding_window": 9, "hidden_size_per_layer_input": 7, "final_logit_softcapping": 2.5,
 "tie_word_embeddings": false}
END
    config nothing-shared 33 5 64 <<END
{$common, "hidden_size": 48, "num_hidden_layers": 3, "intermediate_size": 50,
 "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 12, "global_head_dim": 12,
 "layer_types": [$window, $full, $full], "sliding_window": 1, "hidden_size_per_layer_input": 0}
END
elif [ "$kind" = llama ]; then
    common='"vocab_size": 33, "max_position_embeddings": 1000'
    config one-layer 33 1 7 64 <<END
{$common, "model_type": "llama", "hidden_size": 2, "num_hidden_layers": 1, "intermediate_size": 1,
 "num_attention_heads": 1, "tie_word_embeddings": true}
END
    config biases 33 3 64 <<END
{$common, "model_type": "llama", "hidden_size": 35, "num_hidden_layers": 3, "intermediate_size": 97,
 "num_attention_heads": 5, "head_dim": 12, "attention_bias": true,
 "rope_scaling": {"type": "linear", "factor": 3}}
END
    config windows-alone 33 1 7 64 <<END
{$common, "model_type": "mistral", "hidden_size": 40, "num_hidden_layers": 2,
 "intermediate_size": 50, "num_attention_heads": 10, "num_key_value_heads": 2, "sliding_window": 5}
END
    config windows-last 33 5 64 <<END
{$common, "model_type": "qwen2", "hidden_size": 24, "num_hidden_layers": 4, "intermediate_size": 50,
 "num_attention_heads": 3, "num_key_value_heads": 1, "use_sliding_window": true,
 "sliding_window": 1, "max_window_layers": 2,
 "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 32}}
END
    config windows-between 33 2 64 <<END
{$common, "model_type": "qwen3", "hidden_size": 30, "num_hidden_layers": 5, "intermediate_size": 50,
 "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 10, "attention_bias": true,
 "use_sliding_window": true, "sliding_window": 17,
 "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention",
                 "sliding_attention"]}
END
elif [ "$kind" = hybrid ]; then
    limit=2e-4
    common='"vocab_size": 33, "max_position_embeddings": 1000'
    delta='"linear_attention"' full='"full_attention"'
    config smallest 33 1 7 64 <<END
{$common, "model_type": "qwen3_5_text", "hidden_size": 2, "num_hidden_layers": 2,
 "intermediate_size": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 2,
 "partial_rotary_factor": 1, "linear_num_key_heads": 1, "linear_num_value_heads": 1,
 "linear_key_head_dim": 1, "linear_value_head_dim": 1, "linear_conv_kernel_dim": 2,
 "layer_types": [$full, $delta]}
END
    config attention-alone 33 5 64 <<END
{$common, "model_type": "qwen3_5_text", "hidden_size": 40, "num_hidden_layers": 2,
 "intermediate_size": 50, "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 10,
 "partial_rotary_factor": 0.4, "layer_types": [$full, $full], "tie_word_embeddings": true}
END
    config odd-sizes 33 1 3 64 <<END
{$common, "model_type": "qwen3_5_text", "hidden_size": 30, "num_hidden_layers": 5,
 "intermediate_size": 41, "num_attention_heads": 5, "num_key_value_heads": 1, "head_dim": 12,
 "rope_parameters": {"rope_theta": 500, "partial_rotary_factor": 0.5},
 "linear_num_key_heads": 1, "linear_num_value_heads": 3, "linear_key_head_dim": 7,
 "linear_value_head_dim": 21, "linear_conv_kernel_dim": 7,
 "layer_types": [$delta, $delta, $full, $full, $delta]}
END
    config norms-behind 33 2 64 <<END
{$common, "model_type": "olmo_hybrid", "hidden_size": 36, "num_hidden_layers": 3,
 "intermediate_size": 41, "num_attention_heads": 6, "num_key_value_heads": 2,
 "rope_parameters": {"rope_theta": 1e4}, "layer_types": [$full, $delta, $full]}
END
else
    shape one-kv-head 36 2 97 6 2 1 97 null 256
    shape heads-of-4 40 3 7 4 10 5 5 null 256
    shape smallest-retention 2 2 1 1 1 1 2 null 256
    shape unlike-retention-heads 66 4 97 3 33 11 257 null 256 512
fi
[ $n_failed = 0 ]
