/* A transport that stands on another one, its control transport, and leaves part of its table to
 * it. */
#ifndef YOCO_OVER_H
#define YOCO_OVER_H

#include "comm/comm.h"

typedef struct yoco_over {
    yoco_comm base;     /* of the transport above */
    yoco_comm *control; /* owned */
} yoco_over;

/* Ranks and deadline are those of `control`, whose waits call progress(context). */
yoco_over yoco_over_make(const yoco_comm_ops *ops, yoco_comm *control, void (*progress)(void *),
                         void *data);

/* Every rank's n words, in the order of the ranks. all: (n_ranks, n) */
yoco_status yoco_over_gather(yoco_comm *control, const int64_t *mine, int64_t n, int64_t *all);

/* Slots of the table: what the control transport does. */
yoco_status yoco_over_drain(yoco_comm *comm);
void yoco_over_abort(yoco_comm *comm, int exit_code);
yoco_status yoco_over_all_max_f32(yoco_comm *comm, float *data, int64_t n);
yoco_status yoco_over_all_sum_i64(yoco_comm *comm, int64_t *data, int64_t n);
yoco_status yoco_over_broadcast(yoco_comm *comm, int root, void *data, size_t bytes);
yoco_status yoco_over_agree(yoco_comm *comm, yoco_status mine);

#endif
