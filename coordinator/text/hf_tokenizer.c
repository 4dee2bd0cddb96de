/* The tokenizer of tokenizer.json and tokenizer_config.json, as Hugging Face's library `tokenizers`
 * has them. */
#include <stdio.h>
#include <string.h>

#include "configs/files/json_text.h"
#include "configs/files/path.h"
#include "coordinator/text/hf_parts.h"

enum { MAX_FILE_BYTES = 1 << 28 };

/* The id of an added token or of one of the vocabulary, -1: none has this text. */
static int32_t find_id(const yoco_hf *hf, const char *text)
{
    const json_t *list = json_object_get(hf->root, "added_tokens"), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "content")), text) == 0)
            return (int32_t)json_integer_value(json_object_get(item, "id"));
    }
    const json_t *id = json_object_get(hf->vocab, text);
    return id ? (int32_t)json_integer_value(id) : -1;
}

/* A piece of a template: a token that stands in front of the text, or the text. */
static yoco_status read_template_piece(yoco_hf *hf, const yoco_hf_place *at, const json_t *step,
                                       const json_t *piece, bool *has_text)
{
    const json_t *token = json_object_get(piece, "SpecialToken");
    const json_t *sequence = json_object_get(piece, "Sequence");
    const char *name;
    int64_t id;
    if (sequence && !*has_text) {
        *has_text = true;
        return YOCO_OK;
    }
    if (!token || *has_text || hf->out->bos >= 0)
        return YOCO_HF_REFUSE(at, "\"single\" is supported as one special token, or none, and then "
                                  "the sequence");
    YOCO_TRY(yoco_hf_string(at, token, "id", &name));
    const json_t *special = json_object_get(json_object_get(step, "special_tokens"), name);
    const json_t *ids = json_object_get(special, "ids");
    if (json_array_size(ids) != 1)
        return YOCO_HF_REFUSE(at, "special token \"%.64s\" must have one id", name);
    const json_t *wrapped = json_array_get(ids, 0);
    if (!json_is_integer(wrapped))
        return YOCO_HF_REFUSE(at, "special token \"%.64s\" must have one id", name);
    id = json_integer_value(wrapped);
    if (id < 0 || id >= hf->vocab_size)
        return YOCO_HF_REFUSE(at,
                              "special token \"%.64s\": its id must be below the model's "
                              "vocab_size %d",
                              name, hf->vocab_size);
    hf->out->bos = (int32_t)id;
    return YOCO_OK;
}

static yoco_status read_processor(void *data, const yoco_hf_place *at, const char *type,
                                  const json_t *step)
{
    yoco_hf *hf = data;
    if (strcmp(type, "ByteLevel") == 0) /* about offsets only */
        return YOCO_OK;
    if (strcmp(type, "TemplateProcessing") != 0)
        return yoco_hf_refuse_type(at, type, "TemplateProcessing, ByteLevel and Sequence are");
    const json_t *single = json_object_get(step, "single"), *piece;
    bool has_text = false;
    size_t i;
    json_array_foreach(single, i, piece)
        YOCO_TRY(read_template_piece(hf, at, step, piece, &has_text));
    if (!has_text)
        return YOCO_HF_REFUSE(at, "\"single\" must be an array that has the sequence");
    return YOCO_OK;
}

static bool given(const json_t *config, const char *key)
{
    const json_t *value = json_object_get(config, key);
    return value && !json_is_null(value);
}

/* A token that tokenizer_config.json names by its text, or as an object with its content; -1 where
 * it names none. */
static yoco_status read_role(const yoco_hf *hf, const yoco_hf_place *at, const json_t *config,
                             const char *key, int32_t *out)
{
    const json_t *value = json_object_get(config, key);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    *out = -1;
    if (!value || json_is_null(value))
        return YOCO_OK;
    if (!json_is_string(value))
        return YOCO_HF_REFUSE(at, "\"%s\" must be the text of a token", key);
    *out = find_id(hf, json_string_value(value));
    return YOCO_OK;
}

