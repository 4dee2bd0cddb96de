/* Scores and values for the few queries that share a head of K,V when one branch decodes. Memory is
 * the limit there, so K and V go from their rows straight into registers; the bits are those of the
 * tiles. */
#ifndef YOCO_CPU_FEW_H
#define YOCO_CPU_FEW_H

#include "kernels/cpu/tile.h"

enum {
    FEW_ROWS = 4,
    PREFETCH_BYTES = 6144 /* how far ahead of a copy memory is asked */
};

/* A copy that goes on between sums, a vector at a time, so that waiting for memory and computing
 * overlap. */
typedef struct copy_ahead {
    const char *from;
    char *to;
    size_t n_bytes; /* still to copy */
} copy_ahead;

VF_INLINE void copy_vectors(copy_ahead *copy, int n)
{
    for (; n > 0 && copy->n_bytes >= sizeof(vf); n--) {
        __builtin_prefetch(copy->from + PREFETCH_BYTES, 0, 2);
        vf_store((float *)(void *)copy->to, vf_load((const float *)(const void *)copy->from));
        copy->from += sizeof(vf);
        copy->to += sizeof(vf);
        copy->n_bytes -= sizeof(vf);
    }
}

/* scores (n_rows, n) of row stride `stride` = q (n_rows, head_dim) times the first n rows of k.
 * Whole vectors are read and written: k has memory for n rounded up to VF_LANES, and the scores
 * past n mean nothing. n_rows <= FEW_ROWS. As many bytes as are read of k are copied meanwhile. */
#define few_scores YOCO_SIMD(few_scores)
void few_scores(const head_rows *k, int64_t n, const float *q, int64_t n_rows, float *scores,
                int64_t stride, copy_ahead *copy);

/* out += weights (n_rows, n) times the first n rows of v. out is (n_rows, out_stride), in the order
 * that few_finish undoes; out_stride a multiple of TILE_COLUMNS. */
#define few_values YOCO_SIMD(few_values)
void few_values(const head_rows *v, int64_t n, const float *weights, int64_t stride, int64_t n_rows,
                float *out, int64_t out_stride, copy_ahead *copy);
#define few_finish YOCO_SIMD(few_finish)
void few_finish(yoco_dtype dtype, float *out, int64_t out_stride);

#endif
