/* Attention over the rows of all positions, which the ranks share: partials, and their exact merge.
 */
#ifndef YOCO_OPS_ATTEND_H
#define YOCO_OPS_ATTEND_H

#include "kernels/kernels.h"

/* Rows of K,V on this rank that a run of queries attends over, all of them visible. Row r lies in
 * chunk r / chunk_rows; every chunk is cut into blocks of YOCO_BLOCK_ROWS rows, its last block may
 * be shorter, and so may the last chunk. */
typedef struct yoco_kv_segment {
    int64_t first_query, n_queries;
    int64_t n_rows, chunk_rows; /* n_rows 0 is legal */
    const void *k;              /* (n_rows, n_kv_heads, head_dim), rotated */
    const void *v;              /* (n_rows, n_v_heads, v_dim) */
    int64_t first_partial; /* index of its first partial; it owns n_blocks * n_queries of them */
} yoco_kv_segment;

static inline int64_t yoco_kv_n_blocks(int64_t n_rows, int64_t chunk_rows)
{
    return n_rows / chunk_rows * yoco_div_up(chunk_rows, YOCO_BLOCK_ROWS) +
           yoco_div_up(n_rows % chunk_rows, YOCO_BLOCK_ROWS);
}

/* First row of block `block` and how many rows it has. */
static inline int64_t yoco_kv_block(int64_t n_rows, int64_t chunk_rows, int64_t block,
                                    int64_t *n_block_rows)
{
    int64_t per_chunk = yoco_div_up(chunk_rows, YOCO_BLOCK_ROWS);
    int64_t in_chunk = block % per_chunk * YOCO_BLOCK_ROWS;
    int64_t row = block / per_chunk * chunk_rows + in_chunk;
    *n_block_rows =
        yoco_i64_min(yoco_i64_min(YOCO_BLOCK_ROWS, chunk_rows - in_chunk), n_rows - row);
    return row;
}

/* Cross attention of a decode step and its exact merge (docs/DESIGN.md, "Exact merge"), in three
 * ops:
 * - partials: a partial for every (segment, block, query, head): m = ceil(max of the scores in base
 *   2), never -0, l = sum 2^(s-m), o = sum 2^(s-m) v; and M = max of m over this rank's partials of
 *   a (query, head), -inf where there are none. *bad |= 1, by the next synchronize at the latest,
 *   if any partial is not finite: what merge_sum and merge_finish make of it then means nothing.
 *   The worker all-reduces M.
 * - merge_sum: fixed = sum of round_half_even(l 2^(m-M) 2^l_exponent) and of
 *   round_half_even(o_j 2^(m-M) 2^o_exponent[j]): 64-bit integers, from zero, so every order of
 *   summation gives the same bits. The worker all-reduces.
 * - merge_finish: out = (fixed_o 2^-o_exponent) / (fixed_l 2^-l_exponent) in f64, then rounded to
 *   f32 and to out_dtype; 0 where fixed_l is 0
 *
 * A partial: index p = segment.first_partial + block * segment.n_queries + (query -
 * segment.first_query).
 * Source: online softmax, Milakov & Gimelshein 2018; in base 2 with an integer maximum, so that
 * every rescale is exact. */
typedef struct yoco_attend_args {
    int64_t n_queries;
    int n_heads, n_kv_heads, n_v_heads, head_dim, v_dim; /* see yoco_k_head */
    float scale_log2;                                    /* head_dim^-1/2 * log2(e) */
    int n_segments;
    const yoco_kv_segment *segments; /* (n_segments), host memory */
    yoco_dtype kv_dtype;
    const float *q;   /* (n_queries, n_heads, head_dim), rotated */
    float *max, *sum; /* (partials, n_heads) */
    float *partial;   /* (partials, n_heads, v_dim) */

    int l_exponent;        /* see worker/merge_scale.h */
    const int *o_exponent; /* (n_v_heads, v_dim) */
    float *global_max;     /* (n_queries, n_heads): written by partials, read by the others */
    int *bad;              /* partials may set it, host memory, until synchronize returns */
    int64_t *fixed;        /* (n_queries, n_heads, 1 + v_dim): l, then o */
    yoco_dtype out_dtype;
    void *out; /* (n_queries, n_heads, v_dim) */
} yoco_attend_args;

struct yoco_attend_ops {
    void (*partials)(yoco_device *device, const yoco_attend_args *args);
    void (*merge_sum)(yoco_device *device, const yoco_attend_args *args);
    void (*merge_finish)(yoco_device *device, const yoco_attend_args *args);
};

#endif
