/* Attention of many queries that share a head of K,V. Arithmetic is the limit there, so tiles of K
 * and V are widened to f32 once for all of them, and weights are made where they are used, in
 * cache; the bits are those of few.h. */
#ifndef YOCO_CPU_MANY_H
#define YOCO_CPU_MANY_H

#include "kernels/cpu/tile.h"

enum { MANY_SCORE_COLUMNS = 128 }; /* a multiple of every instruction set's tiles */

typedef struct many_queries {
    int64_t n_rows; /* queries */
    int head_dim;   /* of Q and K, even */
    int v_dim;
    const float *q; /* (n_rows, head_dim), times scale_log2 */
    float *scores;  /* (n / MANY_SCORE_COLUMNS rounded up, n_rows, MANY_SCORE_COLUMNS), scratch */
    float *out;     /* (n_rows, out_stride): sums of weights 2^(score - max) times V */
    int64_t out_stride;
    float *max, *sum; /* (n_rows): the ceiling of the greatest score, the sum of the weights */
    float *scratch;   /* many_scratch(n_rows, head_dim, v_dim) */
} many_queries;

/* In floats. */
#define many_scratch YOCO_SIMD(many_scratch)
int64_t many_scratch(int64_t n_rows, int head_dim, int v_dim);

/* All queries over the n rows of k and v. */
#define many_attend YOCO_SIMD(many_attend)
void many_attend(const many_queries *m, const head_rows *k, const head_rows *v, int64_t n);

#endif
