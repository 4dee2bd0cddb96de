#include "coordinator/text/bpe_model.h"

#include "coordinator/text/utf8.h"

void yoco_bpe_model_free(yoco_bpe_model *model)
{
    yoco_vocab_free(model->vocab);
    yoco_merges_free(model->merges);
}

/* A piece's first tokens. */
typedef struct symbols {
    const yoco_bpe_model *model;
    int32_t *ids;
    size_t n;
    bool has_unk; /* an unknown token comes before the next known one */
} symbols;

static bool add_bytes(symbols *s, const uint8_t *character, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (s->model->byte_ids[character[i]] < 0)
            return false;
    }
    for (size_t i = 0; i < size; i++)
        s->ids[s->n++] = s->model->byte_ids[character[i]];
    return true;
}

/* In the library's order: bytes do not end a run of unknown characters. */
static void add_character(symbols *s, const uint8_t *character, size_t size)
{
    const yoco_bpe_model *model = s->model;
    int32_t id = yoco_vocab_find(model->vocab, character, size);
    if (id < 0 && model->byte_fallback && add_bytes(s, character, size))
        return;
    if (id < 0 && model->unk < 0)
        return;
    if (s->has_unk && (id >= 0 || !model->fuse_unk))
        s->ids[s->n++] = model->unk;
    s->has_unk = id < 0;
    if (id >= 0)
        s->ids[s->n++] = id;
}

yoco_status yoco_bpe_model_encode(const yoco_bpe_model *model, const uint8_t *piece, size_t size,
                                  int32_t *ids, size_t *n_ids)
{
    if (!model->merges)
        return yoco_bpe_encode(model->vocab, piece, size, ids, n_ids);
    int32_t whole = model->ignore_merges ? yoco_vocab_find(model->vocab, piece, size) : -1;
    if (whole >= 0) {
        ids[0] = whole;
        *n_ids = 1;
        return YOCO_OK;
    }
    symbols s = {.model = model, .ids = ids};
    size_t length = 1;
    for (size_t at = 0; at < size; at += length) {
        if (!model->byte_level)
            yoco_utf8_next(piece + at, size - at, &length);
        add_character(&s, piece + at, length);
    }
    if (s.has_unk)
        ids[s.n++] = model->unk;
    *n_ids = 0;
    return s.n > 0 ? yoco_bpe_merge(model->merges, ids, s.n, n_ids) : YOCO_OK;
}

int32_t yoco_bpe_model_byte(const yoco_bpe_model *model, uint8_t byte)
{
    if (!model->merges)
        return yoco_vocab_byte_rank(model->vocab, byte);
    int32_t id = -1;
    if (model->byte_level)
        id = yoco_vocab_byte_rank(model->vocab, byte);
    else if (model->byte_fallback)
        id = model->byte_ids[byte];
    return id >= 0 ? id : model->unk;
}