/* Where add_bos_token is given, it decides, and not the post-processor. */
static yoco_status read_roles(yoco_hf *hf, const yoco_hf_place *at, const json_t *config)
{
    yoco_tokenizer *out = hf->out;
    bool add_bos, add_eos;
    int32_t bos, eos;
    char shown[YOCO_JSON_SHOWN_BYTES];
    YOCO_TRY(read_role(hf, at, config, "bos_token", &bos));
    YOCO_TRY(read_role(hf, at, config, "eos_token", &eos));
    if (eos < 0 && given(config, "eos_token"))
        return YOCO_HF_REFUSE(at,
                              "\"eos_token\" %s is no token of tokenizer.json, and no answer "
                              "would end there",
                              yoco_json_show(json_object_get(config, "eos_token"), shown));
    YOCO_TRY(read_role(hf, at, config, "pad_token", &out->pad));
    YOCO_TRY(yoco_hf_bool(at, config, "add_bos_token", out->bos >= 0, &add_bos));
    YOCO_TRY(yoco_hf_bool(at, config, "add_eos_token", false, &add_eos));
    if (add_eos)
        return YOCO_HF_REFUSE(at, "\"add_eos_token\" is not supported: a prompt that ends with an "
                                  "end token has no answer");
    if (add_bos && out->bos < 0 && bos < 0)
        return YOCO_HF_REFUSE(at, "\"add_bos_token\" needs a \"bos_token\" that is a token");
    if (add_bos && out->bos < 0)
        out->bos = bos;
    if (!add_bos)
        out->bos = -1;
    if (eos >= 0)
        yoco_tokenizer_set_ends(out, &eos, 1);
    return YOCO_OK;
}

static yoco_status read_config(yoco_hf *hf, const char *folder)
{
    yoco_hf_place at = {0};
    char *path;
    json_t *config;
    YOCO_TRY(yoco_path_alloc(folder, "tokenizer_config.json", &path));
    at.path = path;
    yoco_status status = YOCO_OK;
    if (!yoco_path_is_missing(path)) {
        status = yoco_json_read(path, MAX_FILE_BYTES, &config);
        if (status == YOCO_OK) {
            status = read_roles(hf, &at, config);
            json_decref(config);
        }
    }
    yoco_free(path);
    return status;
}

static yoco_status check_version(const yoco_hf *hf)
{
    const char *version = json_string_value(json_object_get(hf->root, "version"));
    yoco_hf_place at = {.path = hf->path};
    if (!version || strcmp(version, "1.0") == 0)
        return YOCO_OK;
    return YOCO_HF_REFUSE(&at, "version \"%.64s\" is not supported, but 1.0 is", version);
}

static yoco_status read_parts(yoco_hf *hf, const char *folder)
{
    hf->out->bos = hf->out->pad = -1;
    YOCO_TRY(check_version(hf));
    YOCO_TRY(yoco_hf_read_normalizers(hf));
    YOCO_TRY(yoco_hf_read_stages(hf));
    YOCO_TRY(yoco_hf_read_model(hf));
    YOCO_TRY(yoco_hf_read_added(hf));
    YOCO_TRY(yoco_hf_steps(hf->path, hf->root, "post_processor", "processors", read_processor, hf));
    YOCO_TRY(yoco_hf_read_decoder(hf));
    return read_config(hf, folder);
}

yoco_status yoco_tokenizer_read_hf(const char *folder, int vocab_size, yoco_tokenizer *out,
                                   bool *found)
{
    yoco_hf hf = {.vocab_size = vocab_size, .out = out};
    char *path;
    YOCO_TRY(yoco_path_alloc(folder, "tokenizer.json", &path));
    *found = !yoco_path_is_missing(path);
    yoco_status status = YOCO_OK;
    hf.path = path;
    if (*found)
        status = yoco_json_read(path, MAX_FILE_BYTES, &hf.root);
    if (status == YOCO_OK && *found)
        status = read_parts(&hf, folder);
    for (size_t i = 0; i < hf.n_added; i++)
        yoco_free(hf.added[i].text);
    yoco_free(hf.added);
    yoco_free(hf.is_normalized);
    yoco_free(hf.is_added);
    yoco_free(hf.spellings);
    json_decref(hf.root);
    yoco_free(path);
    return status;
}
