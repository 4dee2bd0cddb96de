/* Byte-pair merging of one piece of text: of all neighbouring pairs that merge, the one of lowest
 * rank merges first, the leftmost of equals, until no pair does. Never quadratic in the piece. */
#ifndef YOCO_BPE_H
#define YOCO_BPE_H

#include "coordinator/text/merges.h"
#include "coordinator/text/vocab.h"

/* tiktoken's rule: a pair merges if its joined bytes are a token, whose rank is the pair's. A piece
 * that is a token itself is that token. Writes at most `size` ranks. size is at least 1. */
yoco_status yoco_bpe_encode(const yoco_vocab *vocab, const uint8_t *piece, size_t size,
                            int32_t *ranks, size_t *n_ranks);

/* The pairs of a list merge. ids: the piece's n >= 1 first tokens, and *n_ids of them in the end.
 */
yoco_status yoco_bpe_merge(const yoco_merges *merges, int32_t *ids, size_t n, size_t *n_ids);

#endif
