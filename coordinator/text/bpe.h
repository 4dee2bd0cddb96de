/* Byte-pair merging of one piece of text: of all neighbouring pairs whose joined bytes are a token,
 * the one of lowest rank merges first, the leftmost of equals, until no pair is a token. A piece
 * that is a token itself is that token. tiktoken's rule; never quadratic in the piece. */
#ifndef YOCO_BPE_H
#define YOCO_BPE_H

#include "coordinator/text/vocab.h"

/* Writes at most `size` ranks. size is at least 1. */
yoco_status yoco_bpe_encode(const yoco_vocab *vocab, const uint8_t *piece, size_t size,
                            int32_t *ranks, size_t *n_ranks);

#endif
