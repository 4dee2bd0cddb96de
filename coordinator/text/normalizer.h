/* What happens to a text before it is cut: steps, one after the other. */
#ifndef YOCO_NORMALIZER_H
#define YOCO_NORMALIZER_H

#include "coordinator/text/splitter.h"

/* Bytes that grow. Starts as {0}; bytes is to be freed with free(). */
typedef struct yoco_buffer {
    uint8_t *bytes;
    size_t size, capacity;
} yoco_buffer;

yoco_status yoco_buffer_append(yoco_buffer *buffer, const void *bytes, size_t size);

typedef enum yoco_normalizer_kind {
    YOCO_NORMALIZE_NFC,
    YOCO_NORMALIZE_REPLACE, /* every match becomes `content` */
    YOCO_NORMALIZE_PREPEND  /* `content` goes in front of a text that is not empty */
} yoco_normalizer_kind;

typedef struct yoco_normalizer {
    yoco_normalizer_kind kind;
    yoco_splitter *pattern; /* of a replacement */
    char *content;          /* NULL for NFC */
} yoco_normalizer;

void yoco_normalizer_free(yoco_normalizer *step);

/* The text after n steps. text is valid UTF-8; *out is it where nothing changes, else it lies in
 * one of the two buffers, which the caller keeps for further calls and frees. YOCO_ERR_DATA,
 * logged, where replacements make more than 64 times the text and 64 KiB of it. */
yoco_status yoco_normalize(const yoco_normalizer *steps, size_t n, const uint8_t *text, size_t size,
                           yoco_buffer buffers[2], const uint8_t **out, size_t *out_size);

#endif
