#include "configs/model/hf_config.h"

#include "configs/files/path.h"
#include "configs/model/family.h"

#include <string.h>

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

yoco_status yoco_hf_check_rope(const yoco_fields *f)
{
    static const char *const words[] = {"default"};
    int which;
    yoco_fields old, new;
    YOCO_TRY(yoco_field_object(f, "rope_scaling", "rope_scaling.", &old));
    YOCO_TRY(yoco_field_object(f, "rope_parameters", "rope_parameters.", &new));
    const yoco_fields *rope = new.object ? &new : &old;
    YOCO_TRY(yoco_field_word_if(rope, "rope_type", words, 1, &which));
    return yoco_field_word_if(rope, "type", words, 1, &which);
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
