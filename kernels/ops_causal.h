/* Attention of the rows of a chunk over all rows before them, in prefill. */
#ifndef YOCO_OPS_CAUSAL_H
#define YOCO_OPS_CAUSAL_H

#include "kernels/kernels.h"

/* One run of rows of K,V, a chunk, at a time, in ascending order of position, the queries' own
 * last. Between the calls of a layer the caller keeps what the queries have summed so far: m, a
 * ceiling of the scores in base 2 that were seen, an integer; l = sum 2^(s - m), o = sum 2^(s - m)
 * v. `first`: they hold nothing yet, and mean nothing. `last`: out = o / l, rounded. Query i sees
 * rows 0 .. diagonal + i of the run, as far as there are such; at least one. A query's bits depend
 * on the runs and on its place in its chunk, not on n_queries beside it. Source: online softmax,
 * Milakov & Gimelshein 2018; in base 2 with an integer maximum, so that every rescale is exact. */
typedef struct yoco_causal_args {
    int64_t n_queries, n_rows, diagonal;
    int n_heads, n_kv_heads, n_v_heads, head_dim, v_dim; /* see yoco_k_head */
    float scale_log2;                                    /* head_dim^-1/2 * log2(e) */
    bool first, last;
    const float *q; /* (n_queries, n_heads, head_dim), rotated */
    yoco_dtype kv_dtype;
    const void *k;    /* (n_rows, n_kv_heads, head_dim), rotated */
    const void *v;    /* (n_rows, n_v_heads, v_dim) */
    float *max, *sum; /* (n_queries, n_heads) */
    float *partial;   /* (n_queries, n_heads, v_dim) */
    yoco_dtype out_dtype;
    void *out; /* (n_queries, n_heads, v_dim); written by the last */
} yoco_causal_args;

struct yoco_causal_ops {
    void (*attend)(yoco_device *device, const yoco_causal_args *args);
};

#endif
