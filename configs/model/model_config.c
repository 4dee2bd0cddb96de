#include "configs/model/model_config.h"

#include "configs/files/json_text.h"
#include "configs/files/text_file.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Bounds far above any real model and low enough that no product of sizes overflows 63 bits: the
 * largest are K and V of a sequence (max_seq_len * dim * 8 bytes), all window edges (n_layers *
 * sliding_window * dim * 16 bytes) and all weights (n_layers * dim * hidden_dim * 12 bytes). */
enum {
    MAX_PARAMS_BYTES = 1 << 20,
    MAX_DIM = 1 << 20,
    MAX_HIDDEN_DIM = 1 << 22,
    MAX_LAYERS = 1 << 12,
    MAX_VOCAB = 1 << 24,
    MAX_WINDOW = 1 << 24,
};
static const int64_t max_seq_len_limit = INT64_C(1) << 36;

static const struct {
    const char *name;
    size_t offset;
    int min, max;
} int_fields[] = {
    {"dim", offsetof(yoco_model_config, dim), 2, MAX_DIM},
    {"n_layers", offsetof(yoco_model_config, n_layers), 2, MAX_LAYERS},
    {"hidden_dim", offsetof(yoco_model_config, hidden_dim), 1, MAX_HIDDEN_DIM},
    {"n_self_heads", offsetof(yoco_model_config, n_self_heads), 1, MAX_DIM},
    {"n_attn_heads", offsetof(yoco_model_config, n_attn_heads), 1, MAX_DIM},
    {"n_attn_kv_heads", offsetof(yoco_model_config, n_attn_kv_heads), 1, MAX_DIM},
    {"vocab_size", offsetof(yoco_model_config, vocab_size), 1, MAX_VOCAB},
};

static const char *const other_fields[] = {
    "max_seq_len", "sliding_window", "rope_theta", "norm_eps", "share_input_output_embed",
    /* how the release ran a model, not what the model is */
    "max_batch_size", "model_parallel_size", "load_checkpoint"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static yoco_status integer_read(const char *name, const json_t *root, const char *field,
                                int64_t min, int64_t max, int64_t *out)
{
    char shown[YOCO_JSON_SHOWN_BYTES];
    const json_t *value = json_object_get(root, field);
    if (!value) {
        yoco_log_error("%s: field %s is missing; give an integer from %lld to %lld", name, field,
                       (long long)min, (long long)max);
        return YOCO_ERR_DATA;
    }
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max) {
        yoco_log_error("%s: field %s is %s; give an integer from %lld to %lld", name, field,
                       yoco_json_show(value, shown), (long long)min, (long long)max);
        return YOCO_ERR_DATA;
    }
    *out = json_integer_value(value);
    return YOCO_OK;
}

/* Leaves *out as it is where the field is absent. */
static yoco_status real_read(const char *name, const json_t *root, const char *field, double min,
                             double max, double *out)
{
    char shown[YOCO_JSON_SHOWN_BYTES];
    const json_t *value = json_object_get(root, field);
    if (!value)
        return YOCO_OK;
    double real = json_number_value(value);
    if (!json_is_number(value) || !(real >= min && real <= max)) {
        yoco_log_error("%s: field %s is %s; give a number from %g to %g", name, field,
                       yoco_json_show(value, shown), min, max);
        return YOCO_ERR_DATA;
    }
    *out = real;
    return YOCO_OK;
}

static yoco_status integers_read(const char *name, const json_t *root, yoco_model_config *config)
{
    int64_t value;
    for (size_t i = 0; i < COUNT(int_fields); i++) {
        YOCO_TRY(integer_read(name, root, int_fields[i].name, int_fields[i].min, int_fields[i].max,
                              &value));
        *(int *)((char *)config + int_fields[i].offset) = (int)value;
    }
    const json_t *length = json_object_get(root, "max_seq_len");
    if (json_is_integer(length) && json_integer_value(length) == -1) {
        yoco_log_error("%s: field max_seq_len is -1, the release's mark for unset; give the most "
                       "tokens that a prompt and its answer may have together",
                       name);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(integer_read(name, root, "max_seq_len", 1, max_seq_len_limit, &config->max_seq_len));
    const json_t *window = json_object_get(root, "sliding_window");
    if (window && !json_is_null(window)) {
        YOCO_TRY(integer_read(name, root, "sliding_window", 1, MAX_WINDOW, &value));
        config->sliding_window = (int)value;
    }
    return YOCO_OK;
}

/* The range of rope_theta keeps every angle finite. */
static yoco_status optionals_read(const char *name, const json_t *root, yoco_model_config *config)
{
    double norm_eps = 1e-5;
    config->rope_theta = 10000;
    YOCO_TRY(real_read(name, root, "rope_theta", 1e-6, 1e18, &config->rope_theta));
    YOCO_TRY(real_read(name, root, "norm_eps", 0, 1, &norm_eps));
    config->norm_eps = (float)norm_eps;
    const json_t *share = json_object_get(root, "share_input_output_embed");
    if (share && !json_is_boolean(share)) {
        char shown[YOCO_JSON_SHOWN_BYTES];
        yoco_log_error("%s: field share_input_output_embed is %s; give true or false", name,
                       yoco_json_show(share, shown));
        return YOCO_ERR_DATA;
    }
    config->share_input_output_embed = json_is_true(share);
    return YOCO_OK;
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

yoco_status yoco_model_config_parse(const char *name, const char *text, size_t size,
                                    yoco_model_config *out)
{
    if (size > MAX_PARAMS_BYTES) {
        yoco_log_error("%s: %zu bytes is too long for a params.json; the limit is %d", name, size,
                       MAX_PARAMS_BYTES);
        return YOCO_ERR_DATA;
    }
    json_t *root;
    YOCO_TRY(yoco_json_parse(name, text, size, &root));
    yoco_model_config config = {0};
    yoco_status status = integers_read(name, root, &config);
    if (status == YOCO_OK)
        status = optionals_read(name, root, &config);
    if (status == YOCO_OK)
        status = relations_check(name, &config);
    if (status == YOCO_OK) {
        unknown_fields_warn(name, root);
        config.n_layers -= config.n_layers % 2;
        *out = config;
    }
    json_decref(root);
    return status;
}

yoco_status yoco_model_config_load(const char *path, yoco_model_config *out)
{
    yoco_text text;
    YOCO_TRY(yoco_text_read(path, YOCO_FILE_DATA, &text));
    yoco_status status = yoco_model_config_parse(path, text.data, text.size, out);
    yoco_text_free(&text);
    return status;
}
