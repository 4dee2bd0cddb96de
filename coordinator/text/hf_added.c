/* The added tokens of tokenizer.json. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/text/hf_parts.h"

enum { MAX_ADDED = 1 << 18, MAX_TOKEN_BYTES = 4096 };

/* The text that is looked for: as the normalizers make it, where it is looked for in their text. */
static yoco_status copy_text(const yoco_hf *hf, const char *text, bool normalize, char **out,
                             size_t *size)
{
    yoco_buffer buffers[2] = {0};
    const uint8_t *bytes = (const uint8_t *)text;
    yoco_status status = YOCO_OK;
    *size = strlen(text);
    if (normalize)
        status = yoco_normalize(hf->out->normalizers, hf->out->n_normalizers, bytes, *size, buffers,
                                &bytes, size);
    if (status == YOCO_OK)
        status = yoco_alloc(*size + 1, "added tokens", (void **)out);
    if (status == YOCO_OK) {
        memcpy(*out, bytes, *size);
        (*out)[*size] = '\0';
    }
    free(buffers[0].bytes);
    free(buffers[1].bytes);
    return status;
}

static int32_t largest_id(const yoco_hf *hf)
{
    return hf->vocab_size - 1 < YOCO_VOCAB_MAX_RANK ? hf->vocab_size - 1 : YOCO_VOCAB_MAX_RANK;
}

/* The id is the vocabulary's where that has the token, and no other token's. */
static yoco_status check_id(yoco_hf *hf, const yoco_hf_place *at, const char *text, int64_t id)
{
    const json_t *known = json_object_get(hf->vocab, text);
    const char *other = id < hf->n_spellings ? hf->spellings[id] : NULL;
    if (known && json_integer_value(known) != id)
        return YOCO_HF_REFUSE(at, "\"%.64s\" has id %lld here and %lld in the vocabulary", text,
                              (long long)id, (long long)json_integer_value(known));
    if (other && strcmp(other, text) != 0)
        return YOCO_HF_REFUSE(at, "\"%.64s\" has id %lld, which is \"%.64s\" in the vocabulary",
                              text, (long long)id, other);
    if (hf->is_added[id])
        return YOCO_HF_REFUSE(at, "id %lld stands twice", (long long)id);
    hf->is_added[id] = true;
    return YOCO_OK;
}

static yoco_status read_token(yoco_hf *hf, const yoco_hf_place *at, const json_t *item)
{
    yoco_added_token token = {0};
    const char *text;
    int64_t id;
    bool normalized;
    if (!json_is_object(item))
        return YOCO_HF_REFUSE(at, "must be an object");
    YOCO_TRY(yoco_hf_string(at, item, "content", &text));
    YOCO_TRY(yoco_hf_int(at, item, "id", 0, largest_id(hf), &id));
    YOCO_TRY(yoco_hf_bool(at, item, "special", false, &token.special));
    YOCO_TRY(yoco_hf_bool(at, item, "lstrip", false, &token.lstrip));
    YOCO_TRY(yoco_hf_bool(at, item, "rstrip", false, &token.rstrip));
    YOCO_TRY(yoco_hf_bool(at, item, "single_word", false, &token.single_word));
    YOCO_TRY(yoco_hf_bool(at, item, "normalized", true, &normalized));
    if (strlen(text) > MAX_TOKEN_BYTES)
        return YOCO_HF_REFUSE(at, "\"content\" has more than %d bytes", MAX_TOKEN_BYTES);
    YOCO_TRY(check_id(hf, at, text, id));
    token.id = (int32_t)id;
    YOCO_TRY(copy_text(hf, text, normalized, &token.text, &token.size));
    hf->is_normalized[hf->n_added] = normalized;
    hf->added[hf->n_added++] = token;
    if (token.size == 0)
        return YOCO_HF_REFUSE(at, "\"content\" must not be empty%s",
                              text[0] ? ", and the normalizer makes it so" : "");
    return YOCO_OK;
}

/* Copies those of one kind, so that both kinds own their texts. */
static yoco_status select_tokens(const yoco_hf *hf, bool normalized, yoco_added_tokens *out)
{
    yoco_added_token *tokens;
    size_t n = 0;
    yoco_status status = YOCO_OK;
    char name[PATH_MAX + 32];
    YOCO_TRY(yoco_alloc((hf->n_added + 1) * sizeof *tokens, "added tokens", (void **)&tokens));
    for (size_t i = 0; i < hf->n_added && status == YOCO_OK; i++) {
        if (hf->is_normalized[i] != normalized)
            continue;
        tokens[n] = hf->added[i];
        status = yoco_alloc(tokens[n].size + 1, "added tokens", (void **)&tokens[n].text);
        if (status == YOCO_OK)
            memcpy(tokens[n++].text, hf->added[i].text, hf->added[i].size + 1);
    }
    if (status != YOCO_OK) {
        yoco_added_tokens_free(&(yoco_added_tokens){.tokens = tokens, .n = n});
        return status;
    }
    snprintf(name, sizeof name, "%s: added_tokens", hf->path);
    return yoco_added_tokens_create(name, tokens, n, out);
}

yoco_status yoco_hf_read_added(yoco_hf *hf)
{
    const json_t *list = json_object_get(hf->root, "added_tokens"), *item;
    yoco_hf_place at = {.path = hf->path, .where = "added_tokens"};
    size_t n = json_array_size(list), i;
    if (!list || json_is_null(list))
        return YOCO_OK;
    if (!json_is_array(list) || n > MAX_ADDED)
        return YOCO_HF_REFUSE(&at, "must be an array of at most %d tokens", MAX_ADDED);
    YOCO_TRY(yoco_alloc((n + 1) * sizeof *hf->added, "added tokens", (void **)&hf->added));
    YOCO_TRY(yoco_alloc(n + 1, "added tokens", (void **)&hf->is_normalized));
    YOCO_TRY(yoco_alloc((size_t)largest_id(hf) + 1, "added tokens", (void **)&hf->is_added));
    memset(hf->is_added, 0, (size_t)largest_id(hf) + 1);
    json_array_foreach(list, i, item)
    {
        snprintf(at.where, sizeof at.where, "added_tokens[%zu]", i);
        YOCO_TRY(read_token(hf, &at, item));
    }
    YOCO_TRY(select_tokens(hf, false, &hf->out->added));
    return select_tokens(hf, true, &hf->out->normalized);
}
