/* The registry of families, and a shape from whatever names one: a folder, or a config alone. */
#include "configs/files/file_name.h"
#include "configs/files/path.h"
#include "configs/files/text_file.h"
#include "configs/model/family.h"
#include "configs/model/fields.h"
#include "configs/model/foreign.h"
#include "configs/model/hf_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* clang-format off */
static const yoco_family *const families[] = {
    &yoco_family_release,
    &yoco_family_fla,
    &yoco_family_phi4flash,
    &yoco_family_llama,
    &yoco_family_mistral,
    &yoco_family_qwen2,
    &yoco_family_qwen3,
    &yoco_family_gemma4,
    &yoco_family_gemma4_text,
    &yoco_family_qwen35,
    &yoco_family_qwen35_text,
    &yoco_family_olmo_hybrid,
};
/* clang-format on */

enum { N_FAMILIES = sizeof families / sizeof *families };

const yoco_family *yoco_family_at(int index)
{
    return index < N_FAMILIES ? families[index] : NULL;
}

bool yoco_model_families_line(int index, char *line, size_t size)
{
    const yoco_family *family = yoco_family_at(index);
    if (!family)
        return false;
    snprintf(line, size, "%-16s %s", family->model_type ? family->model_type : "params.json",
             family->summary);
    return true;
}

static const yoco_family *find_type(const char *model_type)
{
    for (int i = 0; i < N_FAMILIES && model_type; i++)
        if (families[i]->model_type && strcmp(families[i]->model_type, model_type) == 0)
            return families[i];
    return NULL;
}

static void list_types(char *text, size_t size)
{
    snprintf(text, size, "params.json of the authors' release");
    for (int i = 0; i < N_FAMILIES; i++)
        if (families[i]->model_type)
            snprintf(text + strlen(text), size - strlen(text), ", %s", families[i]->model_type);
}

static bool is_called_config(const char *name)
{
    const char *base = strrchr(name, '/');
    return strcmp(base ? base + 1 : name, "config.json") == 0;
}

yoco_status yoco_family_find(const char *name, const json_t *root, const yoco_family **out)
{
    const json_t *type = json_object_get(root, "model_type"),
                 *inner = json_object_get(json_object_get(root, "text_config"), "model_type");
    const yoco_family *family = find_type(json_string_value(type));
    char shown[YOCO_JSON_SHOWN_BYTES], list[256];
    if (!type && !inner && !is_called_config(name) && !json_object_get(root, "architectures")) {
        *out = &yoco_family_release;
        return YOCO_OK;
    }
    if (!family)
        family = find_type(json_string_value(inner));
    if (family) {
        *out = family;
        return YOCO_OK;
    }
    list_types(list, sizeof list);
    if (type || inner)
        yoco_log_error("%s: model_type %s is not supported; supported are: %s (yoco info --models)",
                       name, yoco_json_show(type ? type : inner, shown), list);
    else
        yoco_log_error("%s: field model_type is missing; supported are: %s (yoco info --models)",
                       name, list);
    return YOCO_ERR_DATA;
}

yoco_status yoco_config_parse(const char *name, const char *text, size_t size, json_t **out)
{
    if (size > YOCO_MAX_CONFIG_BYTES) {
        yoco_log_error("%s: %zu bytes is too long for a model's config; the limit is %d", name,
                       size, YOCO_MAX_CONFIG_BYTES);
        return YOCO_ERR_DATA;
    }
    return yoco_json_parse(name, text, size, out);
}

yoco_status yoco_model_shape_parse(const char *name, const char *text, size_t size,
                                   yoco_model_shape **out)
{
    json_t *root;
    const yoco_family *family;
    YOCO_TRY(yoco_config_parse(name, text, size, &root));
    yoco_status status = yoco_family_find(name, root, &family);
    if (status == YOCO_OK)
        status = family->make(name, root, out);
    json_decref(root);
    return status;
}

static yoco_status load_file(const char *path, bool any_kind, yoco_model_shape **out)
{
    yoco_text text;
    YOCO_TRY(yoco_text_read_data(path, any_kind, YOCO_MAX_CONFIG_BYTES, &text));
    yoco_status status = yoco_model_shape_parse(path, text.data, text.size, out);
    yoco_text_free(&text);
    return status;
}

/* config.json where it is there, else params.json. */
static yoco_status find_config(const char *folder, char path[PATH_MAX])
{
    char hint[YOCO_FOREIGN_TEXT], form[YOCO_FILE_NAME_HINT];
    YOCO_TRY(yoco_path_join(folder, "config.json", path));
    if (!yoco_path_is_missing(path))
        return YOCO_OK;
    YOCO_TRY(yoco_path_join(folder, "params.json", path));
    if (!yoco_path_is_missing(path))
        return YOCO_OK;
    int error = errno;
    yoco_foreign_weights(folder, hint);
    yoco_file_name_hint(folder, form);
    yoco_log_error("cannot open %s or config.json: %s%s%s", path, strerror(error), hint, form);
    return YOCO_ERR_OPEN;
}

const char *yoco_shape_model_type(const yoco_model_shape *shape)
{
    return shape->family->model_type;
}

yoco_status yoco_model_shape_load(const char *path, yoco_model_shape **out)
{
    struct stat info;
    char config[PATH_MAX];
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode))
        return load_file(path, true, out);
    yoco_model_shape *shape;
    YOCO_TRY(find_config(path, config));
    YOCO_TRY(load_file(config, false, &shape));
    yoco_status status = shape->family->model_type ? yoco_hf_generation(path, shape) : YOCO_OK;
    if (status != YOCO_OK) {
        yoco_free(shape);
        return status;
    }
    *out = shape;
    return YOCO_OK;
}
