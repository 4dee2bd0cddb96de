/* The ranks of a byte-level BPE: bytes to rank and back. Read from a tiktoken rank file: a line per
 * token, its bytes in base64, a space, its rank. Lower ranks merge first. Ranks may have gaps
 * (tiktoken's p50k_base has one), but no rank and no token stands twice and every single byte is a
 * token, so that any bytes can be encoded. */
#ifndef YOCO_VOCAB_H
#define YOCO_VOCAB_H

#include "base.h"

/* Bounds on files from strangers, far above any vocabulary in use. */
enum { YOCO_VOCAB_MAX_RANK = (1 << 22) - 1, YOCO_VOCAB_MAX_FILE_BYTES = 1 << 26 };

typedef struct yoco_vocab yoco_vocab;

/* Copies what it needs; `name` stands in error lines. */
yoco_status yoco_vocab_parse(const char *name, const void *data, size_t size, yoco_vocab **out);
void yoco_vocab_free(yoco_vocab *vocab);

/* The rank of the token with exactly these bytes, -1 where there is none. */
int32_t yoco_vocab_find(const yoco_vocab *vocab, const uint8_t *bytes, size_t size);
int32_t yoco_vocab_byte_rank(const yoco_vocab *vocab, uint8_t byte);
int32_t yoco_vocab_max_rank(const yoco_vocab *vocab);
/* NULL and 0 for a rank without token. Valid as long as the vocabulary. */
const uint8_t *yoco_vocab_bytes(const yoco_vocab *vocab, int32_t rank, size_t *size);

#endif
