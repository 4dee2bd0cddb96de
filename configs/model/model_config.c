#include "configs/model/model_config.h"

#include "configs/model/family.h"
#include "configs/model/fields.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
    int min, max;
} int_fields[] = {
    {"dim", offsetof(yoco_model_config, dim), 2, YOCO_MAX_DIM},
    {"n_layers", offsetof(yoco_model_config, n_layers), 2, YOCO_MAX_LAYERS},
    {"hidden_dim", offsetof(yoco_model_config, hidden_dim), 1, YOCO_MAX_HIDDEN_DIM},
    {"n_self_heads", offsetof(yoco_model_config, n_self_heads), 1, YOCO_MAX_DIM},
    {"n_attn_heads", offsetof(yoco_model_config, n_attn_heads), 1, YOCO_MAX_DIM},
    {"n_attn_kv_heads", offsetof(yoco_model_config, n_attn_kv_heads), 1, YOCO_MAX_DIM},
    {"vocab_size", offsetof(yoco_model_config, vocab_size), 1, YOCO_MAX_VOCAB},
};

static const char *const other_fields[] = {
    "max_seq_len", "sliding_window", "rope_theta", "norm_eps", "share_input_output_embed",
    /* how the release ran a model, not what the model is */
    "max_batch_size", "model_parallel_size", "load_checkpoint"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static yoco_status integers_read(const yoco_fields *f, yoco_model_config *config)
{
    for (size_t i = 0; i < COUNT(int_fields); i++)
        YOCO_TRY(yoco_field_int(f, int_fields[i].name, int_fields[i].min, int_fields[i].max,
                                (int *)((char *)config + int_fields[i].offset)));
    const json_t *length = json_object_get(f->object, "max_seq_len");
    if (json_is_integer(length) && json_integer_value(length) == -1) {
        yoco_log_error("%s: field max_seq_len is -1, the release's mark for unset; give the most "
                       "tokens that a prompt and its answer may have together",
                       f->file);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(yoco_field_integer(f, "max_seq_len", 1, YOCO_MAX_SEQ_LEN, &config->max_seq_len));
    if (json_is_null(json_object_get(f->object, "sliding_window")))
        return YOCO_OK;
    return yoco_field_int_if(f, "sliding_window", 1, YOCO_MAX_WINDOW, &config->sliding_window);
}

static yoco_status optionals_read(const yoco_fields *f, yoco_model_config *config)
{
    double norm_eps = 1e-5;
    config->rope_theta = 10000;
    YOCO_TRY(
        yoco_field_real_if(f, "rope_theta", YOCO_MIN_THETA, YOCO_MAX_THETA, &config->rope_theta));
    YOCO_TRY(yoco_field_real_if(f, "norm_eps", 0, 1, &norm_eps));
    config->norm_eps = (float)norm_eps;
    return yoco_field_bool_if(f, "share_input_output_embed", &config->share_input_output_embed);
}

/* RoPE turns pairs, so a head has an even size. */
static yoco_status heads_check(const char *name, const char *field, int n_heads, int dim)
{
    if (dim % n_heads == 0 && dim / n_heads % 2 == 0)
        return YOCO_OK;
    yoco_log_error("%s: dim %d does not split into %d heads (%s) of equal and even size", name, dim,
                   n_heads, field);
    return YOCO_ERR_DATA;
}

static yoco_status relations_check(const char *name, const yoco_model_config *c)
{
    YOCO_TRY(heads_check(name, "n_self_heads", c->n_self_heads, c->dim));
    YOCO_TRY(heads_check(name, "n_attn_heads", c->n_attn_heads, c->dim));
    if (c->n_attn_heads % c->n_attn_kv_heads != 0) {
        yoco_log_error("%s: n_attn_heads %d is not a multiple of n_attn_kv_heads %d", name,
                       c->n_attn_heads, c->n_attn_kv_heads);
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

static bool field_is_known(const char *field)
{
    for (size_t i = 0; i < COUNT(int_fields); i++)
        if (strcmp(field, int_fields[i].name) == 0)
            return true;
    for (size_t i = 0; i < COUNT(other_fields); i++)
        if (strcmp(field, other_fields[i]) == 0)
            return true;
    return false;
}

static void unknown_fields_warn(const char *name, json_t *root)
{
    char list[256];
    size_t used = 0;
    const char *field;
    json_t *value;
    json_object_foreach(root, field, value)
    {
        if (field_is_known(field) || used >= sizeof list)
            continue;
        used += (size_t)snprintf(list + used, sizeof list - used, " %s", field);
    }
    if (used > 0)
        yoco_log_warn("%s: ignoring unknown fields:%s", name, list);
}

yoco_status yoco_model_config_read(const char *name, json_t *root, yoco_model_config *out)
{
    const yoco_fields f = {name, "", root, false};
    yoco_model_config config = {0};
    YOCO_TRY(integers_read(&f, &config));
    YOCO_TRY(optionals_read(&f, &config));
    YOCO_TRY(relations_check(name, &config));
    unknown_fields_warn(name, root);
    config.n_layers -= config.n_layers % 2;
    *out = config;
    return YOCO_OK;
}

yoco_status yoco_model_config_parse(const char *name, const char *text, size_t size,
                                    yoco_model_config *out)
{
    json_t *root;
    YOCO_TRY(yoco_config_parse(name, text, size, &root));
    yoco_status status = yoco_model_config_read(name, root, out);
    json_decref(root);
    return status;
}
