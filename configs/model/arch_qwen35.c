/* Qwen3_5ForConditionalGeneration and Qwen3_5ForCausalLM, dense, text alone: gated DeltaNet and,
 * every few layers, gated attention, by the fields and tensor names of their releases.
 * Source: transformers 5, models/qwen3_5; Gated Delta Networks, Yang et al. (arXiv 2412.06464);
 * Gated Attention, Qiu et al. (arXiv 2505.06708). */
#include "configs/model/hf_hybrid.h"

#include <stdio.h>
#include <string.h>

static const char text_type[] = "qwen3_5_text";

/* A text_config that does not say what it is, is what the whole makes it; and whether the output
 * projection is tied, the whole decides. */
static yoco_fields fields_of(const char *name, json_t *root)
{
    json_t *inner = json_object_get(root, "text_config");
    const json_t *tied = json_object_get(root, "tie_word_embeddings");
    if (json_is_object(inner) && !json_object_get(inner, "model_type"))
        json_object_set_new(inner, "model_type", json_string(text_type));
    yoco_fields f = yoco_hf_fields(name, root, text_type);
    if (f.object == inner && json_is_boolean(tied))
        json_object_set(inner, "tie_word_embeddings", (json_t *)tied);
    return f;
}

static yoco_status config_read(const yoco_fields *f, yoco_hybrid *c, yoco_rotation *rotation)
{
    bool gated = true;
    *c = (yoco_hybrid){.norm_eps = 1e-6,
                       .n_kv_heads = 4,
                       .head_dim = 256,
                       .n_k_heads = 16,
                       .n_v_heads = 32,
                       .k_dim = 128,
                       .v_dim = 128,
                       .n_taps = 4,
                       .interval = 4};
    YOCO_TRY(yoco_field_int_if(f, "full_attention_interval", 1, YOCO_MAX_LAYERS, &c->interval));
    YOCO_TRY(yoco_field_bool_if(f, "attn_output_gate", &gated));
    if (!gated) {
        yoco_log_error("%s: %sattn_output_gate false is not supported", f->file, f->prefix);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(yoco_hybrid_read(f, c));
    *rotation = (yoco_rotation){.head_dim = c->head_dim,
                                .width = c->head_dim / 4 > 0 ? c->head_dim / 4 : 1,
                                .theta = 10000,
                                .halves = true};
    return yoco_hf_rotation(f, rotation);
}

static yoco_layer_shape layer_of(const yoco_hybrid *c, int index, int rotation)
{
    yoco_layer_shape layer = yoco_hybrid_layer(c, index);
    layer.traits = YOCO_TRAIT_NORM_LESS_1;
    if (layer.kind == YOCO_LAYER_ATTENTION) {
        layer.traits |= YOCO_TRAIT_Q_NORM | YOCO_TRAIT_K_NORM | YOCO_TRAIT_OUT_GATE;
        layer.q_norm_eps = (float)c->norm_eps;
        layer.rotation = rotation;
    }
    return layer;
}

static yoco_status make(const yoco_family *family, const char *name, json_t *root,
                        yoco_model_shape **out)
{
    const yoco_fields f = fields_of(name, root);
    yoco_hybrid c;
    yoco_rotation rotation;
    yoco_model_shape *shape;
    YOCO_TRY(config_read(&f, &c, &rotation));
    YOCO_TRY(yoco_hybrid_shape(family, &f, &c, root, &shape));
    shape->final_norm_less_1 = true;
    int turns = yoco_model_add_rotation(shape, &rotation);
    for (int i = 0; i < shape->n_layers; i++)
        shape->layers[i] = layer_of(&c, i, turns);
    *out = shape;
    return YOCO_OK;
}

static yoco_status make_whole(const char *name, json_t *root, yoco_model_shape **out)
{
    return make(&yoco_family_qwen35, name, root, out);
}

static yoco_status make_text(const char *name, json_t *root, yoco_model_shape **out)
{
    return make(&yoco_family_qwen35_text, name, root, out);
}

/* Names behind layers.N. */
static const char *const names[YOCO_N_ROLES] = {
    [YOCO_ROLE_MIXER_NORM] = "input_layernorm.weight",
    [YOCO_ROLE_Q] = "self_attn.q_proj.weight",
    [YOCO_ROLE_K] = "self_attn.k_proj.weight",
    [YOCO_ROLE_V] = "self_attn.v_proj.weight",
    [YOCO_ROLE_G] = "self_attn.q_proj.weight",
    [YOCO_ROLE_Q_NORM] = "self_attn.q_norm.weight",
    [YOCO_ROLE_K_NORM] = "self_attn.k_norm.weight",
    [YOCO_ROLE_OUT] = "self_attn.o_proj.weight",
    [YOCO_ROLE_FFN_NORM] = "post_attention_layernorm.weight",
    [YOCO_ROLE_FC1] = "mlp.gate_proj.weight",
    [YOCO_ROLE_GATE] = "mlp.up_proj.weight",
    [YOCO_ROLE_FC2] = "mlp.down_proj.weight",
};

static const char *const delta_names[YOCO_N_ROLES] = {
    [YOCO_ROLE_Q] = "linear_attn.in_proj_qkv.weight",
    [YOCO_ROLE_K] = "linear_attn.in_proj_qkv.weight",
    [YOCO_ROLE_V] = "linear_attn.in_proj_qkv.weight",
    [YOCO_ROLE_G] = "linear_attn.in_proj_z.weight",
    [YOCO_ROLE_DECAY] = "linear_attn.in_proj_a.weight",
    [YOCO_ROLE_BETA] = "linear_attn.in_proj_b.weight",
    [YOCO_ROLE_Q_TAPS] = "linear_attn.conv1d.weight",
    [YOCO_ROLE_K_TAPS] = "linear_attn.conv1d.weight",
    [YOCO_ROLE_V_TAPS] = "linear_attn.conv1d.weight",
    [YOCO_ROLE_A_LOG] = "linear_attn.A_log",
    [YOCO_ROLE_DT_BIAS] = "linear_attn.dt_bias",
    [YOCO_ROLE_OUT_NORM] = "linear_attn.norm.weight",
    [YOCO_ROLE_OUT] = "linear_attn.out_proj.weight",
};

/* Query and gate of a head lie side by side, one head behind the other. */
static void take_heads(const yoco_layer_shape *layer, yoco_tensor_spec *spec)
{
    spec->shape[0] = 2 * yoco_layer_q_width(layer);
    spec->group_rows = layer->k_dim;
    spec->group_stride = (int64_t)2 * layer->k_dim;
    spec->first_row = spec->rule.role == YOCO_ROLE_G ? layer->k_dim : 0;
}

/* Q, K and V, or the convolutions over them, stand in one tensor, in this order. */
static void take_part(const yoco_layer_shape *layer, yoco_tensor_spec *spec)
{
    const int64_t q = yoco_layer_q_width(layer), k = yoco_layer_k_width(layer);
    const yoco_role role = spec->rule.role;
    bool is_k = role == YOCO_ROLE_K || role == YOCO_ROLE_K_TAPS,
         is_v = role == YOCO_ROLE_V || role == YOCO_ROLE_V_TAPS;
    spec->first_row = is_v ? q + k : is_k ? q : 0;
    spec->shape[0] = q + k + yoco_layer_v_width(layer);
    if (role >= YOCO_ROLE_Q_TAPS && role <= YOCO_ROLE_V_TAPS) { /* (channels, 1, taps) */
        spec->n_dims = 3;
        spec->shape[1] = 1;
        spec->shape[2] = layer->n_taps;
    }
}

static void name_tensor(const yoco_model_shape *shape, yoco_tensor_spec *spec)
{
    const yoco_layer_shape *layer = &shape->layers[spec->layer];
    const yoco_role role = spec->rule.role;
    const bool is_delta = layer->kind == YOCO_LAYER_DELTA;
    const char *own = is_delta ? delta_names[role] : NULL;
    snprintf(spec->name, sizeof spec->name, "%slayers.%d.%s",
             shape->family == &yoco_family_qwen35 ? "model.language_model." : "model.", spec->layer,
             own ? own : names[role]);
    if (is_delta && ((role >= YOCO_ROLE_Q && role <= YOCO_ROLE_V) ||
                     (role >= YOCO_ROLE_Q_TAPS && role <= YOCO_ROLE_V_TAPS)))
        take_part(layer, spec);
    if (!is_delta && (role == YOCO_ROLE_Q || role == YOCO_ROLE_G))
        take_heads(layer, spec);
}

/* A text model may have the whole's names, and the other way round. */
static bool rename_tensor(const yoco_model_shape *shape, const char *tensor,
                          char name[YOCO_TENSOR_NAME_BYTES])
{
    static const char whole[] = "model.language_model.", text[] = "model.";
    const bool is_whole = shape->family == &yoco_family_qwen35;
    const char *from = is_whole ? text : whole, *to = is_whole ? whole : text;
    if (strncmp(tensor, from, strlen(from)) != 0)
        return false;
    snprintf(name, YOCO_TENSOR_NAME_BYTES, "%s%s", to, tensor + strlen(from));
    return true;
}

/* What looks at pictures, and a layer that guesses the token after the next. */
static bool ignores(const char *tensor)
{
    return strncmp(tensor, "model.visual.", 13) == 0 || strncmp(tensor, "mtp.", 4) == 0;
}

const yoco_family yoco_family_qwen35 = {
    .model_type = "qwen3_5",
    .file = "config.json",
    .summary = "Qwen3_5ForConditionalGeneration (Qwen 3.5), dense, of text: gated DeltaNet and\n"
               "                 gated attention; its vision part is left out",
    .make = make_whole,
    .name_tensor = name_tensor,
    .embedding = "model.language_model.embed_tokens.weight",
    .output = "lm_head.weight",
    .final_norm = "model.language_model.norm.weight",
    .ignores = ignores,
    .rename = rename_tensor,
};

const yoco_family yoco_family_qwen35_text = {
    .model_type = "qwen3_5_text",
    .file = "config.json",
    .summary = "Qwen3_5ForCausalLM: the same without a vision part",
    .make = make_text,
    .name_tensor = name_tensor,
    .embedding = "model.embed_tokens.weight",
    .output = "lm_head.weight",
    .final_norm = "model.norm.weight",
    .ignores = ignores,
    .rename = rename_tensor,
};
