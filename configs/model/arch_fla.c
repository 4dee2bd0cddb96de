/* YOCOForCausalLM of flash-linear-attention: self-decoder and cross-decoder of any number of
 * layers, by the fields and tensor names of that library. Source: flash-linear-attention 0.6.0,
 * fla/models/yoco, fla/layers/yoco.py and attn.py. */
#include "configs/model/family.h"
#include "configs/model/hf_config.h"

#include <math.h>
#include <stdio.h>

/* In RMSNorm of the queries of a cross layer the library leaves its own default. */
static const float q_norm_eps = 1e-5f;

typedef enum mixer { MIXER_RETENTION, MIXER_WINDOW, MIXER_DELTA, N_MIXERS } mixer;

static const char *const mixer_names[N_MIXERS] = {"gated_retention", "swa", "gated_deltanet"};

/* What self_decoder_attn and cross_decoder_attn say. */
typedef struct attention {
    int n_heads, n_kv_heads, head_dim;
    bool bias, q_norm;
    yoco_rotation rotation;
} attention;

typedef struct config {
    int dim, hidden_dim, n_layers, n_self, vocab_size;
    int64_t max_seq_len;
    double norm_eps, decay_divisor;
    bool tied;
    mixer mixer;
    int window;
    attention self, cross;
    /* gated_deltanet: self.n_kv_heads are those of q and k */
    int v_dim, n_taps;
    bool doubles_beta;
} config;

