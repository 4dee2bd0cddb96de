/* Phi4FlashForCausalLM, the decoder-hybrid-decoder SambaY of Phi-4-mini-flash-reasoning, by the
 * fields and tensor names of its release. Layers 0 .. n/2 are Mamba-1 and, every other one,
 * differential attention over a window; layer n/2 + 1 attends to, and keeps, the K,V of all
 * positions, for every other layer behind it; between these stand memory units that gate what the
 * scan of layer n/2 gives. LayerNorm, no positions.
 * Source: SambaY (arXiv 2507.06607), and the release's modeling_phi4flash.py. */
#include "configs/model/family.h"
#include "configs/model/hf_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct config {
    int dim, hidden_dim, n_layers, vocab_size;
    int64_t max_seq_len;
    double norm_eps;
    bool tied;
    int n_heads, n_kv_heads, head_dim;
    int n_states, n_taps, expand, dt_rank;
    int windows[YOCO_MAX_LAYERS]; /* of the layers before n/2 that attend */
} config;

static yoco_status refuse(const yoco_fields *f, const char *field, const char *is)
{
    yoco_log_error("%s: %s%s %s is not supported", f->file, f->prefix, field, is);
    return YOCO_ERR_DATA;
}

static yoco_status heads_read(const yoco_fields *f, config *c)
{
    YOCO_TRY(yoco_field_int(f, "num_attention_heads", 2, YOCO_MAX_DIM, &c->n_heads));
    c->n_kv_heads = c->n_heads;
    YOCO_TRY(yoco_field_int_if(f, "num_key_value_heads", 2, YOCO_MAX_DIM, &c->n_kv_heads));
    if (c->dim % c->n_heads != 0 || c->dim / c->n_heads % 2 != 0) {
        yoco_log_error("%s: hidden_size %d does not split into %d heads (num_attention_heads) of "
                       "equal and even size",
                       f->file, c->dim, c->n_heads);
        return YOCO_ERR_DATA;
    }
    if (c->n_heads % c->n_kv_heads != 0 || c->n_kv_heads % 2 != 0) {
        yoco_log_error("%s: num_attention_heads %d is not a multiple of num_key_value_heads %d, or "
                       "that is odd: heads of differential attention come in pairs",
                       f->file, c->n_heads, c->n_kv_heads);
        return YOCO_ERR_DATA;
    }
    c->head_dim = c->dim / c->n_heads;
    return YOCO_OK;
}

/* dt_rank may be the word "auto", too. */
static yoco_status mamba_read(const yoco_fields *f, config *c)
{
    bool conv_bias = true, proj_bias = false;
    int channels;
    c->n_states = 16;
    c->n_taps = 4;
    c->expand = 2;
    c->dt_rank = (c->dim + 15) / 16;
    YOCO_TRY(yoco_field_int_if(f, "mamba_d_state", 1, YOCO_MAX_STATES, &c->n_states));
    YOCO_TRY(yoco_field_int_if(f, "mamba_d_conv", 1, YOCO_MAX_TAPS, &c->n_taps));
    YOCO_TRY(yoco_field_int_if(f, "mamba_expand", 1, 64, &c->expand));
    channels = c->expand * c->dim;
    const char *rank = json_string_value(json_object_get(f->object, "mamba_dt_rank"));
    if (!rank || strcmp(rank, "auto") != 0)
        YOCO_TRY(yoco_field_int_if(f, "mamba_dt_rank", 1, channels, &c->dt_rank));
    YOCO_TRY(yoco_field_bool_if(f, "mamba_conv_bias", &conv_bias));
    YOCO_TRY(yoco_field_bool_if(f, "mamba_proj_bias", &proj_bias));
    if (!conv_bias)
        return refuse(f, "mamba_conv_bias", "false");
    return proj_bias ? refuse(f, "mamba_proj_bias", "true") : YOCO_OK;
}

static bool is_window(const config *c, int layer)
{
    return layer % 2 == 1 && layer < c->n_layers / 2;
}

