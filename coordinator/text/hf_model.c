/* The BPE of tokenizer.json: vocabulary and merges. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/json_text.h"
#include "coordinator/text/byte_level.h"
#include "coordinator/text/hf_parts.h"

enum { MAX_MERGES = 1 << 22, MAX_TOKEN_BYTES = 1 << 16 };

static yoco_status check_options(const yoco_hf_place *at, const json_t *model)
{
    static const char *const absent[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const json_t *type = json_object_get(model, "type"),
                 *dropout = json_object_get(model, "dropout");
    char shown[YOCO_JSON_SHOWN_BYTES];
    if (!json_is_object(model))
        return YOCO_HF_REFUSE(at, "must be an object");
    if (type && !(json_is_string(type) && strcmp(json_string_value(type), "BPE") == 0))
        return YOCO_HF_REFUSE(at, "type %s is not supported, but BPE is",
                              yoco_json_show(type, shown));
    if (dropout && !json_is_null(dropout) &&
        !(json_is_number(dropout) && json_number_value(dropout) == 0.0))
        return YOCO_HF_REFUSE(at, "\"dropout\" is not supported: it must be null");
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        const json_t *value = json_object_get(model, absent[i]);
        const char *text = json_string_value(value);
        if (value && !json_is_null(value) && !(text && !text[0]))
            return YOCO_HF_REFUSE(at, "\"%s\" is not supported: it must be null", absent[i]);
    }
    return YOCO_OK;
}

/* First pass: what to allocate. */
static yoco_status measure(yoco_hf *hf, const yoco_hf_place *at, size_t *bytes)
{
    const char *token;
    json_t *value;
    size_t used = 0;
    json_object_foreach((json_t *)(uintptr_t)hf->vocab, token, value)
    {
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= hf->vocab_size || id > YOCO_VOCAB_MAX_RANK)
            return YOCO_HF_REFUSE(at,
                                  "token \"%.64s\": its id must be a whole number below the "
                                  "model's vocab_size %d",
                                  token, hf->vocab_size);
        if (strlen(token) > MAX_TOKEN_BYTES)
            return YOCO_HF_REFUSE(at, "token \"%.64s...\" has more than %d bytes", token,
                                  MAX_TOKEN_BYTES);
        hf->n_spellings = id >= hf->n_spellings ? (int32_t)id + 1 : hf->n_spellings;
        used += strlen(token);
    }
    *bytes = used;
    return YOCO_OK;
}

/* In a byte-level tokenizer a token is the bytes that it spells, and one that has characters
 * outside of the alphabet is never found. */
static yoco_status fill_vocab(yoco_hf *hf, const yoco_hf_place *at)
{
    uint8_t spelled[MAX_TOKEN_BYTES];
    const char *token;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)hf->vocab, token, value)
    {
        int32_t id = (int32_t)json_integer_value(value);
        const uint8_t *bytes = (const uint8_t *)token;
        size_t size = strlen(token);
        bool findable = size > 0;
        if (hf->spellings[id])
            return YOCO_HF_REFUSE(at, "tokens \"%.64s\" and \"%.64s\" have the same id %d",
                                  hf->spellings[id], token, id);
        hf->spellings[id] = token;
        if (hf->out->model.byte_level && findable) {
            findable = yoco_byte_level_decode(bytes, size, spelled, &size);
            bytes = spelled;
        }
        if (findable)
            yoco_vocab_add(hf->out->model.vocab, id, bytes, size, true);
    }
    return YOCO_OK;
}

static yoco_status read_vocab(yoco_hf *hf, const json_t *model)
{
    yoco_hf_place at = {.path = hf->path, .where = "model.vocab"};
    size_t bytes;
    hf->vocab = json_object_get(model, "vocab");
    if (!json_is_object(hf->vocab) || json_object_size(hf->vocab) == 0)
        return YOCO_HF_REFUSE(&at, "must be an object of tokens and ids");
    YOCO_TRY(measure(hf, &at, &bytes));
    size_t n = (size_t)hf->n_spellings;
    YOCO_TRY(yoco_alloc(n * sizeof *hf->spellings, "vocabulary", (void **)&hf->spellings));
    memset(hf->spellings, 0, n * sizeof *hf->spellings);
    YOCO_TRY(yoco_vocab_create(json_object_size(hf->vocab), bytes, hf->n_spellings - 1,
                               &hf->out->model.vocab));
    return fill_vocab(hf, &at);
}

/* The two halves of a merge, "a b" or ["a", "b"], and what they make: (MAX_TOKEN_BYTES + 1) each.
 */
typedef struct merge_text {
    char *left, *right, *both;
} merge_text;

static bool set_merge(const char *left, size_t left_size, const char *right, merge_text *out)
{
    size_t size = strlen(right) + 1; /* with its NUL */
    if (left_size + size > MAX_TOKEN_BYTES)
        return false;
    memcpy(out->left, left, left_size);
    out->left[left_size] = '\0';
    memcpy(out->right, right, size);
    memcpy(out->both, left, left_size);
    memcpy(out->both + left_size, right, size);
    return true;
}

