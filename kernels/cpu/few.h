/* Scores and values for the few queries that share a head of K,V when one branch decodes. Memory is
 * the limit there, so K and V go from their rows straight into registers, and with every load the
 * same channels of a later row are asked for; the bits are those of the tiles. */
#ifndef YOCO_CPU_FEW_H
#define YOCO_CPU_FEW_H

#include "kernels/cpu/tile.h"

enum {
    FEW_ROWS = 4,
    AHEAD_ROWS = 16, /* how many rows later, for the nearest cache */
    FAR_ROWS = 48    /* and for the next */
};

/* scores (n_rows, n) of row stride `stride` = q (n_rows, head_dim) times the first n rows of k.
 * Whole vectors are written: the scores past n mean nothing. n_rows <= FEW_ROWS. */
#define few_scores YOCO_SIMD(few_scores)
void few_scores(const head_rows *k, int64_t n, const float *q, int64_t n_rows, float *scores,
                int64_t stride);

/* out += weights (n_rows, n) times the first n rows of v. out is (n_rows, out_stride), in the order
 * that few_finish undoes; out_stride a multiple of TILE_COLUMNS. */
#define few_values YOCO_SIMD(few_values)
void few_values(const head_rows *v, int64_t n, const float *weights, int64_t stride, int64_t n_rows,
                float *out, int64_t out_stride);
#define few_finish YOCO_SIMD(few_finish)
void few_finish(yoco_dtype dtype, float *out, int64_t out_stride);

#endif
