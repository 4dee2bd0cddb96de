# shellcheck shell=bash
# Sourced by drivers: configs of small models, and prompts for them.

# write_params FILE DIM LAYERS HIDDEN SELF_HEADS HEADS KV_HEADS VOCAB WINDOW
write_params() {
    cat >"$1" <<END
{"dim": $2, "n_layers": $3, "hidden_dim": $4, "n_self_heads": $5, "n_attn_heads": $6,
 "n_attn_kv_heads": $7, "vocab_size": $8, "sliding_window": $9, "max_seq_len": 8192}
END
}

# write_fla FILE swa|gated_retention|gated_deltanet VOCAB: the config.json of a model of flash-linear-attention, with
# what such models have and the authors' release has not.
write_fla() {
    local self='"num_heads": 6, "num_v_heads": 2, "window_size": 48, "qkv_bias": true'
    case $2 in
        gated_retention) self='"num_heads": 3, "rope_inv_freq": "yoco", "gate_logit_normalizer": 10' ;;
        gated_deltanet) self='"num_heads": 2, "num_v_heads": 4, "head_dim": 20, "expand_v": 1.5' ;;
    esac
    cat >"$1" <<END
{"model_type": "yoco", "hidden_size": 96, "num_hidden_layers": 5, "num_self_decoder_layers": 2,
 "intermediate_size": 200, "vocab_size": $3, "max_position_embeddings": 100000, "norm_eps": 1e-5,
 "eos_token_id": null, "self_decoder_attn": {"type": "$2", $self},
 "cross_decoder_attn": {"num_heads": 6, "num_kv_heads": 3, "qkv_bias": true, "qk_norm": true}}
END
}

# write_phi FILE VOCAB: the config.json of a SambaY model.
write_phi() {
    cat >"$1" <<END
{"model_type": "phi4flash", "hidden_size": 64, "num_hidden_layers": 8, "intermediate_size": 90,
 "vocab_size": $2, "max_position_embeddings": 100000, "num_attention_heads": 8,
 "num_key_value_heads": 4, "sliding_window": 48, "mamba_d_state": 12, "eos_token_id": null}
END
}

# write_llama FILE VOCAB: the config.json of a Transformer.
write_llama() {
    cat >"$1" <<END
{"model_type": "llama", "hidden_size": 96, "num_hidden_layers": 3, "intermediate_size": 200,
 "vocab_size": $2, "max_position_embeddings": 100000, "num_attention_heads": 6,
 "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "eos_token_id": null}
END
}

# write_qwen FILE VOCAB: the config.json of a Transformer with windows in some layers, biases and norms of heads.
write_qwen() {
    cat >"$1" <<END
{"model_type": "qwen3", "hidden_size": 60, "num_hidden_layers": 4, "intermediate_size": 120,
 "vocab_size": $2, "max_position_embeddings": 100000, "num_attention_heads": 6,
 "num_key_value_heads": 3, "head_dim": 12, "attention_bias": true, "use_sliding_window": true,
 "sliding_window": 48, "layer_types": ["full_attention", "sliding_attention", "full_attention",
 "sliding_attention"], "rope_scaling": {"type": "yarn", "factor": 4,
 "original_max_position_embeddings": 512}, "eos_token_id": null}
END
}

# write_gemma FILE VOCAB: the config.json of a model whose last layers read the K,V of others, of all rows and of windows.
write_gemma() {
    local window='"sliding_attention"' full='"full_attention"'
    cat >"$1" <<END
{"model_type": "gemma4_text", "hidden_size": 72, "num_hidden_layers": 7, "intermediate_size": 90,
 "vocab_size": $2, "vocab_size_per_layer_input": $2, "max_position_embeddings": 100000,
 "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 20, "global_head_dim": 32,
 "layer_types": [$window, $full, $window, $full, $window, $window, $full],
 "num_kv_shared_layers": 3, "use_double_wide_mlp": true, "sliding_window": 48,
 "hidden_size_per_layer_input": 12, "final_logit_softcapping": 6, "eos_token_id": null}
END
}

# write_qwen35 FILE VOCAB: the config.json of a model of gated DeltaNet and gated attention, which ends with the first.
write_qwen35() {
    local delta='"linear_attention"' full='"full_attention"'
    cat >"$1" <<END
{"model_type": "qwen3_5_text", "hidden_size": 64, "num_hidden_layers": 5, "intermediate_size": 90,
 "vocab_size": $2, "max_position_embeddings": 100000, "num_attention_heads": 6,
 "num_key_value_heads": 2, "head_dim": 24, "partial_rotary_factor": 0.25,
 "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 20,
 "linear_value_head_dim": 12, "layer_types": [$delta, $full, $delta, $full, $delta],
 "eos_token_id": null}
END
}

# write_olmo FILE VOCAB: the config.json of a model of DeltaNet and attention with norms behind it.
write_olmo() {
    cat >"$1" <<END
{"model_type": "olmo_hybrid", "hidden_size": 64, "num_hidden_layers": 4, "intermediate_size": 90,
 "vocab_size": $2, "max_position_embeddings": 100000, "num_attention_heads": 4,
 "eos_token_id": null}
END
}

# limit_of MODEL: how far an f32 run may be from what is expected. Differential attention normalises a
# difference, DeltaNet what a head reads of its state, in which rounding grows.
limit_of() {
    case $1 in
        *phi4flash* | *qwen35* | *olmo-hybrid*) echo 2e-4 ;;
        *gemma4*) echo 1e-4 ;;
        *) echo 5e-5 ;;
    esac
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
