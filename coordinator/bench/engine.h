/* The engine's speed on this machine: its prefill and its decode steps, timed. Collective. */
#ifndef YOCO_BENCH_ENGINE_H
#define YOCO_BENCH_ENGINE_H

#include "coordinator/bench/results.h"
#include "coordinator/bench/roof.h"

/* The products of one token's prefill: the layers before the last that keeps a past, and K and V of
 * that one; all: of every layer. Embeddings are no product. Returns how many shapes there are. */
int yoco_bench_shapes(const yoco_model_shape *shape, bool all, yoco_bench_gemm *gemms);

/* n_runs prefills of n_tokens of `ids`, after one that warms up. */
yoco_status yoco_bench_time_prefill(yoco_session *session, int64_t chunk_rows, int64_t n_runs,
                                    const int32_t *ids, int64_t n_tokens, yoco_bench_prefill *out);

/* Steps before those that are timed. */
enum { YOCO_BENCH_WARM_UP_STEPS = 2 };

/* Prefills a context, measures reading beside it, and times n_steps steps for each number of
 * branches. */
yoco_status yoco_bench_time_decode(yoco_session *session, yoco_rater *rater, int64_t chunk_rows,
                                   const yoco_bench_list *branches, int64_t n_steps,
                                   const int32_t *ids, int64_t n_tokens, yoco_bench_context *out);

#endif
