#include "configs/model/hf_config.h"

#include "configs/files/path.h"
#include "configs/model/family.h"

#include <stdio.h>
#include <string.h>

static bool has_type(const json_t *object, const char *model_type)
{
    const char *type = json_string_value(json_object_get(object, "model_type"));
    return type && strcmp(type, model_type) == 0;
}

yoco_fields yoco_hf_fields(const char *name, json_t *root, const char *model_type)
{
    static const char *const shared[] = {"quantization_config", "eos_token_id",
                                         "tie_word_embeddings"};
    json_t *inner = json_object_get(root, "text_config");
    if (has_type(root, model_type) || !has_type(inner, model_type))
        return (yoco_fields){name, "", root, true};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        json_t *outer = json_object_get(root, shared[i]);
        const json_t *own = json_object_get(inner, shared[i]);
        if (outer && (!own || json_is_null(own)))
            json_object_set(inner, shared[i], outer);
    }
    return (yoco_fields){name, "text_config.", inner, true};
}

yoco_status yoco_hf_check_weights(const yoco_fields *f)
{
    char shown[YOCO_JSON_SHOWN_BYTES];
    const json_t *value = json_object_get(f->object, "quantization_config");
    const json_t *method = json_object_get(value, "quant_method");
    if (!value || json_is_null(value))
        return YOCO_OK;
    yoco_log_error("%s: quantization %s is not supported; weights are F32, BF16 or F16: take the "
                   "model as it was before it was quantized",
                   f->file, yoco_json_show(method ? method : value, shown));
    return YOCO_ERR_DATA;
}

yoco_status yoco_hf_check_activation(const yoco_fields *f, const char *field)
{
    static const char *const words[] = {"silu", "swish"};
    int which;
    return yoco_field_word_if(f, field, words, sizeof words / sizeof *words, &which);
}

static bool names_a_word(const yoco_fields *f, const char *field)
{
    return json_is_string(json_object_get(f->object, field));
}

/* Without a type a factor scales all the same. */
static yoco_status check_factor(const yoco_fields *rope)
{
    char shown[YOCO_JSON_SHOWN_BYTES];
    const json_t *factor = json_object_get(rope->object, "factor");
    bool plain = names_a_word(rope, "rope_type") || names_a_word(rope, "type");
    if (plain || !factor || json_is_null(factor))
        return YOCO_OK;
    yoco_log_error("%s: field %sfactor is %s, and a rotation that is scaled is not supported",
                   rope->file, rope->prefix, yoco_json_show(factor, shown));
    return YOCO_ERR_DATA;
}

yoco_status yoco_hf_check_rope(const yoco_fields *f)
{
    static const char *const words[] = {"default"};
    static const char *const fields[] = {"rope_scaling", "rope_parameters"};
    int which;
    for (size_t i = 0; i < 2; i++) {
        char prefix[64];
        yoco_fields rope;
        snprintf(prefix, sizeof prefix, "%s%s.", f->prefix, fields[i]);
        YOCO_TRY(yoco_field_object(f, fields[i], prefix, &rope));
        YOCO_TRY(yoco_field_word_if(&rope, "rope_type", words, 1, &which));
        YOCO_TRY(yoco_field_word_if(&rope, "type", words, 1, &which));
        YOCO_TRY(check_factor(&rope));
    }
    return YOCO_OK;
}

yoco_status yoco_hf_ends(const yoco_fields *f, yoco_model_shape *shape)
{
    const json_t *value = json_object_get(f->object, "eos_token_id");
    size_t n = json_is_array(value) ? json_array_size(value) : value && !json_is_null(value);
    char shown[YOCO_JSON_SHOWN_BYTES];
    int32_t ends[YOCO_MAX_ENDS] = {0};
    bool fits = n <= YOCO_MAX_ENDS;
    for (size_t i = 0; fits && i < n; i++) {
        const json_t *id = json_is_array(value) ? json_array_get(value, i) : value;
        fits = json_is_integer(id) && json_integer_value(id) >= 0 &&
               json_integer_value(id) < shape->vocab_size;
        ends[i] = (int32_t)json_integer_value(id);
    }
    if (!fits) {
        yoco_log_error("%s: field %seos_token_id is %s; give an id from 0 to %d, or a list of at "
                       "most %d",
                       f->file, f->prefix, yoco_json_show(value, shown), shape->vocab_size - 1,
                       YOCO_MAX_ENDS);
        return YOCO_ERR_DATA;
    }
    shape->n_ends = (int)n;
    memcpy(shape->ends, ends, n * sizeof *ends);
    return YOCO_OK;
}

yoco_status yoco_hf_generation(const char *folder, yoco_model_shape *shape)
{
    char path[PATH_MAX];
    json_t *root;
    YOCO_TRY(yoco_path_join(folder, "generation_config.json", path));
    if (yoco_path_is_missing(path))
        return YOCO_OK;
    YOCO_TRY(yoco_json_read(path, YOCO_MAX_CONFIG_BYTES, &root));
    const yoco_fields f = {path, "", root, true};
    const json_t *ends = json_object_get(root, "eos_token_id");
    yoco_status status = YOCO_OK;
    if (ends && !json_is_null(ends))
        status = yoco_hf_ends(&f, shape);
    json_decref(root);
    return status;
}
