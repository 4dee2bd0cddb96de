#include "coordinator/text/tokenizer_config.h"

#include "configs/files/json_text.h"
#include "configs/files/path.h"
#include "coordinator/text/vocab.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The four ids in front of all others in layout yoco. */
static const char *const symbols[] = {"<s>", "<pad>", "</s>", "<unk>"};
enum { N_SYMBOLS = sizeof symbols / sizeof *symbols };

enum { MAX_JSON_BYTES = 1 << 24 };

static yoco_status copy_text(const char *text, size_t size, char **out)
{
    char *copy;
    YOCO_TRY(yoco_alloc(size + 1, "tokenizer config", (void **)&copy));
    memcpy(copy, text, size);
    copy[size] = '\0';
    *out = copy;
    return YOCO_OK;
}

/* The path of a file in the folder. `name` must be a plain name, so that a tokenizer from a
 * stranger reads nothing but its own folder. */
static yoco_status join_path(const char *folder, const char *name, char **out)
{
    if (name[0] == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        yoco_log_error("%s: the tokenizer names the file \"%s\": only plain names of files in the "
                       "same folder are allowed",
                       folder, name);
        return YOCO_ERR_DATA;
    }
    return yoco_path_alloc(folder, name, out);
}

static yoco_status check_keys(const char *path, json_t *root)
{
    static const char *const known[] = {"ranks", "pattern", "layout", "specials",
                                        "bos",   "eos",     "pad"};
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && strcmp(key, known[i]) != 0)
            i++;
        if (i == sizeof known / sizeof *known) {
            yoco_log_error("%s: unknown field \"%s\"", path, key);
            return YOCO_ERR_DATA;
        }
    }
    return YOCO_OK;
}

static yoco_status get_text(const char *path, const json_t *root, const char *key, const char **out)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (!text || text[0] == '\0') {
        yoco_log_error("%s: \"%s\" must be given and be a text", path, key);
        return YOCO_ERR_DATA;
    }
    *out = text;
    return YOCO_OK;
}

static int longest_first(const void *a, const void *b)
{
    size_t left = ((const yoco_special *)a)->size, right = ((const yoco_special *)b)->size;
    return (left < right) - (left > right);
}

