#include "coordinator/text/normalizer.h"

#include "coordinator/text/nfc.h"

#include <stdlib.h>
#include <string.h>

yoco_status yoco_buffer_append(yoco_buffer *buffer, const void *bytes, size_t size)
{
    size_t needed;
    if (!yoco_size_add(buffer->size, size, &needed) || needed > SIZE_MAX / 2) {
        yoco_log_error("a text is too long");
        return YOCO_ERR_MEMORY;
    }
    if (needed > buffer->capacity) {
        size_t capacity = needed + needed / 2 + 64;
        uint8_t *grown = realloc(buffer->bytes, capacity);
        if (!grown) {
            yoco_log_error("cannot allocate %zu bytes for text", capacity);
            return YOCO_ERR_MEMORY;
        }
        buffer->bytes = grown;
        buffer->capacity = capacity;
    }
    if (size > 0)
        memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size = needed;
    return YOCO_OK;
}

void yoco_normalizer_free(yoco_normalizer *step)
{
    yoco_splitter_free(step->pattern);
    yoco_free(step->content);
}

/* Of a text: no language's takes as much, and steps that replace multiply. */
enum { MAX_GROWTH = 64, FREE_GROWTH = 1 << 16 };

static yoco_status check_growth(size_t size, size_t limit)
{
    if (size <= limit)
        return YOCO_OK;
    yoco_log_error("the tokenizer's normalizers make more than %zu bytes of a text, over %d times "
                   "its own: take a Replace out that grows so",
                   limit, MAX_GROWTH);
    return YOCO_ERR_DATA;
}

static yoco_status append_replaced(const yoco_normalizer *step, const uint8_t *text, size_t size,
                                   size_t limit, yoco_buffer *out)
{
    yoco_split *split;
    YOCO_TRY(yoco_split_create(step->pattern, &split));
    yoco_split_begin(split, text, size);
    yoco_piece_kind kind;
    yoco_status status;
    do {
        const uint8_t *piece;
        size_t piece_size;
        status = yoco_split_next(split, &piece, &piece_size, &kind);
        if (status == YOCO_OK && kind == YOCO_PIECE_MATCH)
            status = yoco_buffer_append(out, step->content, strlen(step->content));
        else if (status == YOCO_OK)
            status = yoco_buffer_append(out, piece, piece_size);
        if (status == YOCO_OK)
            status = check_growth(out->size, limit);
    } while (status == YOCO_OK && kind != YOCO_PIECE_END);
    yoco_split_free(split);
    return status;
}

static yoco_status append(const yoco_normalizer *step, const uint8_t *text, size_t size,
                          size_t limit, yoco_buffer *out)
{
    switch (step->kind) {
    case YOCO_NORMALIZE_NFC:
        return yoco_nfc_append(text, size, out);
    case YOCO_NORMALIZE_REPLACE:
        return append_replaced(step, text, size, limit, out);
    case YOCO_NORMALIZE_PREPEND:
        if (size > 0)
            YOCO_TRY(yoco_buffer_append(out, step->content, strlen(step->content)));
        return yoco_buffer_append(out, text, size);
    }
    return YOCO_ERR_INTERNAL;
}

yoco_status yoco_normalize(const yoco_normalizer *steps, size_t n, const uint8_t *text, size_t size,
                           yoco_buffer buffers[2], const uint8_t **out, size_t *out_size)
{
    size_t limit = size < SIZE_MAX / MAX_GROWTH / 2 ? size * MAX_GROWTH + FREE_GROWTH : SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        yoco_buffer *buffer = &buffers[i % 2];
        buffer->size = 0;
        YOCO_TRY(append(&steps[i], text, size, limit, buffer));
        text = buffer->size > 0 ? buffer->bytes : text;
        size = buffer->size;
    }
    *out = text;
    *out_size = size;
    return YOCO_OK;
}
