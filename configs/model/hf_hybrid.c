/* Source: transformers 5, models/qwen3_5 and olmo_hybrid, configuration files. */
#include "configs/model/hf_hybrid.h"

#include <string.h>

static yoco_status refuse(const yoco_fields *f, const char *field, const char *is)
{
    yoco_log_error("%s: %s%s %s is not supported", f->file, f->prefix, field, is);
    return YOCO_ERR_DATA;
}

static yoco_status sizes_read(const yoco_fields *f, yoco_hybrid *c)
{
    bool bias = false;
    int n_experts = 0;
    YOCO_TRY(yoco_hf_check_weights(f));
    YOCO_TRY(yoco_hf_check_activation(f, "hidden_act"));
    YOCO_TRY(yoco_field_int_if(f, "num_experts", 0, YOCO_MAX_DIM, &n_experts));
    if (n_experts > 0)
        return refuse(f, "num_experts", "above 0 (mixture of experts)");
    YOCO_TRY(yoco_field_int(f, "hidden_size", 1, YOCO_MAX_DIM, &c->dim));
    YOCO_TRY(yoco_field_int(f, "intermediate_size", 1, YOCO_MAX_HIDDEN_DIM, &c->hidden_dim));
    YOCO_TRY(yoco_field_int(f, "num_hidden_layers", 1, YOCO_MAX_LAYERS, &c->n_layers));
    YOCO_TRY(yoco_field_int(f, "vocab_size", 1, YOCO_MAX_VOCAB, &c->vocab_size));
    YOCO_TRY(
        yoco_field_integer(f, "max_position_embeddings", 1, YOCO_MAX_SEQ_LEN, &c->max_seq_len));
    YOCO_TRY(yoco_field_real_if(f, "rms_norm_eps", 0, 1, &c->norm_eps));
    YOCO_TRY(yoco_field_bool_if(f, "tie_word_embeddings", &c->tied));
    YOCO_TRY(yoco_field_bool_if(f, "attention_bias", &bias));
    return bias ? refuse(f, "attention_bias", "true") : YOCO_OK;
}

/* Heads of one size: at most as wide together as what else a layer has. */
static yoco_status width_check(const yoco_fields *f, const char *field, int n_heads, int size)
{
    if (size >= 1 && size <= YOCO_MAX_HEAD_DIM && (int64_t)n_heads * size <= YOCO_MAX_HIDDEN_DIM)
        return YOCO_OK;
    yoco_log_error("%s: %d heads of %d (%s%s) are not supported; give sizes from 1 to %d, together "
                   "at most %d",
                   f->file, n_heads, size, f->prefix, field, YOCO_MAX_HEAD_DIM,
                   YOCO_MAX_HIDDEN_DIM);
    return YOCO_ERR_DATA;
}

static yoco_status multiple_check(const yoco_fields *f, const char *field, int n, const char *of,
                                  int divisor)
{
    if (n % divisor == 0)
        return YOCO_OK;
    yoco_log_error("%s: %s%s %d is not a multiple of %s %d", f->file, f->prefix, field, n, of,
                   divisor);
    return YOCO_ERR_DATA;
}

static yoco_status attention_read(const yoco_fields *f, yoco_hybrid *c)
{
    YOCO_TRY(yoco_field_int(f, "num_attention_heads", 1, YOCO_MAX_DIM, &c->n_heads));
    YOCO_TRY(yoco_field_int_if(f, "num_key_value_heads", 1, YOCO_MAX_DIM, &c->n_kv_heads));
    YOCO_TRY(yoco_field_int_if(f, "head_dim", 1, YOCO_MAX_HEAD_DIM, &c->head_dim));
    if (c->n_kv_heads == 0)
        c->n_kv_heads = c->n_heads;
    if (c->head_dim == 0)
        c->head_dim = c->dim / c->n_heads;
    YOCO_TRY(
        multiple_check(f, "num_attention_heads", c->n_heads, "num_key_value_heads", c->n_kv_heads));
    if (c->head_dim % 2 != 0) {
        yoco_log_error("%s: %shead_dim, or hidden_size / num_attention_heads, is %d; give an even "
                       "one",
                       f->file, f->prefix, c->head_dim);
        return YOCO_ERR_DATA;
    }
    return width_check(f, "head_dim", c->n_heads, c->head_dim);
}

