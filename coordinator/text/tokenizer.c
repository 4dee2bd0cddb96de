#include "coordinator/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "coordinator/text/tokenizer_parts.h"
#include "coordinator/text/utf8.h"

static yoco_status read_parts(const char *folder, int vocab_size, yoco_tokenizer *out, bool *found)
{
    YOCO_TRY(yoco_tokenizer_read_ranks(folder, vocab_size, out, found));
    if (*found)
        return YOCO_OK;
    return yoco_tokenizer_read_hf(folder, vocab_size, out, found);
}

yoco_status yoco_tokenizer_open(const char *folder, int vocab_size, yoco_tokenizer **out)
{
    yoco_tokenizer *tokenizer;
    bool found = false;
    YOCO_TRY(yoco_alloc(sizeof *tokenizer, "tokenizer", (void **)&tokenizer));
    *tokenizer = (yoco_tokenizer){0};
    yoco_status status = read_parts(folder, vocab_size, tokenizer, &found);
    if (status != YOCO_OK || !found) {
        yoco_tokenizer_close(tokenizer);
        tokenizer = NULL;
    }
    if (status == YOCO_OK)
        *out = tokenizer;
    return status;
}

yoco_status yoco_tokenizer_try(const char *folder, int vocab_size, char why[YOCO_LOG_LINE_BYTES],
                               yoco_tokenizer **out)
{
    yoco_log_hold();
    yoco_status status = yoco_tokenizer_open(folder, vocab_size, out);
    yoco_log_release(why);
    if (status == YOCO_ERR_DATA || status == YOCO_ERR_OPEN) {
        *out = NULL;
        return YOCO_OK;
    }
    if (status != YOCO_OK)
        yoco_log_error("%s", why);
    return status;
}

void yoco_tokenizer_close(yoco_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    for (size_t i = 0; i < tokenizer->n_normalizers; i++)
        yoco_normalizer_free(&tokenizer->normalizers[i]);
    for (size_t i = 0; i < tokenizer->n_stages; i++)
        yoco_splitter_free(tokenizer->stages[i].pattern);
    yoco_free(tokenizer->normalizers);
    yoco_free(tokenizer->stages);
    yoco_added_tokens_free(&tokenizer->added);
    yoco_added_tokens_free(&tokenizer->normalized);
    if (tokenizer->texts != tokenizer->model.vocab)
        yoco_vocab_free(tokenizer->texts);
    yoco_bpe_model_free(&tokenizer->model);
    yoco_free(tokenizer);
}

void yoco_tokenizer_set_ends(yoco_tokenizer *tokenizer, const int32_t *ids, int n)
{
    tokenizer->n_ends = n < YOCO_TOKENIZER_MAX_ENDS ? n : YOCO_TOKENIZER_MAX_ENDS;
    for (int i = 0; i < tokenizer->n_ends; i++)
        tokenizer->ends[i] = ids[i];
}

/* One call of encode. */
typedef struct encoder {
    const yoco_tokenizer *tokenizer;
    const yoco_text_span *span; /* where the encoder is in the text, or before that */
    yoco_cutter *cutter;
    yoco_buffer buffers[2]; /* of the normalizers */
    int32_t *ids;           /* (capacity) */
    size_t n, capacity;
} encoder;

/* Makes room for so many more ids. */
static yoco_status reserve(encoder *e, size_t more)
{
    size_t needed = 0, capacity = 0, bytes = SIZE_MAX;
    bool fits = yoco_size_add(e->n, more, &needed);
    if (fits && e->ids && needed <= e->capacity)
        return YOCO_OK;
    if (fits && yoco_size_add(needed, needed / 2, &capacity))
        yoco_size_mul(capacity, sizeof *e->ids, &bytes);
    int32_t *grown;
    YOCO_TRY(yoco_alloc(bytes, "token ids", (void **)&grown));
    if (e->ids)
        memcpy(grown, e->ids, e->n * sizeof *grown);
    yoco_free(e->ids);
    e->ids = grown;
    e->capacity = capacity;
    return YOCO_OK;
}

static yoco_status add_id(encoder *e, int32_t id)
{
    YOCO_TRY(reserve(e, 1));
    e->ids[e->n++] = id;
    return YOCO_OK;
}

static yoco_status encode_piece(void *data, const uint8_t *piece, size_t size)
{
    encoder *e = data;
    size_t n;
    YOCO_TRY(reserve(e, size));
    YOCO_TRY(yoco_bpe_model_encode(&e->tokenizer->model, piece, size, e->ids + e->n, &n));
    for (size_t i = 0; i < n; i++)
        e->ids[e->n++] += e->tokenizer->shift;
    return YOCO_OK;
}

/* text: what became of the stretch at `offset`, by whose span special tokens are found in it. */
static yoco_status encode_normalized(encoder *e, size_t offset, const uint8_t *text, size_t size,
                                     bool is_first)
{
    while (offset >= e->span->end)
        e->span++;
    yoco_text_span span = {.end = SIZE_MAX, .special_tokens = e->span->special_tokens};
    yoco_search search = {
        .added = &e->tokenizer->normalized, .text = text, .size = size, .span = &span};
    for (;;) {
        size_t begin = search.taken;
        yoco_found found = yoco_search_next(&search);
        if (begin < found.begin)
            YOCO_TRY(yoco_cutter_run(e->cutter, text + begin, found.begin - begin,
                                     is_first && begin == 0, encode_piece, e));
        if (!found.token)
            return YOCO_OK;
        YOCO_TRY(add_id(e, found.token->id));
    }
}