static yoco_status heads_check(const yoco_fields *f, const char *kv_field, int dim, attention *a)
{
    a->head_dim = dim / a->n_heads;
    if (dim % a->n_heads != 0 || a->head_dim % 2 != 0) {
        yoco_log_error("%s: hidden_size %d does not split into %d heads (%snum_heads) of equal and "
                       "even size",
                       f->file, dim, a->n_heads, f->prefix);
        return YOCO_ERR_DATA;
    }
    if (a->n_heads % a->n_kv_heads != 0) {
        yoco_log_error("%s: %snum_heads %d is not a multiple of %s %d", f->file, f->prefix,
                       a->n_heads, kv_field, a->n_kv_heads);
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

/* rope_inv_freq "fla": theta^(-2i/d). "yoco": n exponents from 0 to 1, both ends included. */
static yoco_status attention_read(const yoco_fields *f, const char *kv_field, int default_heads,
                                  int dim, attention *a)
{
    static const char *const rules[] = {"fla", "yoco"};
    int rule = 0;
    a->n_heads = default_heads;
    a->rotation.theta = 10000;
    YOCO_TRY(yoco_field_int_if(f, "num_heads", 1, YOCO_MAX_DIM, &a->n_heads));
    a->n_kv_heads = a->n_heads;
    YOCO_TRY(yoco_field_int_if(f, kv_field, 1, YOCO_MAX_DIM, &a->n_kv_heads));
    YOCO_TRY(yoco_field_bool_if(f, "qkv_bias", &a->bias));
    YOCO_TRY(yoco_field_bool_if(f, "qk_norm", &a->q_norm));
    YOCO_TRY(
        yoco_field_real_if(f, "rope_theta", YOCO_MIN_THETA, YOCO_MAX_THETA, &a->rotation.theta));
    YOCO_TRY(yoco_hf_check_rope(f));
    YOCO_TRY(yoco_field_word_if(f, "rope_inv_freq", rules, 2, &rule));
    YOCO_TRY(heads_check(f, kv_field, dim, a));
    a->rotation.head_dim = a->head_dim;
    a->rotation.both_ends = rule == 1;
    return YOCO_OK;
}

/* Heads of values, and what they are wide; as every head keeps a state, all are bounded together.
 */
static yoco_status delta_heads_read(const yoco_fields *f, config *c)
{
    attention *a = &c->self;
    double expand = 2;
    a->n_kv_heads = 6;
    a->head_dim = 256;
    YOCO_TRY(yoco_field_int_if(f, "num_heads", 1, YOCO_MAX_DIM, &a->n_kv_heads));
    a->n_heads = a->n_kv_heads;
    YOCO_TRY(yoco_field_int_if(f, "num_v_heads", 1, YOCO_MAX_DIM, &a->n_heads));
    YOCO_TRY(yoco_field_int_if(f, "head_dim", 1, YOCO_MAX_HEAD_DIM, &a->head_dim));
    YOCO_TRY(yoco_field_real_if(f, "expand_v", 1e-3, 1e3, &expand));
    double v_dim = a->head_dim * expand;
    c->v_dim = (int)v_dim;
    if (c->v_dim != v_dim || c->v_dim < 1 || c->v_dim > YOCO_MAX_HEAD_DIM) {
        yoco_log_error("%s: %sexpand_v %g times %shead_dim %d is not an integer from 1 to %d",
                       f->file, f->prefix, expand, f->prefix, a->head_dim, YOCO_MAX_HEAD_DIM);
        return YOCO_ERR_DATA;
    }
    if (a->n_heads % a->n_kv_heads != 0) {
        yoco_log_error("%s: %snum_v_heads %d is not a multiple of num_heads %d", f->file, f->prefix,
                       a->n_heads, a->n_kv_heads);
        return YOCO_ERR_DATA;
    }
    if ((int64_t)a->n_heads * yoco_i64_max(a->head_dim, c->v_dim) > YOCO_MAX_HIDDEN_DIM) {
        yoco_log_error("%s: %d heads of %s are wider than %d together", f->file, a->n_heads,
                       f->prefix, YOCO_MAX_HIDDEN_DIM);
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

static yoco_status delta_read(const yoco_fields *f, config *c)
{
    static const char *const parts[] = {"use_gate", "use_short_conv"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool used = true;
        YOCO_TRY(yoco_field_bool_if(f, parts[i], &used));
        if (!used) {
            yoco_log_error("%s: %s%s is false, and gated_deltanet is supported with it only",
                           f->file, f->prefix, parts[i]);
            return YOCO_ERR_DATA;
        }
    }
    c->n_taps = 4;
    YOCO_TRY(yoco_field_int_if(f, "conv_size", 2, 64, &c->n_taps));
    YOCO_TRY(yoco_field_bool_if(f, "allow_neg_eigval", &c->doubles_beta));
    return delta_heads_read(f, c);
}

/* Retention has as many heads of K,V as of queries and no bias, whatever the fields say; `swa`
 * turns halves, by frequencies of its own. */
static yoco_status self_read(const yoco_fields *f, config *c)
{
    int type = MIXER_DELTA;
    YOCO_TRY(yoco_field_word_if(f, "type", mixer_names, N_MIXERS, &type));
    c->mixer = (mixer)type;
    if (c->mixer == MIXER_DELTA)
        return delta_read(f, c);
    c->decay_divisor = 16;
    YOCO_TRY(attention_read(f, "num_v_heads", 6, c->dim, &c->self));
    c->self.q_norm = false;
    if (c->mixer == MIXER_WINDOW) {
        c->self.rotation.halves = true;
        c->self.rotation.both_ends = false;
        return yoco_field_int(f, "window_size", 1, YOCO_MAX_WINDOW, &c->window);
    }
    c->self.n_kv_heads = c->self.n_heads;
    c->self.bias = false;
    return yoco_field_real_if(f, "gate_logit_normalizer", 1e-3, 1e6, &c->decay_divisor);
}

/* Of the feed-forward part: where it is not given, two thirds of hidden_ratio times the width, in
 * multiples of 256. */
static yoco_status hidden_read(const yoco_fields *f, config *c)
{
    int ratio = 4;
    YOCO_TRY(yoco_field_int_if(f, "hidden_ratio", 1, 4096, &ratio));
    int64_t hidden = yoco_round_up((int64_t)c->dim * ratio * 2 / 3, 256);
    c->hidden_dim = (int)yoco_i64_min(hidden, YOCO_MAX_HIDDEN_DIM);
    return yoco_field_int_if(f, "intermediate_size", 1, YOCO_MAX_HIDDEN_DIM, &c->hidden_dim);
}

static yoco_status sizes_read(const yoco_fields *f, config *c)
{
    c->norm_eps = 1e-6;
    YOCO_TRY(yoco_field_int(f, "hidden_size", 2, YOCO_MAX_DIM, &c->dim));
    YOCO_TRY(yoco_field_int(f, "num_hidden_layers", 2, YOCO_MAX_LAYERS, &c->n_layers));
    YOCO_TRY(yoco_field_int(f, "num_self_decoder_layers", 1, c->n_layers - 1, &c->n_self));
    YOCO_TRY(yoco_field_int(f, "vocab_size", 1, YOCO_MAX_VOCAB, &c->vocab_size));
    YOCO_TRY(
        yoco_field_integer(f, "max_position_embeddings", 1, YOCO_MAX_SEQ_LEN, &c->max_seq_len));
    YOCO_TRY(yoco_field_real_if(f, "norm_eps", 0, 1, &c->norm_eps));
    YOCO_TRY(yoco_field_bool_if(f, "tie_word_embeddings", &c->tied));
    return hidden_read(f, c);
}

static yoco_status config_read(const yoco_fields *f, config *c)
{
    yoco_fields self, cross;
    const json_t *residual = json_object_get(f->object, "attnres_block_size");
    if (residual && !json_is_null(residual)) {
        yoco_log_error("%s: attention residuals (attnres_block_size) are not supported", f->file);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(yoco_hf_check_weights(f));
    YOCO_TRY(yoco_hf_check_activation(f, "hidden_act"));
    YOCO_TRY(yoco_hf_check_rope(f));
    YOCO_TRY(sizes_read(f, c));
    YOCO_TRY(yoco_field_object(f, "self_decoder_attn", "self_decoder_attn.", &self));
    YOCO_TRY(yoco_field_object(f, "cross_decoder_attn", "cross_decoder_attn.", &cross));
    YOCO_TRY(self_read(&self, c));
    return attention_read(&cross, "num_kv_heads", 32, c->dim, &c->cross);
}

static yoco_layer_shape layer_of(const config *c, const attention *a, int index)
{
    return (yoco_layer_shape){.source = index,
                              .dim = c->dim,
                              .n_heads = a->n_heads,
                              .n_kv_heads = a->n_kv_heads,
                              .k_dim = a->head_dim,
                              .v_dim = a->head_dim,
                              .traits = a->bias ? YOCO_TRAIT_QKV_BIAS : 0,
                              .hidden_dim = c->hidden_dim};
}

static yoco_layer_shape self_layer(const config *c, int index, int rotation)
{
    yoco_layer_shape layer = layer_of(c, &c->self, index);
    switch (c->mixer) {
    case MIXER_WINDOW:
        layer.kind = YOCO_LAYER_WINDOW;
        layer.rotation = rotation;
        layer.window = c->window;
        break;
    case MIXER_RETENTION:
        layer.kind = YOCO_LAYER_RETENTION;
        layer.rotation = rotation;
        layer.decay_divisor = (float)c->decay_divisor;
        break;
    case MIXER_DELTA:
    case N_MIXERS:
        layer.kind = YOCO_LAYER_DELTA;
        layer.rotation = -1;
        layer.v_dim = c->v_dim;
        layer.n_taps = c->n_taps;
        layer.beta_scale = c->doubles_beta ? 2 : 1;
        layer.out_eps = (float)c->norm_eps;
        break;
    }
    return layer;
}

static yoco_layer_shape cross_layer(const config *c, int rotation, bool keeps)
{
    yoco_layer_shape layer = layer_of(c, &c->cross, c->n_self);
    layer.kind = keeps ? YOCO_LAYER_KEEP : YOCO_LAYER_CROSS;
    layer.rotation = rotation;
    if (keeps) {
        layer.n_heads = layer.hidden_dim = 0;
    } else if (c->cross.q_norm) {
        layer.traits |= YOCO_TRAIT_Q_NORM;
        layer.q_norm_eps = q_norm_eps;
    }
    return layer;
}

static void add_layers(const config *c, yoco_model_shape *shape)
{
    int self = c->mixer == MIXER_DELTA ? 0 : yoco_model_add_rotation(shape, &c->self.rotation);
    int cross = yoco_model_add_rotation(shape, &c->cross.rotation);
    for (int i = 0; i < c->n_self; i++)
        shape->layers[i] = self_layer(c, i, self);
    for (int i = c->n_self; i < shape->n_layers; i++)
        shape->layers[i] = cross_layer(c, cross, i == c->n_self);
}

static yoco_status make(const char *name, json_t *root, yoco_model_shape **out)
{
    const yoco_fields f = yoco_hf_fields(name, root, yoco_family_fla.model_type);
    config c = {0};
    yoco_model_shape *shape;
    YOCO_TRY(config_read(&f, &c));
    YOCO_TRY(yoco_model_shape_create(&yoco_family_fla, c.n_layers + 1, root, &shape));
    shape->dim = c.dim;
    shape->vocab_size = c.vocab_size;
    shape->max_seq_len = c.max_seq_len;
    shape->norm_eps = (float)c.norm_eps;
    shape->embed_scale = sqrtf((float)c.dim);
    shape->tied = c.tied;
    add_layers(&c, shape);
    yoco_status status = yoco_hf_ends(&f, shape);
    if (status != YOCO_OK) {
        yoco_free(shape);
        return status;
    }
    *out = shape;
    return YOCO_OK;
}

static const char *const names[YOCO_N_ROLES] = {
    [YOCO_ROLE_MIXER_NORM] = "attn_norm.weight",
    [YOCO_ROLE_Q] = "attn.q_proj.weight",
    [YOCO_ROLE_K] = "attn.k_proj.weight",
    [YOCO_ROLE_V] = "attn.v_proj.weight",
    [YOCO_ROLE_Q_BIAS] = "attn.q_proj.bias",
    [YOCO_ROLE_K_BIAS] = "attn.k_proj.bias",
    [YOCO_ROLE_V_BIAS] = "attn.v_proj.bias",
    [YOCO_ROLE_Q_NORM] = "attn.q_norm.weight",
    [YOCO_ROLE_G] = "attn.g_proj.weight",
    [YOCO_ROLE_DECAY] = "attn.gk_proj.weight",
    [YOCO_ROLE_BETA] = "attn.b_proj.weight",
    [YOCO_ROLE_Q_TAPS] = "attn.q_conv1d.weight",
    [YOCO_ROLE_K_TAPS] = "attn.k_conv1d.weight",
    [YOCO_ROLE_V_TAPS] = "attn.v_conv1d.weight",
    [YOCO_ROLE_A_LOG] = "attn.A_log",
    [YOCO_ROLE_DT_BIAS] = "attn.dt_bias",
    [YOCO_ROLE_OUT_NORM] = "attn.o_norm.weight",
    [YOCO_ROLE_OUT] = "attn.o_proj.weight",
    [YOCO_ROLE_FFN_NORM] = "mlp_norm.weight",
    [YOCO_ROLE_FC1] = "mlp.gate_proj.weight",
    [YOCO_ROLE_GATE] = "mlp.up_proj.weight",
    [YOCO_ROLE_FC2] = "mlp.down_proj.weight",
};

static const char *const keep_names[YOCO_N_ROLES] = {
    [YOCO_ROLE_MIXER_NORM] = "kv_norm.weight", [YOCO_ROLE_K] = "k_proj.weight",
    [YOCO_ROLE_V] = "v_proj.weight",           [YOCO_ROLE_K_BIAS] = "k_proj.bias",
    [YOCO_ROLE_V_BIAS] = "v_proj.bias",
};

static const char *name_of(const yoco_layer_shape *layer, yoco_role role)
{
    if (layer->kind == YOCO_LAYER_DELTA && role == YOCO_ROLE_DECAY)
        return "attn.a_proj.weight";
    return names[role];
}

static void name_tensor(const yoco_model_shape *shape, yoco_tensor_spec *spec)
{
    int kept = yoco_shape_last_kept(shape), layer = spec->layer;
    yoco_role role = spec->rule.role;
    if (layer == kept)
        snprintf(spec->name, sizeof spec->name, "model.shared_kv_builder.%s", keep_names[role]);
    else
        snprintf(spec->name, sizeof spec->name, "model.%s.%d.%s",
                 layer < kept ? "self_layers" : "cross_layers",
                 layer < kept ? layer : layer - kept - 1, name_of(&shape->layers[layer], role));
    if (role >= YOCO_ROLE_Q_TAPS && role <= YOCO_ROLE_V_TAPS) { /* (channels, 1, taps) */
        spec->n_dims = 3;
        spec->shape[2] = spec->shape[1];
        spec->shape[1] = 1;
    }
}

const yoco_family yoco_family_fla = {
    .model_type = "yoco",
    .file = "config.json",
    .summary =
        "YOCOForCausalLM of flash-linear-attention: self_decoder_attn gated_retention, swa or\n"
        "                 gated_deltanet; not: attention residuals, scaled rotations",
    .make = make,
    .name_tensor = name_tensor,
    .embedding = "model.embeddings.weight",
    .output = "lm_head.weight",
    .final_norm = "model.norm.weight",
};
