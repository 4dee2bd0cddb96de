/* OlmoHybridForCausalLM: gated DeltaNet and, every few layers, full attention without positions,
 * whose norms come after what they norm, by the fields and tensor names of its release.
 * Source: transformers 5, models/olmo_hybrid. */
#include "configs/model/hf_hybrid.h"

#include <stdio.h>
#include <string.h>

/* In the norm of a DeltaNet head's output the class leaves a default of its own. */
static const float out_eps = 1e-5f;

typedef struct config {
    yoco_hybrid hybrid;
    bool doubles_beta, turns;
    yoco_rotation rotation;
} config;

/* Without rope_theta nothing turns. */
static yoco_status rotation_read(const yoco_fields *f, config *c)
{
    const json_t *inside =
        json_object_get(json_object_get(f->object, "rope_parameters"), "rope_theta");
    const json_t *outside = json_object_get(f->object, "rope_theta");
    c->turns = (inside && !json_is_null(inside)) || (outside && !json_is_null(outside));
    if (!c->turns)
        return YOCO_OK;
    c->rotation = (yoco_rotation){.head_dim = c->hybrid.head_dim, .theta = 10000, .halves = true};
    return yoco_hf_rotation(f, &c->rotation);
}

static yoco_status config_read(const yoco_fields *f, config *c)
{
    *c = (config){.hybrid = {.norm_eps = 1e-6, .n_taps = 4, .interval = 4}, .doubles_beta = true};
    YOCO_TRY(yoco_hybrid_read(f, &c->hybrid));
    YOCO_TRY(yoco_field_bool_if(f, "linear_allow_neg_eigval", &c->doubles_beta));
    return rotation_read(f, c);
}

static yoco_layer_shape layer_of(const config *c, int index, int rotation)
{
    yoco_layer_shape layer = yoco_hybrid_layer(&c->hybrid, index);
    if (layer.kind == YOCO_LAYER_DELTA) {
        layer.beta_scale = c->doubles_beta ? 2 : 1;
        layer.out_eps = out_eps;
        return layer;
    }
    layer.traits = YOCO_TRAIT_POST_NORM | YOCO_TRAIT_NO_PRE_NORM | YOCO_TRAIT_WIDE_NORMS;
    layer.q_norm_eps = (float)c->hybrid.norm_eps;
    layer.rotation = rotation;
    return layer;
}

static yoco_status make(const char *name, json_t *root, yoco_model_shape **out)
{
    const yoco_fields f = yoco_hf_fields(name, root, yoco_family_olmo_hybrid.model_type);
    config c;
    yoco_model_shape *shape;
    YOCO_TRY(config_read(&f, &c));
    YOCO_TRY(yoco_hybrid_shape(&yoco_family_olmo_hybrid, &f, &c.hybrid, root, &shape));
    int rotation = c.turns ? yoco_model_add_rotation(shape, &c.rotation) : -1;
    for (int i = 0; i < shape->n_layers; i++)
        shape->layers[i] = layer_of(&c, i, rotation);
    *out = shape;
    return YOCO_OK;
}

/* Names behind model.layers.N. */
static const char *const names[YOCO_N_ROLES] = {
    [YOCO_ROLE_Q] = "self_attn.q_proj.weight",
    [YOCO_ROLE_K] = "self_attn.k_proj.weight",
    [YOCO_ROLE_V] = "self_attn.v_proj.weight",
    [YOCO_ROLE_Q_NORM] = "self_attn.q_norm.weight",
    [YOCO_ROLE_K_NORM] = "self_attn.k_norm.weight",
    [YOCO_ROLE_OUT] = "self_attn.o_proj.weight",
    [YOCO_ROLE_MIXER_OUT_NORM] = "post_attention_layernorm.weight",
    [YOCO_ROLE_FFN_OUT_NORM] = "post_feedforward_layernorm.weight",
    [YOCO_ROLE_FC1] = "mlp.gate_proj.weight",
    [YOCO_ROLE_GATE] = "mlp.up_proj.weight",
    [YOCO_ROLE_FC2] = "mlp.down_proj.weight",
};

