/* After which chunks of a context the edges of all layers are saved: after the last, and after
 * every period-th before it. The period depends on the model, the document and the chunk size,
 * never on the ranks, so that any number of ranks finds the edges where it looks for them. It is
 * the smallest for which the edges take at most a quarter of the bytes of K and V and are at most
 * 16 besides the last one. Pure integers. */
#ifndef YOCO_EDGE_PERIOD_H
#define YOCO_EDGE_PERIOD_H

#include "base.h"

enum { YOCO_EDGES_PER_CONTEXT = 16 };

/* edge_bytes: the edges of all layers, once the window is full; kv_bytes: K and V of a full chunk,
 * > 0. */
int64_t yoco_edge_period(int64_t n_chunks, size_t edge_bytes, size_t kv_bytes);

static inline bool yoco_edge_is_saved(int64_t n_chunks, int64_t period, int64_t chunk)
{
    return chunk == n_chunks - 1 || (chunk + 1) % period == 0;
}

#endif
