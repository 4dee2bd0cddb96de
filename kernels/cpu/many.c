#include "kernels/cpu/many.h"

#include <math.h>

enum {
    SCORE_ROWS = TILE_ROWS / 2,     /* queries at once, with sums of even and of odd channels */
    GROUP_ROWS = 6,                 /* queries whose weights are made and used at once */
    VALUE_ROWS = MANY_SCORE_COLUMNS /* rows of V in a tile */
};

/* m->scratch, cut up. */
typedef struct tiles {
    float *lanes;   /* (n_rows, VF_LANES): maxima, then sums */
    float *keys;    /* (head_dim, TILE_COLUMNS) */
    float *values;  /* (VALUE_ROWS, padded v_dim) */
    float *weights; /* (GROUP_ROWS, VALUE_ROWS) */
} tiles;

/* The tile that is read after the one at work: n rows, 0 after the last. */
typedef struct next_tile {
    const head_rows *rows;
    int64_t first, n;
} next_tile;

int64_t many_scratch(int64_t n_rows, int head_dim, int v_dim)
{
    return n_rows * VF_LANES + head_dim * TILE_COLUMNS + VALUE_ROWS * tile_padded(v_dim) +
           GROUP_ROWS * VALUE_ROWS;
}

static tiles cut(const many_queries *m)
{
    tiles t = {.lanes = m->scratch};
    t.keys = t.lanes + m->n_rows * VF_LANES;
    t.values = t.keys + m->head_dim * TILE_COLUMNS;
    t.weights = t.values + VALUE_ROWS * tile_padded(m->v_dim);
    return t;
}

/* Asks for the share of the next tile that falls to queries row .. row_end - 1: all of it at once
 * would wait for memory. */
static void prefetch_share(const next_tile *next, int64_t row, int64_t row_end, int64_t n_rows)
{
    int64_t bytes = next->rows->head_dim * (int64_t)yoco_dtype_bytes(next->rows->dtype);
    int64_t end = next->first + next->n * row_end / n_rows;
    for (int64_t i = next->first + next->n * row / n_rows; i < end; i++)
        for (int64_t at = 0; at < bytes; at += 64)
            __builtin_prefetch(head_row(next->rows, i) + at, 0, 2);
}