static const char *const delta_names[YOCO_N_ROLES] = {
    [YOCO_ROLE_MIXER_NORM] = "attention_layer_norm.weight",
    [YOCO_ROLE_Q] = "linear_attn.q_proj.weight",
    [YOCO_ROLE_K] = "linear_attn.k_proj.weight",
    [YOCO_ROLE_V] = "linear_attn.v_proj.weight",
    [YOCO_ROLE_G] = "linear_attn.g_proj.weight",
    [YOCO_ROLE_DECAY] = "linear_attn.a_proj.weight",
    [YOCO_ROLE_BETA] = "linear_attn.b_proj.weight",
    [YOCO_ROLE_Q_TAPS] = "linear_attn.q_conv1d.weight",
    [YOCO_ROLE_K_TAPS] = "linear_attn.k_conv1d.weight",
    [YOCO_ROLE_V_TAPS] = "linear_attn.v_conv1d.weight",
    [YOCO_ROLE_A_LOG] = "linear_attn.A_log",
    [YOCO_ROLE_DT_BIAS] = "linear_attn.dt_bias",
    [YOCO_ROLE_OUT_NORM] = "linear_attn.o_norm.weight",
    [YOCO_ROLE_OUT] = "linear_attn.o_proj.weight",
    [YOCO_ROLE_FFN_NORM] = "feedforward_layer_norm.weight",
};

static void name_tensor(const yoco_model_shape *shape, yoco_tensor_spec *spec)
{
    const yoco_layer_shape *layer = &shape->layers[spec->layer];
    const yoco_role role = spec->rule.role;
    const char *own = layer->kind == YOCO_LAYER_DELTA ? delta_names[role] : NULL;
    snprintf(spec->name, sizeof spec->name, "model.layers.%d.%s", spec->layer,
             own ? own : names[role]);
    if (role >= YOCO_ROLE_Q_TAPS && role <= YOCO_ROLE_V_TAPS) { /* (channels, 1, taps) */
        spec->n_dims = 3;
        spec->shape[2] = spec->shape[1];
        spec->shape[1] = 1;
    }
}

/* Norms that files of other versions of the class call otherwise, by the kind of their layer. */
static bool rename_tensor(const yoco_model_shape *shape, const char *tensor,
                          char name[YOCO_TENSOR_NAME_BYTES])
{
    static const struct {
        yoco_layer_kind kind;
        const char *from, *to;
    } norms[] = {
        {YOCO_LAYER_DELTA, "input_layernorm.weight", "attention_layer_norm.weight"},
        {YOCO_LAYER_DELTA, "post_attention_layernorm.weight", "feedforward_layer_norm.weight"},
        {YOCO_LAYER_ATTENTION, "feedforward_layer_norm.weight", "post_attention_layernorm.weight"},
    };
    int layer = -1, used = 0;
    if (sscanf(tensor, "model.layers.%d.%n", &layer, &used) != 1 || used == 0 || layer < 0 ||
        layer >= shape->n_layers)
        return false;
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++) {
        if (shape->layers[layer].kind != norms[i].kind || strcmp(tensor + used, norms[i].from) != 0)
            continue;
        snprintf(name, YOCO_TENSOR_NAME_BYTES, "model.layers.%d.%s", layer, norms[i].to);
        return true;
    }
    return false;
}

const yoco_family yoco_family_olmo_hybrid = {
    .model_type = "olmo_hybrid",
    .file = "config.json",
    .summary = "OlmoHybridForCausalLM: gated DeltaNet, and attention with norms behind it",
    .make = make,
    .name_tensor = name_tensor,
    .embedding = "model.embed_tokens.weight",
    .output = "lm_head.weight",
    .final_norm = "model.norm.weight",
    .rename = rename_tensor,
};
