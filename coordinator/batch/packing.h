/* Which ranks compute which job. A document of many chunks keeps all ranks busy together. Short
 * jobs are packed: in a round every rank takes a bin of them for itself, bins of about equal
 * numbers of tokens, and the rounds' results are gathered before the next one begins. Pure
 * integers; who computes a job never changes its result. */
#ifndef YOCO_BATCH_PACKING_H
#define YOCO_BATCH_PACKING_H

#include "base.h"

/* The cost of a job. */
typedef struct yoco_batch_size {
    int64_t n_context; /* tokens that all ranks can share, in chunks */
    int64_t n_own;     /* questions and answers at their longest: every rank computes them */
} yoco_batch_size;

typedef struct yoco_batch_slot {
    int64_t job, round;
    int rank;
} yoco_batch_slot;

typedef struct yoco_batch_packing {
    int n_ranks;
    int64_t n_together, *together; /* jobs that all ranks compute, in the order given */
    int64_t n_packed;              /* the others, round by round, rank by rank, longest first */
    yoco_batch_slot *packed;
    int64_t n_rounds;
    int64_t tokens_together, tokens_packed;
    double busy; /* share of the ranks' time in rounds that they work, 0..1 */
} yoco_batch_packing;

/* pack false: all jobs are computed together, since they share a context that is there. */
yoco_status yoco_batch_packing_make(const yoco_batch_size *sizes, int64_t n_jobs,
                                    int64_t chunk_rows, int n_ranks, bool pack,
                                    yoco_batch_packing *out);
void yoco_batch_packing_free(yoco_batch_packing *packing);
/* One line for people. */
void yoco_batch_packing_print(const yoco_batch_packing *packing, char *text, size_t size);

#endif
