/* The decoders of tokenizer.json, applied once to every token: an answer is the bytes of its
 * tokens, one after the other.
 *
 * What decoders do to a text as a whole is not done: that Strip behind Fuse, and Metaspace in the
 * first token, drop the blank that such tokenizers put in front of a text. An answer goes on from
 * its prompt, and its blank parts the two. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/text/byte_level.h"
#include "coordinator/text/hf_parts.h"
#include "coordinator/text/utf8.h"

enum { MAX_STEPS = 32 };

typedef enum step_kind { STEP_REPLACE, STEP_BYTE, STEP_STRIP, STEP_BYTE_LEVEL } step_kind;

typedef struct step {
    step_kind kind;
    yoco_normalizer replace;
    char character[8]; /* that is stripped */
    int64_t start, stop;
} step;

typedef struct decoder {
    step steps[MAX_STEPS];
    size_t n;
    bool has_bytes; /* tokens that are bytes are none any more */
    bool is_whole;  /* tokens are one text from here on */
} decoder;

static yoco_status add_strip(decoder *d, const yoco_hf_place *at, const json_t *node)
{
    step *next = &d->steps[d->n];
    const char *character;
    size_t length;
    YOCO_TRY(yoco_hf_string(at, node, "content", &character));
    YOCO_TRY(yoco_hf_int(at, node, "start", 0, 1024, &next->start));
    YOCO_TRY(yoco_hf_int(at, node, "stop", 0, 1024, &next->stop));
    if (!character[0] ||
        (yoco_utf8_next((const uint8_t *)character, strlen(character), &length), character[length]))
        return YOCO_HF_REFUSE(at, "\"content\" must be one character");
    if (d->is_whole && next->stop > 0)
        return YOCO_HF_REFUSE(at, "\"stop\" must be 0 behind Fuse: an answer's end is not known "
                                  "while it streams");
    if (d->is_whole)
        return YOCO_OK;
    memcpy(next->character, character, length + 1);
    next->kind = STEP_STRIP;
    d->n++;
    return YOCO_OK;
}

static yoco_status add_replace(decoder *d, const yoco_hf_place *at, const json_t *node)
{
    step *next = &d->steps[d->n++];
    next->kind = STEP_REPLACE;
    next->replace.kind = YOCO_NORMALIZE_REPLACE;
    YOCO_TRY(yoco_hf_content(at, node, "content", &next->replace.content));
    return yoco_hf_replaced(at, node, &next->replace.pattern);
}

static yoco_status add_metaspace(decoder *d, const yoco_hf_place *at, const json_t *node)
{
    step *next = &d->steps[d->n++];
    const char *mark;
    next->kind = STEP_REPLACE;
    next->replace.kind = YOCO_NORMALIZE_REPLACE;
    YOCO_TRY(yoco_hf_string(at, node, "replacement", &mark));
    if (!mark[0])
        return YOCO_HF_REFUSE(at, "\"replacement\" must be one character");
    YOCO_TRY(yoco_alloc(2, "decoder", (void **)&next->replace.content));
    memcpy(next->replace.content, " ", 2);
    return yoco_splitter_create(at->path, YOCO_PATTERN_LITERAL, mark, &next->replace.pattern);
}

static yoco_status add_step(void *data, const yoco_hf_place *at, const char *type,
                            const json_t *node)
{
    decoder *d = data;
    if (d->n == MAX_STEPS)
        return YOCO_HF_REFUSE(at, "more than %d decoders", MAX_STEPS);
    bool strip = strcmp(type, "Strip") == 0, fuse = strcmp(type, "Fuse") == 0;
    if ((d->has_bytes || d->is_whole) && !fuse && !(strip && d->is_whole))
        return YOCO_HF_REFUSE(at, "%.64s behind %s is not supported", type,
                              d->is_whole ? "Fuse or ByteLevel" : "ByteFallback");
    d->is_whole = d->is_whole || fuse;
    if (fuse)
        return YOCO_OK;
    if (strip)
        return add_strip(d, at, node);
    if (strcmp(type, "Replace") == 0)
        return add_replace(d, at, node);
    if (strcmp(type, "Metaspace") == 0)
        return add_metaspace(d, at, node);
    if (strcmp(type, "ByteFallback") == 0) {
        d->steps[d->n++].kind = STEP_BYTE;
        d->has_bytes = true;
        return YOCO_OK;
    }
    if (strcmp(type, "ByteLevel") != 0)
        return yoco_hf_refuse_type(
            at, type, "ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace and Sequence are");
    d->steps[d->n++].kind = STEP_BYTE_LEVEL;
    d->is_whole = true;
    return YOCO_OK;
}

/* A text that a step may change: in one of two buffers, or elsewhere. */
typedef struct token_text {
    yoco_buffer buffers[2];
    const uint8_t *bytes;
    size_t size;
} token_text;

