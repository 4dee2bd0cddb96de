/* The tokens of a BPE: bytes to rank (or id) and back. Ranks may have gaps (tiktoken's p50k_base
 * has one), but no rank and no token stands twice. */
#ifndef YOCO_VOCAB_H
#define YOCO_VOCAB_H

#include "base.h"

/* Bounds on files from strangers, far above any vocabulary in use. */
enum { YOCO_VOCAB_MAX_RANK = (1 << 22) - 1, YOCO_VOCAB_MAX_FILE_BYTES = 1 << 26 };

typedef struct yoco_vocab yoco_vocab;

/* Without tokens yet: room for n_tokens that can be found, for `bytes` bytes of all, and for ranks
 * up to max_rank, which is at most YOCO_VOCAB_MAX_RANK. */
yoco_status yoco_vocab_create(size_t n_tokens, size_t bytes, int32_t max_rank, yoco_vocab **out);

typedef enum yoco_vocab_added {
    YOCO_VOCAB_ADDED,
    YOCO_VOCAB_HAS_RANK, /* another token has this rank */
    YOCO_VOCAB_HAS_TOKEN /* the token has another rank */
} yoco_vocab_added;

/* size may be 0 for a token that is not to be found: then its rank has no bytes. */
yoco_vocab_added yoco_vocab_add(yoco_vocab *vocab, int32_t rank, const uint8_t *bytes, size_t size,
                                bool findable);

/* Reads a tiktoken rank file: a line per token, its bytes in base64, a space, its rank. Lower ranks
 * merge first. Every single byte must be a token, so that any bytes can be encoded. Copies what it
 * needs; `name` stands in error lines. */
yoco_status yoco_vocab_parse(const char *name, const void *data, size_t size, yoco_vocab **out);
void yoco_vocab_free(yoco_vocab *vocab);

/* The rank of the token with exactly these bytes, -1 where there is none. */
int32_t yoco_vocab_find(const yoco_vocab *vocab, const uint8_t *bytes, size_t size);
int32_t yoco_vocab_byte_rank(const yoco_vocab *vocab, uint8_t byte);
int32_t yoco_vocab_max_rank(const yoco_vocab *vocab);
/* NULL and 0 for a rank without token. Valid as long as the vocabulary. */
const uint8_t *yoco_vocab_bytes(const yoco_vocab *vocab, int32_t rank, size_t *size);

#endif
