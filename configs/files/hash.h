/* XXH3-128 of data, models and documents. It finds damage and mistakes, not forgers. */
#ifndef YOCO_HASH_H
#define YOCO_HASH_H

#include "base.h"

typedef struct yoco_hash {
    uint64_t high, low;
} yoco_hash;

enum { YOCO_HASH_TEXT_BYTES = 33 };

/* 32 hexadecimal digits, as xxh128sum prints them. */
void yoco_hash_text(yoco_hash hash, char text[YOCO_HASH_TEXT_BYTES]);
/* False where the text is anything else; *out is then untouched. */
bool yoco_hash_parse(const char *text, yoco_hash *out);

static inline bool yoco_hash_equal(yoco_hash a, yoco_hash b)
{
    return a.high == b.high && a.low == b.low;
}

/* The hash of data that comes in pieces. */
typedef struct XXH3_state_s yoco_hasher;

yoco_status yoco_hasher_create(yoco_hasher **out);
void yoco_hasher_add(yoco_hasher *hasher, const void *data, size_t bytes);
yoco_hash yoco_hasher_finish(yoco_hasher *hasher); /* frees it */

#endif
