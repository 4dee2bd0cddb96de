/* Softmax attention in tiles: queries against blocks of keys, with a running maximum; what windows
 * and all rows before have in common.
 *
 * The rows of a tile are the queries of all heads that read one head of K and V, query by query, so
 * that what is loaded of K and V serves them all. Blocks of keys lie on a grid of rows of K itself
 * and the maximum is an integer, so that rescaling is exact; keys that a row does not see weigh
 * exactly 0. A row's bits therefore do not depend on the tile it falls in. */
#ifndef YOCO_CPU_SOFTMAX_TILE_H
#define YOCO_CPU_SOFTMAX_TILE_H

#include "kernels/cpu/tile.h"

enum {
    SOFTMAX_ROWS = 288, /* at most */
    SOFTMAX_KEYS = 256,
    SOFTMAX_STRIDE = SOFTMAX_KEYS + 16 /* keeps rows from falling on the same cache sets */
};

/* Which heads there are, and what query i sees: rows last + i - window + 1 .. last + i of K and V,
 * as far as they lie in 0 .. n_keys - 1. */
typedef struct softmax_shape {
    int n_heads, n_kv_heads, n_v_heads, head_dim, v_dim;
    yoco_dtype kv_dtype;
    const void *k, *v;
    int64_t n_queries, last, window, n_keys;
    int n_threads; /* that share the tiles */
} softmax_shape;

typedef struct softmax_tile {
    const softmax_shape *shape;
    int k_head;
    head_rows k, v;
    int64_t first, n; /* rows first .. first + n - 1 of the head: row / heads is the query */
    float *q;         /* (n, head_dim), times scale_log2 */
    float *keys;      /* (head_dim, SCORE_COLUMNS) */
    float *values;    /* (SOFTMAX_KEYS, padded v_dim) */
    float *weights;   /* (n, SOFTMAX_STRIDE): scores, then 2^(score - max) */
    float *out;       /* (n, padded v_dim), not divided */
    float *max;       /* (n) */
    float *sum;       /* (n, VF_LANES), by row of K modulo VF_LANES */
} softmax_tile;

/* All tiles of a head, then those of the next: they share its keys in cache. */
#define softmax_n_tiles YOCO_SIMD(softmax_n_tiles)
int64_t softmax_n_tiles(const softmax_shape *shape);
#define softmax_scratch_bytes YOCO_SIMD(softmax_scratch_bytes)
size_t softmax_scratch_bytes(const softmax_shape *shape);
/* Queries and outputs are those of the whole call: (n_queries, n_heads, head_dim or v_dim). */
#define softmax_tile_at YOCO_SIMD(softmax_tile_at)
softmax_tile softmax_tile_at(const softmax_shape *shape, int64_t tile, float *scratch);
#define softmax_load_queries YOCO_SIMD(softmax_load_queries)
void softmax_load_queries(softmax_tile *t, const float *q, float scale_log2);
/* What the rows have summed: nothing yet. */
#define softmax_start YOCO_SIMD(softmax_start)
void softmax_start(softmax_tile *t);
/* All keys that the rows see; adds to what they have summed. */
#define softmax_run YOCO_SIMD(softmax_run)
void softmax_run(softmax_tile *t);
/* out = what was summed over the sum of weights, rounded. */
#define softmax_finish YOCO_SIMD(softmax_finish)
void softmax_finish(const softmax_tile *t, yoco_dtype dtype, void *out);

/* Which (query, head) of the call is the tile's row. */
static inline int64_t softmax_index(const softmax_tile *t, int64_t row)
{
    const softmax_shape *s = t->shape;
    int64_t heads = s->n_heads / s->n_kv_heads, shared = s->n_kv_heads / s->n_v_heads;
    int64_t query = (t->first + row) / heads, in_group = (t->first + row) % heads;
    int64_t head = t->k_head / shared * shared * heads + in_group * shared + t->k_head % shared;
    return query * s->n_heads + head;
}

#endif
