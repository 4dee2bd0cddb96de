#include "kernels/cpu/many.h"

#include <math.h>

enum {
    SCORE_ROWS = TILE_ROWS / 2, /* queries at once, with sums of even and of odd channels */
    VALUE_ROWS = 128            /* rows of V in a tile */
};

/* m->scratch, cut up. */
typedef struct tiles {
    float *lanes;   /* (n_rows, VF_LANES): maxima, then sums */
    float *keys;    /* (head_dim, TILE_COLUMNS) */
    float *values;  /* (VALUE_ROWS, padded head_dim) */
    float *weights; /* (n_rows, VALUE_ROWS) */
} tiles;

int64_t many_scratch(int64_t n_rows, int head_dim)
{
    return n_rows * (VF_LANES + VALUE_ROWS) + head_dim * TILE_COLUMNS +
           VALUE_ROWS * tile_padded(head_dim);
}

static tiles cut(const many_queries *m)
{
    tiles t = {.lanes = m->scratch};
    t.keys = t.lanes + m->n_rows * VF_LANES;
    t.values = t.keys + m->head_dim * TILE_COLUMNS;
    t.weights = t.values + VALUE_ROWS * tile_padded(m->head_dim);
    return t;
}

/* Asks for the n rows from `first` on, which are to be read after some arithmetic. */
static void prefetch_rows(const head_rows *rows, int64_t first, int64_t n)
{
    int64_t bytes = rows->head_dim * (int64_t)yoco_dtype_bytes(rows->dtype);
    for (int64_t i = first; i < first + n; i++)
        for (int64_t at = 0; at < bytes; at += 64)
            __builtin_prefetch(head_row(rows, i) + at, 0, 2);
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
        vf_store(scores + r * TILE_COLUMNS, low);
        vf_store(scores + r * TILE_COLUMNS + VF_LANES, high);
        vf so_far = vf_load(max + r * VF_LANES);
        vf_store(max + r * VF_LANES, vf_max(high, vf_max(low, so_far)));
    }
}

/* The maximum is an integer, so that rescaling is exact; NaN scores do not raise it, but they do
 * reach the sum. Scores past n are the last key's. */
static void find_scores(const many_queries *m, const tiles *t, const head_rows *k, int64_t n)
{
    int64_t dim = m->head_dim;
    for (int64_t i = 0; i < m->n_rows * VF_LANES; i++)
        t->lanes[i] = -INFINITY;
    for (int64_t key = 0; key < n; key += TILE_COLUMNS) {
        int64_t next = key + TILE_COLUMNS, row = 0;
        float *scores = m->scores + key * m->n_rows;
        tile_load_keys(k, key, yoco_i64_min(TILE_COLUMNS, n - key), t->keys);
        prefetch_rows(k, next, yoco_i64_min(TILE_COLUMNS, n - next));
        for (; m->n_rows - row >= SCORE_ROWS; row += SCORE_ROWS)
            score_block(m->q + row * dim, dim, SCORE_ROWS, t->keys, scores + row * TILE_COLUMNS,
                        t->lanes + row * VF_LANES);
        for (; row < m->n_rows; row++)
            score_block(m->q + row * dim, dim, 1, t->keys, scores + row * TILE_COLUMNS,
                        t->lanes + row * VF_LANES);
    }
    for (int64_t row = 0; row < m->n_rows; row++)
        m->max[row] = ceilf(vf_max_lane(vf_load(t->lanes + row * VF_LANES))) + 0.0f; /* no -0 */
}

/* The weights of n keys from `key` on, added to the lanes of the sum. */
static void weigh(const many_queries *m, const tiles *t, int64_t key, int64_t n)
{
    for (int64_t row = 0; row < m->n_rows; row++) {
        const float *scores = m->scores + key * m->n_rows + row * TILE_COLUMNS;
        float *weights = t->weights + row * VALUE_ROWS, *lanes = t->lanes + row * VF_LANES;
        vf ceiling = vf_set(m->max[row]), sum = vf_load(lanes);
        for (int64_t i = 0; i < n; i += TILE_COLUMNS, scores += m->n_rows * TILE_COLUMNS) {
            vf low = vf_load(scores), high = vf_load(scores + VF_LANES);
            if (n - i < TILE_COLUMNS) {
                low = vf_select(vi_lane() < (int)(n - i), low, vf_set(-INFINITY));
                high = vf_select(vi_lane() + VF_LANES < (int)(n - i), high, vf_set(-INFINITY));
            }
            low = vf_exp2_bounded(low - ceiling);
            high = vf_exp2_bounded(high - ceiling);
            vf_store(weights + i, low);
            vf_store(weights + i + VF_LANES, high);
            sum = sum + low + high;
        }
        vf_store(lanes, sum);
    }
}

static void add_values(const many_queries *m, const tiles *t, const head_rows *v, int64_t n)
{
    memset(m->out, 0, (size_t)(m->n_rows * m->out_stride) * sizeof(float));
    memset(t->lanes, 0, (size_t)(m->n_rows * VF_LANES) * sizeof(float));
    for (int64_t key = 0; key < n; key += VALUE_ROWS) {
        int64_t next = key + VALUE_ROWS, depth = yoco_i64_min(VALUE_ROWS, n - key);
        tile_load_values(v, key, depth, t->values);
        prefetch_rows(v, next, yoco_i64_min(VALUE_ROWS, n - next));
        weigh(m, t, key, depth);
        product sums = {.n_rows = m->n_rows,
                        .n_columns = tile_padded(m->head_dim),
                        .depth = depth,
                        .a = t->weights,
                        .a_row_stride = VALUE_ROWS,
                        .a_depth_stride = 1,
                        .b = t->values,
                        .b_stride = tile_padded(m->head_dim),
                        .c = m->out,
                        .c_stride = m->out_stride,
                        .start = PRODUCT_CONTINUE};
        product_run(&sums);
    }
    for (int64_t row = 0; row < m->n_rows; row++)
        m->sum[row] = vf_sum(vf_load(t->lanes + row * VF_LANES));
}

void many_attend(const many_queries *m, const head_rows *k, const head_rows *v, int64_t n)
{
    tiles t = cut(m);
    find_scores(m, &t, k, n);
    add_values(m, &t, v, n);
}