static bool split_merge(const json_t *merge, merge_text *out)
{
    const char *a = json_string_value(json_array_get(merge, 0));
    const char *b = json_string_value(json_array_get(merge, 1));
    if (json_is_array(merge) && json_array_size(merge) == 2 && a && b)
        return set_merge(a, strlen(a), b, out);
    const char *text = json_string_value(merge), *blank = text ? strchr(text, ' ') : NULL;
    if (!blank || strchr(blank + 1, ' '))
        return false;
    return set_merge(text, (size_t)(blank - text), blank + 1, out);
}

static yoco_status find_id(const yoco_hf *hf, const yoco_hf_place *at, const char *token,
                           int32_t *out)
{
    const json_t *id = json_object_get(hf->vocab, token);
    if (!id)
        return YOCO_HF_REFUSE(at, "\"%.64s\" is no token of the vocabulary", token);
    *out = (int32_t)json_integer_value(id);
    return YOCO_OK;
}

static yoco_status add_merge(yoco_hf *hf, const yoco_hf_place *at, const json_t *merge,
                             merge_text *text)
{
    int32_t left, right, both;
    if (!split_merge(merge, text))
        return YOCO_HF_REFUSE(at, "must be two tokens, as \"a b\" or [\"a\", \"b\"]");
    YOCO_TRY(find_id(hf, at, text->left, &left));
    YOCO_TRY(find_id(hf, at, text->right, &right));
    YOCO_TRY(find_id(hf, at, text->both, &both));
    yoco_merges_add(hf->out->model.merges, left, right, both);
    return YOCO_OK;
}

static yoco_status read_merges(yoco_hf *hf, const json_t *model)
{
    const json_t *merges = json_object_get(model, "merges"), *merge;
    yoco_hf_place at = {.path = hf->path, .where = "model.merges"};
    size_t n = json_array_size(merges), i;
    if (!json_is_array(merges) || n > MAX_MERGES)
        return YOCO_HF_REFUSE(&at, "must be an array of at most %d merges", MAX_MERGES);
    char *memory;
    YOCO_TRY(yoco_merges_create(n, &hf->out->model.merges));
    YOCO_TRY(yoco_alloc((size_t)3 * (MAX_TOKEN_BYTES + 1), "merges", (void **)&memory));
    merge_text text = {memory, memory + MAX_TOKEN_BYTES + 1, memory + 2 * (MAX_TOKEN_BYTES + 1)};
    yoco_status status = YOCO_OK;
    json_array_foreach(merges, i, merge)
    {
        const char *line = json_string_value(merge);
        if (line && strncmp(line, "#version", strlen("#version")) == 0)
            continue;
        snprintf(at.where, sizeof at.where, "model.merges[%zu]", i);
        status = add_merge(hf, &at, merge, &text);
        if (status != YOCO_OK)
            break;
    }
    yoco_free(memory);
    return status;
}

static yoco_status read_unknown(yoco_hf *hf, const yoco_hf_place *at, const json_t *model)
{
    yoco_bpe_model *out = &hf->out->model;
    const json_t *unk = json_object_get(model, "unk_token");
    YOCO_TRY(yoco_hf_bool(at, model, "fuse_unk", false, &out->fuse_unk));
    YOCO_TRY(yoco_hf_bool(at, model, "byte_fallback", false, &out->byte_fallback));
    YOCO_TRY(yoco_hf_bool(at, model, "ignore_merges", false, &out->ignore_merges));
    out->unk = -1;
    if (unk && !json_is_null(unk)) {
        const char *text;
        YOCO_TRY(yoco_hf_string(at, model, "unk_token", &text));
        YOCO_TRY(find_id(hf, at, text, &out->unk));
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", byte);
        const json_t *id = json_object_get(hf->vocab, name);
        out->byte_ids[byte] = id ? (int32_t)json_integer_value(id) : -1;
    }
    return YOCO_OK;
}

/* Else a missing byte would fall back to the bytes of the character that spells it. */
static yoco_status check_fallback(const yoco_hf *hf, const yoco_hf_place *at)
{
    const yoco_bpe_model *model = &hf->out->model;
    for (int byte = 0; model->byte_level && model->byte_fallback && byte < 256; byte++) {
        if (yoco_vocab_byte_rank(model->vocab, (uint8_t)byte) < 0)
            return YOCO_HF_REFUSE(at,
                                  "byte_fallback with ByteLevel is supported only where every "
                                  "byte has a token, and 0x%02x has none",
                                  (unsigned)byte);
    }
    return YOCO_OK;
}

yoco_status yoco_hf_read_model(yoco_hf *hf)
{
    const json_t *model = json_object_get(hf->root, "model");
    yoco_hf_place at = {.path = hf->path, .where = "model"};
    YOCO_TRY(check_options(&at, model));
    YOCO_TRY(read_vocab(hf, model));
    YOCO_TRY(read_merges(hf, model));
    YOCO_TRY(read_unknown(hf, &at, model));
    return check_fallback(hf, &at);
}
