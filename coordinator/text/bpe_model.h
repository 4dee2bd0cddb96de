/* A BPE as tokenizer.json has it: how a piece becomes tokens. */
#ifndef YOCO_BPE_MODEL_H
#define YOCO_BPE_MODEL_H

#include "coordinator/text/bpe.h"

typedef struct yoco_bpe_model {
    yoco_vocab *vocab;
    yoco_merges *merges;   /* NULL: tiktoken's rule, and nothing below counts */
    bool byte_level;       /* characters are bytes, else UTF-8 */
    bool ignore_merges;    /* a piece that is a token is that token */
    bool fuse_unk;         /* unknown characters side by side are one token */
    bool byte_fallback;    /* an unknown character is the tokens of its bytes, if they all exist */
    int32_t unk;           /* -1: unknown characters vanish */
    int32_t byte_ids[256]; /* of a byte by itself, -1: none */
} yoco_bpe_model;

void yoco_bpe_model_free(yoco_bpe_model *model);

/* Writes at most `size` ids. The piece is valid UTF-8 and not empty. */
yoco_status yoco_bpe_model_encode(const yoco_bpe_model *model, const uint8_t *piece, size_t size,
                                  int32_t *ids, size_t *n_ids);
/* The id of a byte that belongs to no valid UTF-8; -1: there is none, also no unknown token. */
int32_t yoco_bpe_model_byte(const yoco_bpe_model *model, uint8_t byte);

#endif