static yoco_status delta_read(const yoco_fields *f, yoco_hybrid *c)
{
    YOCO_TRY(yoco_field_int_if(f, "linear_num_key_heads", 1, YOCO_MAX_DIM, &c->n_k_heads));
    YOCO_TRY(yoco_field_int_if(f, "linear_num_value_heads", 1, YOCO_MAX_DIM, &c->n_v_heads));
    YOCO_TRY(yoco_field_int_if(f, "linear_key_head_dim", 1, YOCO_MAX_HEAD_DIM, &c->k_dim));
    YOCO_TRY(yoco_field_int_if(f, "linear_value_head_dim", 1, YOCO_MAX_HEAD_DIM, &c->v_dim));
    YOCO_TRY(yoco_field_int_if(f, "linear_conv_kernel_dim", 2, YOCO_MAX_TAPS, &c->n_taps));
    if (c->n_k_heads == 0)
        c->n_k_heads = c->n_heads;
    if (c->n_v_heads == 0)
        c->n_v_heads = c->n_heads;
    if (c->k_dim == 0)
        c->k_dim = (int)((int64_t)3 * c->dim / 4 / c->n_k_heads);
    if (c->v_dim == 0)
        c->v_dim = 2 * c->k_dim;
    YOCO_TRY(multiple_check(f, "linear_num_value_heads", c->n_v_heads, "linear_num_key_heads",
                            c->n_k_heads));
    YOCO_TRY(width_check(f, "linear_key_head_dim", c->n_v_heads, c->k_dim));
    return width_check(f, "linear_value_head_dim", c->n_v_heads, c->v_dim);
}

static yoco_status type_read(const yoco_fields *f, const json_t *types, int layer, bool *is_full)
{
    const json_t *type = json_array_get(types, (size_t)layer);
    const char *word = json_string_value(type);
    char shown[YOCO_JSON_SHOWN_BYTES];
    *is_full = word && strcmp(word, "full_attention") == 0;
    if (*is_full || (word && strcmp(word, "linear_attention") == 0))
        return YOCO_OK;
    yoco_log_error("%s: %slayer_types has %s for layer %d; supported are linear_attention, "
                   "full_attention",
                   f->file, f->prefix, type ? yoco_json_show(type, shown) : "nothing", layer);
    return YOCO_ERR_DATA;
}

static yoco_status types_read(const yoco_fields *f, yoco_hybrid *c)
{
    const json_t *types = json_object_get(f->object, "layer_types");
    bool is_given = types && !json_is_null(types), any_full = false;
    if (is_given && json_array_size(types) != (size_t)c->n_layers) {
        yoco_log_error("%s: %slayer_types is no list of %d (num_hidden_layers)", f->file, f->prefix,
                       c->n_layers);
        return YOCO_ERR_DATA;
    }
    for (int i = 0; i < c->n_layers; i++) {
        c->is_full[i] = (i + 1) % c->interval == 0;
        if (is_given)
            YOCO_TRY(type_read(f, types, i, &c->is_full[i]));
        any_full = any_full || c->is_full[i];
    }
    if (any_full)
        return YOCO_OK;
    yoco_log_error("%s: %slayer_types has no full_attention: such a model is not supported",
                   f->file, f->prefix);
    return YOCO_ERR_DATA;
}

yoco_status yoco_hybrid_read(const yoco_fields *f, yoco_hybrid *c)
{
    YOCO_TRY(sizes_read(f, c));
    YOCO_TRY(attention_read(f, c));
    YOCO_TRY(delta_read(f, c));
    return types_read(f, c);
}

yoco_layer_shape yoco_hybrid_layer(const yoco_hybrid *c, int index)
{
    yoco_layer_shape layer = {.source = index,
                              .dim = c->dim,
                              .n_heads = c->n_heads,
                              .n_kv_heads = c->n_kv_heads,
                              .k_dim = c->head_dim,
                              .v_dim = c->head_dim,
                              .kind = YOCO_LAYER_ATTENTION,
                              .rotation = -1,
                              .hidden_dim = c->hidden_dim};
    if (c->is_full[index])
        return layer;
    layer.kind = YOCO_LAYER_DELTA;
    layer.n_heads = c->n_v_heads;
    layer.n_kv_heads = c->n_k_heads;
    layer.k_dim = c->k_dim;
    layer.v_dim = c->v_dim;
    layer.n_taps = c->n_taps;
    layer.beta_scale = 1;
    layer.out_eps = (float)c->norm_eps;
    return layer;
}

yoco_status yoco_hybrid_shape(const yoco_family *family, const yoco_fields *f, const yoco_hybrid *c,
                              const json_t *root, yoco_model_shape **out)
{
    yoco_model_shape *shape;
    YOCO_TRY(yoco_model_shape_create(family, c->n_layers, root, &shape));
    shape->dim = c->dim;
    shape->vocab_size = c->vocab_size;
    shape->max_seq_len = c->max_seq_len;
    shape->norm_eps = (float)c->norm_eps;
    shape->embed_scale = 1.0f;
    shape->tied = c->tied;
    yoco_status status = yoco_hf_ends(f, shape);
    if (status != YOCO_OK) {
        yoco_free(shape);
        return status;
    }
    *out = shape;
    return YOCO_OK;
}
