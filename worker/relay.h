/* Rows of earlier chunks on their way to the ranks that attend over them in prefill.
 *
 * For chunk c a layer needs the rows of chunks 0 .. c, ascending. What its rank lacks comes from
 * the owner of chunk c - 1, which had it for its own chunk, and is passed on to the owner of chunk
 * c + 1, as far as that one lacks it: messages go from neighbour to neighbour.
 * - Kept: a rank has the rows of all chunks before its last one, so n_ranks - 1 chunks come for
 * each. What was restored from a snapshot is given to all before the ring begins.
 * - Dropped: the rows come round again for every chunk, through a few slots. Each round of chunks
 * is then a chain: the first rank of the round, which no other one is ahead of, gets each row from
 *   its owner itself. Otherwise a rank would hold slots for the rank before it that has to finish
 *   the round first.
 * In what order a query attends is the same in both, so bits are. */
#ifndef YOCO_RELAY_H
#define YOCO_RELAY_H

#include "worker/past/past.h"

/* The messages under way, and whether rows are dropped. */
typedef struct yoco_relay yoco_relay;

/* For the plan of `w`; nothing where no layer passes rows on. */
yoco_status yoco_relay_create(yoco_worker *w);
void yoco_relay_free(yoco_worker *w);

/* Before the first chunk of a prefill. Collective. */
yoco_status yoco_relay_begin(yoco_worker *w);
/* After the last one: waits until this rank's rows have left. */
yoco_status yoco_relay_drain(yoco_worker *w);

/* Rows of one chunk, in memory of the device until the next take. */
typedef struct yoco_run {
    const void *k, *v;
    int64_t n_rows;
} yoco_run;

/* Chunk p->chunk begins with a layer; its own rows are there. */
yoco_status yoco_relay_open(yoco_pass *p, const yoco_store *store);
/* The rows of `chunk`, 0 .. p->chunk in this order; passes them on. */
yoco_status yoco_relay_take(yoco_pass *p, const yoco_store *store, int64_t chunk, yoco_run *run);
yoco_status yoco_relay_close(yoco_pass *p, const yoco_store *store);

#endif
