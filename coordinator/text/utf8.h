/* UTF-8, decided byte by byte (Unicode 3.9, table 3-7): no surrogates, no overlong forms. */
#ifndef YOCO_UTF8_H
#define YOCO_UTF8_H

#include "base.h"

typedef enum yoco_utf8_kind {
    YOCO_UTF8_VALID,     /* one whole character */
    YOCO_UTF8_INVALID,   /* can never become valid: what one U+FFFD stands for */
    YOCO_UTF8_UNFINISHED /* the bytes end within a character */
} yoco_utf8_kind;

/* The first character or broken sequence of the bytes, and its size. size is at least 1. */
yoco_utf8_kind yoco_utf8_next(const unsigned char *bytes, size_t size, size_t *length);

/* The character at the start of valid UTF-8, and its size. size is at least 1. */
int32_t yoco_utf8_at(const uint8_t *text, size_t size, size_t *length);
/* The one that ends before byte `at`, which is at least 1. */
int32_t yoco_utf8_before(const uint8_t *text, size_t at, size_t *length);
/* Unicode's White_Space. */
bool yoco_utf8_is_space(int32_t c);

/* How many bytes at the start are whole characters. */
size_t yoco_utf8_valid_bytes(const unsigned char *bytes, size_t size);

#endif