/* One window for all, or a list with one for each layer, null where a layer has none. */
static yoco_status windows_read(const yoco_fields *f, config *c)
{
    static const char field[] = "sliding_window";
    const json_t *list = json_object_get(f->object, field);
    for (int i = 0; i < c->n_layers; i++) {
        if (!is_window(c, i))
            continue;
        if (!json_is_array(list)) {
            YOCO_TRY(yoco_field_int(f, field, 1, YOCO_MAX_WINDOW, &c->windows[i]));
            continue;
        }
        const json_t *window = json_array_get(list, (size_t)i);
        json_int_t value = json_is_integer(window) ? json_integer_value(window) : 0;
        if (value < 1 || value > YOCO_MAX_WINDOW) {
            yoco_log_error("%s: %s has no integer from 1 to %d for layer %d", f->file, field,
                           YOCO_MAX_WINDOW, i);
            return YOCO_ERR_DATA;
        }
        c->windows[i] = (int)value;
    }
    return YOCO_OK;
}

static yoco_status config_read(const yoco_fields *f, config *c)
{
    int every = 2;
    c->norm_eps = 1e-5;
    c->tied = true;
    YOCO_TRY(yoco_hf_check_weights(f));
    YOCO_TRY(yoco_hf_check_activation(f, "hidden_act"));
    YOCO_TRY(yoco_field_int(f, "hidden_size", 2, YOCO_MAX_DIM, &c->dim));
    YOCO_TRY(yoco_field_int(f, "intermediate_size", 1, YOCO_MAX_HIDDEN_DIM, &c->hidden_dim));
    YOCO_TRY(yoco_field_int(f, "num_hidden_layers", 4, YOCO_MAX_LAYERS - 1, &c->n_layers));
    YOCO_TRY(yoco_field_int(f, "vocab_size", 1, YOCO_MAX_VOCAB, &c->vocab_size));
    YOCO_TRY(
        yoco_field_integer(f, "max_position_embeddings", 1, YOCO_MAX_SEQ_LEN, &c->max_seq_len));
    YOCO_TRY(yoco_field_real_if(f, "layer_norm_eps", 0, 1, &c->norm_eps));
    YOCO_TRY(yoco_field_bool_if(f, "tie_word_embeddings", &c->tied));
    YOCO_TRY(yoco_field_int_if(f, "mb_per_layer", 0, YOCO_MAX_LAYERS, &every));
    if (every != 2 || c->n_layers % 4 != 0) {
        yoco_log_error("%s: mb_per_layer %d of num_hidden_layers %d is not supported: every other "
                       "layer is Mamba, of a multiple of 4",
                       f->file, every, c->n_layers);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(heads_read(f, c));
    YOCO_TRY(mamba_read(f, c));
    return windows_read(f, c);
}

/* The layer that attends to all positions is two here: one that keeps K,V, and one that attends to
 * them as those behind it do. */
static int kept_layer(const yoco_model_shape *shape)
{
    return (shape->n_layers - 1) / 2 + 1;
}

static int release_index(const yoco_model_shape *shape, int layer)
{
    return layer > kept_layer(shape) ? layer - 1 : layer;
}

static yoco_layer_shape attention(const config *c, int index)
{
    return (yoco_layer_shape){.kind = YOCO_LAYER_CROSS,
                              .dim = c->dim,
                              .n_heads = c->n_heads,
                              .n_kv_heads = c->n_kv_heads,
                              .k_dim = c->head_dim,
                              .v_dim = 2 * c->head_dim,
                              .n_v_heads = c->n_kv_heads / 2,
                              .rotation = -1,
                              .hidden_dim = c->hidden_dim,
                              .traits = YOCO_TRAIT_NORM_BIAS | YOCO_TRAIT_QKV_BIAS |
                                        YOCO_TRAIT_OUT_BIAS | YOCO_TRAIT_DIFFERENTIAL,
                              .lambda_init = (float)(0.8 - 0.6 * exp(-0.3 * index))};
}

static yoco_layer_shape channels(const config *c, yoco_layer_kind kind)
{
    return (yoco_layer_shape){.kind = kind,
                              .dim = c->dim,
                              .rotation = -1,
                              .hidden_dim = c->hidden_dim,
                              .traits = YOCO_TRAIT_NORM_BIAS,
                              .n_channels = c->expand * c->dim};
}

static yoco_layer_shape layer_of(const config *c, int index)
{
    int half = c->n_layers / 2;
    yoco_layer_shape layer = attention(c, index);
    if (index % 2 == 0)
        layer = channels(c, index <= half ? YOCO_LAYER_MAMBA : YOCO_LAYER_GMU);
    if (index % 2 == 0 && index <= half) {
        layer.n_taps = c->n_taps;
        layer.n_states = c->n_states;
        layer.dt_rank = c->dt_rank;
        layer.traits |= index == half ? YOCO_TRAIT_MEMORY : 0;
    }
    if (is_window(c, index)) {
        layer.kind = YOCO_LAYER_WINDOW;
        layer.window = c->windows[index];
    }
    return layer;
}

static void add_layers(const config *c, yoco_model_shape *shape)
{
    int half = c->n_layers / 2, kept = kept_layer(shape);
    for (int i = 0; i < shape->n_layers; i++) {
        yoco_layer_shape *layer = &shape->layers[i];
        *layer = layer_of(c, release_index(shape, i));
        layer->source = layer->kind == YOCO_LAYER_CROSS ? kept
                        : layer->kind == YOCO_LAYER_GMU ? half
                                                        : i;
        if (i == kept) {
            layer->kind = YOCO_LAYER_KEEP;
            layer->n_heads = layer->hidden_dim = 0;
            layer->lambda_init = 0;
            layer->traits = YOCO_TRAIT_NORM_BIAS | YOCO_TRAIT_QKV_BIAS;
        }
    }
}

static yoco_status make(const char *name, json_t *root, yoco_model_shape **out)
{
    const yoco_fields f = yoco_hf_fields(name, root, yoco_family_phi4flash.model_type);
    config *c = NULL;
    yoco_model_shape *shape = NULL;
    YOCO_TRY(yoco_alloc(sizeof *c, "a model's config", (void **)&c));
    memset(c, 0, sizeof *c);
    yoco_status status = config_read(&f, c);
    if (status == YOCO_OK)
        status = yoco_model_shape_create(&yoco_family_phi4flash, c->n_layers + 1, root, &shape);
    if (status == YOCO_OK) {
        shape->dim = c->dim;
        shape->vocab_size = c->vocab_size;
        shape->max_seq_len = c->max_seq_len;
        shape->norm_eps = (float)c->norm_eps;
        shape->embed_scale = 1.0f;
        shape->tied = c->tied;
        shape->final_norm_bias = true;
        add_layers(c, shape);
        status = yoco_hf_ends(&f, shape);
    }
    yoco_free(c);
    if (status != YOCO_OK) {
        yoco_free(shape);
        return status;
    }
    *out = shape;
    return YOCO_OK;
}

/* Names behind model.layers.N. */
static const char *const names[YOCO_N_ROLES] = {
    [YOCO_ROLE_MIXER_NORM] = "input_layernorm.weight",
    [YOCO_ROLE_MIXER_NORM_BIAS] = "input_layernorm.bias",
    [YOCO_ROLE_Q] = "attn.Wqkv.weight",
    [YOCO_ROLE_K] = "attn.Wqkv.weight",
    [YOCO_ROLE_V] = "attn.Wqkv.weight",
    [YOCO_ROLE_Q_BIAS] = "attn.Wqkv.bias",
    [YOCO_ROLE_K_BIAS] = "attn.Wqkv.bias",
    [YOCO_ROLE_V_BIAS] = "attn.Wqkv.bias",
    [YOCO_ROLE_LAMBDA_Q1] = "attn.inner_cross_attn.lambda_q1",
    [YOCO_ROLE_LAMBDA_K1] = "attn.inner_cross_attn.lambda_k1",
    [YOCO_ROLE_LAMBDA_Q2] = "attn.inner_cross_attn.lambda_q2",
    [YOCO_ROLE_LAMBDA_K2] = "attn.inner_cross_attn.lambda_k2",
    [YOCO_ROLE_OUT_NORM] = "attn.inner_cross_attn.subln.weight",
    [YOCO_ROLE_X] = "attn.in_proj.weight",
    [YOCO_ROLE_G] = "attn.in_proj.weight",
    [YOCO_ROLE_X_TAPS] = "attn.conv1d.weight",
    [YOCO_ROLE_X_TAPS_BIAS] = "attn.conv1d.bias",
    [YOCO_ROLE_DT_DOWN] = "attn.x_proj.weight",
    [YOCO_ROLE_STATE_IN] = "attn.x_proj.weight",
    [YOCO_ROLE_STATE_OUT] = "attn.x_proj.weight",
    [YOCO_ROLE_DT_UP] = "attn.dt_proj.weight",
    [YOCO_ROLE_DT_BIAS] = "attn.dt_proj.bias",
    [YOCO_ROLE_A_LOG] = "attn.A_log",
    [YOCO_ROLE_SKIP] = "attn.D",
    [YOCO_ROLE_OUT] = "attn.out_proj.weight",
    [YOCO_ROLE_OUT_BIAS] = "attn.out_proj.bias",
    [YOCO_ROLE_FFN_NORM] = "post_attention_layernorm.weight",
    [YOCO_ROLE_FFN_NORM_BIAS] = "post_attention_layernorm.bias",
    [YOCO_ROLE_FC1] = "mlp.fc1.weight",
    [YOCO_ROLE_GATE] = "mlp.fc1.weight",
    [YOCO_ROLE_FC2] = "mlp.fc2.weight",
};

/* The rows of a tensor of n_rows that a role takes begin at `first`. */
static void take_rows(yoco_tensor_spec *spec, int64_t first, int64_t n_rows)
{
    spec->first_row = first;
    spec->shape[0] = n_rows;
}

/* Q, K and V of a layer that attends stand in one tensor, in this order; behind the kept one, Q
 * alone. The files have K,V and Q of the layer that keeps in one, too. */
static void take_heads(const yoco_model_shape *shape, yoco_tensor_spec *spec)
{
    int kept = kept_layer(shape);
    const yoco_layer_shape *layer = &shape->layers[spec->layer];
    const yoco_layer_shape *whole = spec->layer == kept ? layer + 1 : layer;
    int64_t q = yoco_layer_q_width(whole), k = yoco_layer_k_width(whole),
            v = yoco_layer_v_width(whole);
    bool has_kv = spec->layer <= kept + 1;
    switch (spec->rule.role) {
    case YOCO_ROLE_K:
    case YOCO_ROLE_K_BIAS:
        take_rows(spec, q, q + k + v);
        break;
    case YOCO_ROLE_V:
    case YOCO_ROLE_V_BIAS:
        take_rows(spec, q + k, q + k + v);
        break;
    default:
        take_rows(spec, 0, has_kv ? q + k + v : q);
    }
}

static void take_channels(const yoco_layer_shape *layer, yoco_tensor_spec *spec)
{
    const int64_t n = layer->n_channels, rank = layer->dt_rank, states = layer->n_states;
    switch (spec->rule.role) {
    case YOCO_ROLE_X:
        take_rows(spec, 0, 2 * n);
        break;
    case YOCO_ROLE_G:
        if (layer->kind == YOCO_LAYER_MAMBA)
            take_rows(spec, n, 2 * n);
        break;
    case YOCO_ROLE_DT_DOWN:
        take_rows(spec, 0, rank + 2 * states);
        break;
    case YOCO_ROLE_STATE_IN:
        take_rows(spec, rank, rank + 2 * states);
        break;
    case YOCO_ROLE_STATE_OUT:
        take_rows(spec, rank + states, rank + 2 * states);
        break;
    default: /* X_TAPS */
        spec->n_dims = 3;
        spec->shape[1] = 1;
        spec->shape[2] = layer->n_taps;
    }
}

static void name_tensor(const yoco_model_shape *shape, yoco_tensor_spec *spec)
{
    const yoco_layer_shape *layer = &shape->layers[spec->layer];
    yoco_role role = spec->rule.role;
    snprintf(spec->name, sizeof spec->name, "model.layers.%d.%s", release_index(shape, spec->layer),
             names[role]);
    if (role >= YOCO_ROLE_Q && role <= YOCO_ROLE_V_BIAS)
        take_heads(shape, spec);
    else if (role == YOCO_ROLE_X || role == YOCO_ROLE_G || role == YOCO_ROLE_X_TAPS ||
             role == YOCO_ROLE_DT_DOWN || role == YOCO_ROLE_STATE_IN || role == YOCO_ROLE_STATE_OUT)
        take_channels(layer, spec);
    else if (role == YOCO_ROLE_FC1 || role == YOCO_ROLE_GATE)
        take_rows(spec, role == YOCO_ROLE_FC1 ? 0 : layer->hidden_dim, 2 * layer->hidden_dim);
}

const yoco_family yoco_family_phi4flash = {
    .model_type = "phi4flash",
    .file = "config.json",
    .summary = "Phi4FlashForCausalLM (SambaY), as Phi-4-mini-flash-reasoning: every other layer "
               "Mamba,\n                 of a multiple of 4 layers",
    .make = make,
    .name_tensor = name_tensor,
    .embedding = "model.embed_tokens.weight",
    .output = "lm_head.weight",
    .final_norm = "model.final_layernorm.weight",
    .final_norm_bias = "model.final_layernorm.bias",
};
