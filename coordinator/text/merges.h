/* The merges of a BPE that lists them: a pair of token ids, its rank, and the id that it becomes.
 * Lower ranks merge first. */
#ifndef YOCO_MERGES_H
#define YOCO_MERGES_H

#include "base.h"

#define YOCO_NO_MERGE UINT32_MAX /* above every rank */

typedef struct yoco_merges yoco_merges;

/* Room for `max` pairs, at most 2^24. */
yoco_status yoco_merges_create(size_t max, yoco_merges **out);
void yoco_merges_free(yoco_merges *merges);

/* The next rank. A pair that is there already gets this rank in place of its old one. */
void yoco_merges_add(yoco_merges *merges, int32_t left, int32_t right, int32_t id);

/* The rank of a pair, YOCO_NO_MERGE where it has none. */
uint32_t yoco_merges_find(const yoco_merges *merges, int32_t left, int32_t right);
int32_t yoco_merges_id(const yoco_merges *merges, uint32_t rank);

#endif