static yoco_status read_specials(const char *path, json_t *root, yoco_tokenizer_config *config)
{
    size_t n = json_object_size(root);
    if (n > YOCO_TOKENIZER_MAX_SPECIALS) {
        yoco_log_error("%s: %zu special tokens are too many, at most %d", path, n,
                       YOCO_TOKENIZER_MAX_SPECIALS);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(
        yoco_alloc(n * sizeof *config->specials, "special tokens", (void **)&config->specials));
    const char *text;
    json_t *value;
    json_object_foreach(root, text, value)
    {
        json_int_t rank = json_integer_value(value);
        if (text[0] == '\0' || !json_is_integer(value) || rank < 0 || rank > YOCO_VOCAB_MAX_RANK) {
            yoco_log_error("%s: special token \"%s\": needs a text and an id from 0 to %d", path,
                           text, YOCO_VOCAB_MAX_RANK);
            return YOCO_ERR_DATA;
        }
        yoco_special *special = &config->specials[config->n_specials];
        special->size = strlen(text);
        special->id = (int32_t)rank + config->shift;
        YOCO_TRY(copy_text(text, special->size, &special->text));
        config->n_specials++;
    }
    if (n > 0)
        qsort(config->specials, n, sizeof *config->specials, longest_first);
    return YOCO_OK;
}

/* "specials": an object of texts and ids, or the name of a file that holds one. */
static yoco_status load_specials(const char *folder, json_t *root, yoco_tokenizer_config *config)
{
    json_t *specials = json_object_get(root, "specials"), *object;
    if (!specials)
        return YOCO_OK;
    if (json_is_object(specials))
        return read_specials(config->path, specials, config);
    if (!json_is_string(specials)) {
        yoco_log_error("%s: \"specials\" must be an object or the name of a file", config->path);
        return YOCO_ERR_DATA;
    }
    char *path;
    YOCO_TRY(join_path(folder, json_string_value(specials), &path));
    yoco_status status = yoco_json_read(path, MAX_JSON_BYTES, &object);
    if (status == YOCO_OK) {
        status = read_specials(path, object, config);
        json_decref(object);
    }
    yoco_free(path);
    return status;
}

/* The id of a symbol of the layout or of a special token. */
static yoco_status find_id(const yoco_tokenizer_config *config, const char *key,
                           const json_t *value, int32_t *out)
{
    const char *text = json_string_value(value);
    if (!text) {
        yoco_log_error("%s: \"%s\" must name special tokens", config->path, key);
        return YOCO_ERR_DATA;
    }
    for (int i = 0; config->shift > 0 && i < N_SYMBOLS; i++) {
        if (strcmp(text, symbols[i]) == 0) {
            *out = i;
            return YOCO_OK;
        }
    }
    for (size_t i = 0; i < config->n_specials; i++) {
        if (strcmp(text, config->specials[i].text) == 0) {
            *out = config->specials[i].id;
            return YOCO_OK;
        }
    }
    yoco_log_error("%s: \"%s\" names \"%s\", which is no special token", config->path, key, text);
    return YOCO_ERR_DATA;
}

/* "bos", "pad" and "eos" where they are given; else what the layout has. */
static yoco_status read_roles(const json_t *root, yoco_tokenizer_config *config)
{
    const json_t *bos = json_object_get(root, "bos"), *pad = json_object_get(root, "pad"),
                 *eos = json_object_get(root, "eos");
    bool has_symbols = config->shift > 0;
    config->bos = has_symbols ? 0 : -1;
    config->pad = has_symbols ? 1 : -1;
    if (bos)
        YOCO_TRY(find_id(config, "bos", bos, &config->bos));
    if (pad)
        YOCO_TRY(find_id(config, "pad", pad, &config->pad));
    if (!eos) {
        config->n_ends = has_symbols ? 1 : 0;
        config->ends[0] = 2;
        return YOCO_OK;
    }
    size_t n = json_is_array(eos) ? json_array_size(eos) : 1;
    if (n > YOCO_TOKENIZER_MAX_ENDS) {
        yoco_log_error("%s: %zu end tokens are too many, at most %d", config->path, n,
                       YOCO_TOKENIZER_MAX_ENDS);
        return YOCO_ERR_DATA;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_is_array(eos) ? json_array_get(eos, i) : eos;
        YOCO_TRY(find_id(config, "eos", value, &config->ends[config->n_ends]));
        config->n_ends++;
    }
    return YOCO_OK;
}

static yoco_status read_config(const char *folder, json_t *root, yoco_tokenizer_config *config)
{
    const char *ranks, *pattern, *layout;
    YOCO_TRY(check_keys(config->path, root));
    YOCO_TRY(get_text(config->path, root, "ranks", &ranks));
    YOCO_TRY(get_text(config->path, root, "pattern", &pattern));
    YOCO_TRY(get_text(config->path, root, "layout", &layout));
    if (strcmp(layout, "yoco") != 0 && strcmp(layout, "plain") != 0) {
        yoco_log_error("%s: layout \"%s\" is neither \"yoco\" nor \"plain\"", config->path, layout);
        return YOCO_ERR_DATA;
    }
    config->shift = strcmp(layout, "yoco") == 0 ? N_SYMBOLS : 0;
    YOCO_TRY(join_path(folder, ranks, &config->ranks_path));
    YOCO_TRY(copy_text(pattern, strlen(pattern), &config->pattern));
    YOCO_TRY(load_specials(folder, root, config));
    return read_roles(root, config);
}

yoco_status yoco_tokenizer_config_load(const char *folder, yoco_tokenizer_config *out, bool *found)
{
    yoco_tokenizer_config config = {0};
    YOCO_TRY(join_path(folder, "yoco_tokenizer.json", &config.path));
    if (yoco_path_is_missing(config.path)) {
        yoco_free(config.path);
        *found = false;
        return YOCO_OK;
    }
    json_t *root;
    yoco_status status = yoco_json_read(config.path, MAX_JSON_BYTES, &root);
    if (status == YOCO_OK) {
        status = read_config(folder, root, &config);
        json_decref(root);
    }
    if (status != YOCO_OK) {
        yoco_tokenizer_config_free(&config);
        return status;
    }
    *out = config;
    *found = true;
    return YOCO_OK;
}

void yoco_tokenizer_config_free(yoco_tokenizer_config *config)
{
    for (size_t i = 0; i < config->n_specials; i++)
        yoco_free(config->specials[i].text);
    yoco_free(config->specials);
    yoco_free(config->path);
    yoco_free(config->ranks_path);
    yoco_free(config->pattern);
    *config = (yoco_tokenizer_config){0};
}