static yoco_status normalize(encoder *e, size_t offset, const uint8_t *text, size_t size,
                             bool is_first)
{
    const yoco_tokenizer *t = e->tokenizer;
    YOCO_TRY(
        yoco_normalize(t->normalizers, t->n_normalizers, text, size, e->buffers, &text, &size));
    return encode_normalized(e, offset, text, size, is_first);
}

/* Each stretch between tokens that are found by their spelling is normalized and cut by itself. */
static yoco_status encode_valid(encoder *e, size_t offset, const uint8_t *text, size_t size)
{
    yoco_search search = {.added = &e->tokenizer->added,
                          .text = text,
                          .size = size,
                          .span = e->span,
                          .offset = offset};
    for (;;) {
        size_t begin = search.taken;
        yoco_found found = yoco_search_next(&search);
        if (begin < found.begin)
            YOCO_TRY(normalize(e, offset + begin, text + begin, found.begin - begin,
                               offset + begin == 0));
        if (!found.token)
            return YOCO_OK;
        YOCO_TRY(add_id(e, found.token->id));
    }
}

/* Each stretch of valid UTF-8 is a text of its own, and so is a byte between them. */
static yoco_status encode_text(encoder *e, const uint8_t *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        size_t valid = yoco_utf8_valid_bytes(text + at, size - at);
        if (valid > 0)
            YOCO_TRY(encode_valid(e, at, text + at, valid));
        at += valid;
        if (at == size)
            break;
        int32_t id = yoco_bpe_model_byte(&e->tokenizer->model, text[at++]);
        if (id >= 0)
            YOCO_TRY(add_id(e, id + e->tokenizer->shift));
    }
    return YOCO_OK;
}

static yoco_status encode_first(encoder *e, const char *text, size_t size, int32_t bos)
{
    YOCO_TRY(reserve(e, size / 2 + 1));
    if (bos >= 0)
        YOCO_TRY(add_id(e, bos));
    YOCO_TRY(yoco_cutter_create(e->tokenizer->stages, e->tokenizer->n_stages, &e->cutter));
    return encode_text(e, (const uint8_t *)text, size);
}

yoco_status yoco_tokenizer_encode_spans(const yoco_tokenizer *tokenizer, const char *text,
                                        const yoco_text_span *spans, size_t n_spans, bool bos,
                                        int32_t **ids, int64_t *n_ids)
{
    encoder e = {.tokenizer = tokenizer, .span = spans};
    size_t size = n_spans > 0 ? spans[n_spans - 1].end : 0;
    yoco_status status = YOCO_OK;
    if (size > 0)
        status = encode_first(&e, text, size, bos ? tokenizer->bos : -1);
    yoco_cutter_free(e.cutter);
    free(e.buffers[0].bytes);
    free(e.buffers[1].bytes);
    if (status != YOCO_OK || e.n == 0) {
        yoco_free(e.ids);
        e.ids = NULL;
    }
    YOCO_TRY(status);
    *ids = e.ids;
    *n_ids = (int64_t)e.n;
    return YOCO_OK;
}

yoco_status yoco_tokenizer_encode(const yoco_tokenizer *tokenizer, const char *text, size_t size,
                                  bool allow_specials, int32_t **ids, int64_t *n_ids)
{
    yoco_text_span span = {size, allow_specials};
    return yoco_tokenizer_encode_spans(tokenizer, text, &span, 1, false, ids, n_ids);
}

yoco_status yoco_tokenizer_encode_document(const yoco_tokenizer *tokenizer, const char *text,
                                           size_t size, bool allow_specials, int32_t **ids,
                                           int64_t *n_ids)
{
    yoco_text_span span = {size, allow_specials};
    return yoco_tokenizer_encode_spans(tokenizer, text, &span, 1, true, ids, n_ids);
}

int32_t yoco_tokenizer_special(const yoco_tokenizer *tokenizer, const char *text)
{
    for (size_t i = 0; i < tokenizer->added.n; i++) {
        const yoco_added_token *token = &tokenizer->added.tokens[i];
        if (token->special && strcmp(token->text, text) == 0)
            return token->id;
    }
    return -1;
}

int32_t yoco_tokenizer_bos(const yoco_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

bool yoco_tokenizer_is_end(const yoco_tokenizer *tokenizer, int32_t id)
{
    for (int i = 0; i < tokenizer->n_ends; i++) {
        if (tokenizer->ends[i] == id)
            return true;
    }
    return false;
}

int yoco_tokenizer_banned(const yoco_tokenizer *tokenizer, int32_t *ids, int max)
{
    const int32_t candidates[] = {tokenizer->bos, tokenizer->pad};
    int n = 0;
    for (int i = 0; i < 2 && n < max; i++) {
        if (candidates[i] >= 0 && !yoco_tokenizer_is_end(tokenizer, candidates[i]))
            ids[n++] = candidates[i];
    }
    return n;
}

const char *yoco_tokenizer_bytes(const yoco_tokenizer *tokenizer, int32_t id, size_t *size)
{
    if (id < tokenizer->shift) {
        *size = 0;
        return NULL;
    }
    return (const char *)yoco_vocab_bytes(tokenizer->texts, id - tokenizer->shift, size);
}