static void strip(const step *s, token_text *t)
{
    size_t n = strlen(s->character);
    for (int64_t i = 0; i < s->start && t->size >= n && memcmp(t->bytes, s->character, n) == 0;
         i++) {
        t->bytes += n;
        t->size -= n;
    }
    for (int64_t i = 0;
         i < s->stop && t->size >= n && memcmp(t->bytes + t->size - n, s->character, n) == 0; i++)
        t->size -= n;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "<0x41>" is the byte 0x41. */
static yoco_status take_byte(token_text *t, yoco_buffer *out)
{
    const uint8_t *b = t->bytes;
    if (t->size != 6 || memcmp(b, "<0x", 3) != 0 || b[5] != '>' || hex_digit(b[3]) < 0 ||
        hex_digit(b[4]) < 0)
        return YOCO_OK;
    uint8_t byte = (uint8_t)(16 * hex_digit(b[3]) + hex_digit(b[4]));
    out->size = 0;
    YOCO_TRY(yoco_buffer_append(out, &byte, 1));
    t->bytes = out->bytes;
    t->size = 1;
    return YOCO_OK;
}

static yoco_status take_byte_level(token_text *t, yoco_buffer *out)
{
    size_t n;
    out->size = 0;
    YOCO_TRY(yoco_buffer_append(out, t->bytes, t->size)); /* room: no bytes are more */
    if (!yoco_byte_level_decode(t->bytes, t->size, out->bytes, &n))
        return YOCO_OK;
    t->bytes = out->bytes;
    t->size = n;
    return YOCO_OK;
}

static yoco_status apply(const step *s, size_t index, token_text *t)
{
    yoco_buffer *out = &t->buffers[index % 2];
    switch (s->kind) {
    case STEP_REPLACE: {
        /* One step alone works in the first of the buffers that it gets. */
        yoco_buffer pair[2] = {*out, {0}};
        yoco_status status =
            yoco_normalize(&s->replace, 1, t->bytes, t->size, pair, &t->bytes, &t->size);
        *out = pair[0];
        return status;
    }
    case STEP_BYTE:
        return take_byte(t, out);
    case STEP_BYTE_LEVEL:
        return take_byte_level(t, out);
    case STEP_STRIP:
        strip(s, t);
        return YOCO_OK;
    }
    return YOCO_ERR_INTERNAL;
}

/* Appends the bytes of one token. */
static yoco_status decode(const decoder *d, const char *text, size_t size, token_text *t,
                          yoco_buffer *out)
{
    t->bytes = (const uint8_t *)text;
    t->size = size;
    for (size_t i = 0; i < d->n && t->size > 0; i++)
        YOCO_TRY(apply(&d->steps[i], i, t));
    return yoco_buffer_append(out, t->bytes, t->size);
}

/* (n + 1): where the bytes of each id end; the bytes in `all`. */
static yoco_status decode_all(const yoco_hf *hf, const decoder *d, const yoco_added_token **added,
                              int32_t n, size_t *ends, yoco_buffer *all)
{
    token_text t = {0};
    yoco_status status = YOCO_OK;
    for (int32_t id = 0; id < n && status == YOCO_OK; id++) {
        const char *text = id < hf->n_spellings ? hf->spellings[id] : NULL;
        if (added[id] && !added[id]->special)
            status = decode(d, added[id]->text, added[id]->size, &t, all);
        else if (!added[id] && text)
            status = decode(d, text, strlen(text), &t, all);
        ends[id] = all->size;
    }
    free(t.buffers[0].bytes);
    free(t.buffers[1].bytes);
    if (status == YOCO_OK && all->size > UINT32_MAX) {
        yoco_log_error("%s: decoder: its tokens are too long", hf->path);
        status = YOCO_ERR_DATA;
    }
    return status;
}

static yoco_status fill_texts(yoco_hf *hf, int32_t n, const size_t *ends, const yoco_buffer *all)
{
    YOCO_TRY(yoco_vocab_create(0, all->size, n - 1, &hf->out->texts));
    for (int32_t id = 0; id < n; id++) {
        size_t begin = id > 0 ? ends[id - 1] : 0;
        if (ends[id] > begin)
            yoco_vocab_add(hf->out->texts, id, all->bytes + begin, ends[id] - begin, false);
    }
    return YOCO_OK;
}

static yoco_status build_texts(yoco_hf *hf, const decoder *d)
{
    int32_t n = hf->n_spellings;
    for (size_t i = 0; i < hf->n_added; i++)
        n = hf->added[i].id >= n ? hf->added[i].id + 1 : n;
    const yoco_added_token **added;
    size_t *ends;
    yoco_buffer all = {0};
    YOCO_TRY(yoco_alloc((size_t)n * (sizeof *added + sizeof *ends), "decoder", (void **)&added));
    ends = (size_t *)(added + n);
    memset(added, 0, (size_t)n * sizeof *added);
    for (size_t i = 0; i < hf->n_added; i++)
        added[hf->added[i].id] = &hf->added[i];
    yoco_status status = decode_all(hf, d, added, n, ends, &all);
    if (status == YOCO_OK)
        status = fill_texts(hf, n, ends, &all);
    free(all.bytes);
    yoco_free(added);
    return status;
}

yoco_status yoco_hf_read_decoder(yoco_hf *hf)
{
    yoco_hf_place at = {.path = hf->path, .where = "decoder"};
    const json_t *node = json_object_get(hf->root, "decoder");
    decoder *d;
    if (!node || json_is_null(node))
        return YOCO_HF_REFUSE(&at, "is missing: without one, tokens cannot become text");
    YOCO_TRY(yoco_alloc(sizeof *d, "decoder", (void **)&d));
    *d = (decoder){0};
    yoco_status status = yoco_hf_steps(hf->path, hf->root, "decoder", "decoders", add_step, d);
    if (status == YOCO_OK)
        status = build_texts(hf, d);
    for (size_t i = 0; i < d->n; i++)
        yoco_normalizer_free(&d->steps[i].replace);
    yoco_free(d);
    return status;
}