/* Even channels, then odd ones: the order of few_scores. */
VF_INLINE void score_block(const float *q, int64_t dim, int n_rows, const float *keys,
                           float *scores, float *max)
{
    vf even[SCORE_ROWS][2], odd[SCORE_ROWS][2];
#pragma GCC unroll 6
    for (int r = 0; r < n_rows; r++)
        even[r][0] = even[r][1] = odd[r][0] = odd[r][1] = vf_set(0.0f);
    for (int64_t i = 0; i < dim; i += 2, keys += 2 * TILE_COLUMNS) {
        vf even0 = vf_load(keys), even1 = vf_load(keys + VF_LANES);
        vf odd0 = vf_load(keys + TILE_COLUMNS), odd1 = vf_load(keys + TILE_COLUMNS + VF_LANES);
#pragma GCC unroll 6
        for (int r = 0; r < n_rows; r++) {
            vf first = vf_set(q[r * dim + i]), second = vf_set(q[r * dim + i + 1]);
            even[r][0] = vf_fma(first, even0, even[r][0]);
            even[r][1] = vf_fma(first, even1, even[r][1]);
            odd[r][0] = vf_fma(second, odd0, odd[r][0]);
            odd[r][1] = vf_fma(second, odd1, odd[r][1]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < n_rows; r++) {
        vf low = even[r][0] + odd[r][0], high = even[r][1] + odd[r][1];
        vf_store(scores + r * MANY_SCORE_COLUMNS, low);
        vf_store(scores + r * MANY_SCORE_COLUMNS + VF_LANES, high);
        vf so_far = vf_load(max + r * VF_LANES);
        vf_store(max + r * VF_LANES, vf_max(high, vf_max(low, so_far)));
    }
}

/* Row r's scores of keys from `key` on start r * MANY_SCORE_COLUMNS later. */
static float *score_rows(const many_queries *m, int64_t key)
{
    return m->scores + key / MANY_SCORE_COLUMNS * m->n_rows * MANY_SCORE_COLUMNS +
           key % MANY_SCORE_COLUMNS;
}

/* Scores of a tile of keys, the first of them `key`. */
static void score_tile(const many_queries *m, const tiles *t, int64_t key, const next_tile *next)
{
    int64_t dim = m->head_dim, n_rows = m->n_rows, row = 0;
    float *scores = score_rows(m, key);
    for (; n_rows - row >= SCORE_ROWS; row += SCORE_ROWS) {
        prefetch_share(next, row, row + SCORE_ROWS, n_rows);
        score_block(m->q + row * dim, dim, SCORE_ROWS, t->keys, scores + row * MANY_SCORE_COLUMNS,
                    t->lanes + row * VF_LANES);
    }
    prefetch_share(next, row, n_rows, n_rows);
    for (; row < n_rows; row++)
        score_block(m->q + row * dim, dim, 1, t->keys, scores + row * MANY_SCORE_COLUMNS,
                    t->lanes + row * VF_LANES);
}

/* The maximum is an integer, so that rescaling is exact; NaN scores do not raise it, but they do
 * reach the sum. Scores past n are the last key's. */
static void find_scores(const many_queries *m, const tiles *t, const head_rows *k,
                        const head_rows *v, int64_t n)
{
    for (int64_t i = 0; i < m->n_rows * VF_LANES; i++)
        t->lanes[i] = -INFINITY;
    for (int64_t key = 0; key < n; key += TILE_COLUMNS) {
        int64_t end = key + TILE_COLUMNS;
        tile_load_keys(k, key, yoco_i64_min(TILE_COLUMNS, n - key), t->keys);
        next_tile next = {k, end, yoco_i64_min(TILE_COLUMNS, n - end)};
        if (end >= n)
            next = (next_tile){v, 0, yoco_i64_min(VALUE_ROWS, n)};
        score_tile(m, t, key, &next);
    }
    for (int64_t row = 0; row < m->n_rows; row++)
        m->max[row] = ceilf(vf_max_lane(vf_load(t->lanes + row * VF_LANES))) + 0.0f; /* no -0 */
}

/* The weights of n keys, added to the lanes of the sum. */
static void weigh(const float *scores, float max, int64_t n, float *weights, float *lanes)
{
    vf ceiling = vf_set(max), sum = vf_load(lanes);
    int64_t i = 0;
    for (; i < n - n % VF_LANES; i += VF_LANES) {
        vf weight = vf_exp2_bounded(vf_load(scores + i) - ceiling);
        vf_store(weights + i, weight);
        sum += weight;
    }
    if (i < n) {
        vf weight = vf_exp2_bounded(vf_load(scores + i) - ceiling);
        weight = vf_select(vi_lane() < (int)(n - i), weight, vf_set(0.0f));
        vf_store(weights + i, weight);
        sum += weight;
    }
    vf_store(lanes, sum);
}

/* A tile of n keys from `key` on. */
static void add_tile(const many_queries *m, const tiles *t, int64_t key, int64_t n,
                     const next_tile *next)
{
    int64_t padded = tile_padded(m->v_dim);
    product sums = {.n_columns = padded,
                    .depth = n,
                    .a = t->weights,
                    .a_row_stride = VALUE_ROWS,
                    .a_depth_stride = 1,
                    .b = t->values,
                    .b_stride = padded,
                    .c_stride = m->out_stride,
                    .start = PRODUCT_CONTINUE};
    for (int64_t row = 0; row < m->n_rows; row += GROUP_ROWS) {
        const float *scores = score_rows(m, key) + row * MANY_SCORE_COLUMNS;
        sums.n_rows = yoco_i64_min(GROUP_ROWS, m->n_rows - row);
        prefetch_share(next, row, row + sums.n_rows, m->n_rows);
        for (int64_t r = 0; r < sums.n_rows; r++)
            weigh(scores + r * MANY_SCORE_COLUMNS, m->max[row + r], n, t->weights + r * VALUE_ROWS,
                  t->lanes + (row + r) * VF_LANES);
        sums.c = m->out + row * m->out_stride;
        product_run(&sums);
    }
}

static void add_values(const many_queries *m, const tiles *t, const head_rows *v, int64_t n)
{
    memset(m->out, 0, (size_t)(m->n_rows * m->out_stride) * sizeof(float));
    memset(t->lanes, 0, (size_t)(m->n_rows * VF_LANES) * sizeof(float));
    for (int64_t key = 0; key < n; key += VALUE_ROWS) {
        int64_t end = yoco_i64_min(key + VALUE_ROWS, n);
        tile_load_values(v, key, end - key, t->values);
        next_tile next = {v, end, yoco_i64_min(VALUE_ROWS, n - end)};
        add_tile(m, t, key, end - key, &next);
    }
    for (int64_t row = 0; row < m->n_rows; row++)
        m->sum[row] = vf_sum(vf_load(t->lanes + row * VF_LANES));
}

void many_attend(const many_queries *m, const head_rows *k, const head_rows *v, int64_t n)
{
    tiles t = cut(m);
    find_scores(m, &t, k, v, n);
    add_values(m, &t, v, n);
}
