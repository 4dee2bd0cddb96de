#include "kernels/cpu/softmax_tile.h"

#include <math.h>

enum { SCORE_COLUMNS = 4 * VF_LANES }; /* keys that are transposed at once */

/* Fewer where some threads would else have no tile. */
static int64_t tile_rows(const softmax_shape *s)
{
    int64_t share = yoco_div_up(s->n_queries * s->n_heads, 2 * s->n_threads);
    int64_t rows = yoco_i64_max(yoco_round_up(share, TILE_ROWS), 2 * TILE_ROWS);
    return yoco_i64_min(rows, SOFTMAX_ROWS);
}

static int64_t head_tiles(const softmax_shape *s)
{
    return yoco_div_up(s->n_queries * (s->n_heads / s->n_kv_heads), tile_rows(s));
}

int64_t softmax_n_tiles(const softmax_shape *s)
{
    return head_tiles(s) * s->n_kv_heads;
}

size_t softmax_scratch_bytes(const softmax_shape *s)
{
    int64_t k_padded = tile_padded(s->head_dim), v_padded = tile_padded(s->v_dim);
    int64_t floats = SOFTMAX_ROWS * (k_padded + v_padded + SOFTMAX_STRIDE + 1 + VF_LANES) +
                     k_padded * SCORE_COLUMNS + SOFTMAX_KEYS * v_padded;
    return (size_t)floats * sizeof(float);
}

static head_rows rows_of_head(const void *rows, yoco_dtype dtype, int n_heads, int head, int dim)
{
    size_t head_bytes = (size_t)dim * yoco_dtype_bytes(dtype);
    return (head_rows){.first = (const char *)rows + (size_t)head * head_bytes,
                       .row_bytes = (size_t)n_heads * head_bytes,
                       .dtype = dtype,
                       .head_dim = dim};
}

softmax_tile softmax_tile_at(const softmax_shape *s, int64_t tile, float *scratch)
{
    int64_t k_padded = tile_padded(s->head_dim), v_padded = tile_padded(s->v_dim);
    int64_t n_rows = s->n_queries * (s->n_heads / s->n_kv_heads);
    int k_head = (int)(tile / head_tiles(s)), v_head = k_head / (s->n_kv_heads / s->n_v_heads);
    softmax_tile t = {
        .shape = s,
        .k_head = k_head,
        .k = rows_of_head(s->k, s->kv_dtype, s->n_kv_heads, k_head, s->head_dim),
        .v = rows_of_head(s->v, s->kv_dtype, s->n_v_heads, v_head, s->v_dim),
        .first = tile % head_tiles(s) * tile_rows(s),
        .keys = scratch,
    };
    t.n = yoco_i64_min(tile_rows(s), n_rows - t.first);
    t.values = t.keys + k_padded * SCORE_COLUMNS;
    t.weights = t.values + SOFTMAX_KEYS * v_padded;
    t.q = t.weights + SOFTMAX_ROWS * SOFTMAX_STRIDE;
    t.out = t.q + SOFTMAX_ROWS * k_padded;
    t.sum = t.out + SOFTMAX_ROWS * v_padded;
    t.max = t.sum + SOFTMAX_ROWS * VF_LANES;
    return t;
}

void softmax_load_queries(softmax_tile *t, const float *q, float scale_log2)
{
    int dim = t->shape->head_dim;
    for (int64_t row = 0; row < t->n; row++) {
        const float *from = q + softmax_index(t, row) * dim;
        for (int i = 0; i < dim; i++)
            t->q[row * dim + i] = from[i] * scale_log2;
    }
}

void softmax_start(softmax_tile *t)
{
    for (int64_t row = 0; row < t->n; row++)
        t->max[row] = -INFINITY;
    memset(t->sum, 0, (size_t)(t->n * VF_LANES) * sizeof(float));
    memset(t->out, 0, (size_t)(t->n * tile_padded(t->shape->v_dim)) * sizeof(float));
}

/* The keys that a row of the tile sees: first_key .. last_key. */
static int64_t first_key(const softmax_tile *t, int64_t row)
{
    const softmax_shape *s = t->shape;
    int64_t query = (t->first + row) / (s->n_heads / s->n_kv_heads);
    return yoco_i64_max(0, s->last + query - s->window + 1);
}

static int64_t last_key(const softmax_tile *t, int64_t row)
{
    const softmax_shape *s = t->shape;
    int64_t query = (t->first + row) / (s->n_heads / s->n_kv_heads);
    return yoco_i64_min(s->n_keys - 1, s->last + query);
}

/* Scores of the block's keys begin .. end - 1, for the rows that see any of a tile of them. */
static void block_scores(const softmax_tile *t, int64_t block, int64_t begin, int64_t end)
{
    int dim = t->shape->head_dim;
    int64_t row = 0, row_end = 0;
    for (int64_t key = begin / SCORE_COLUMNS * SCORE_COLUMNS; key < end; key += SCORE_COLUMNS) {
        int64_t n = yoco_i64_min(SCORE_COLUMNS, last_key(t, t->n - 1) + 1 - key);
        while (last_key(t, row) < key)
            row++;
        while (row_end < t->n && first_key(t, row_end) < key + SCORE_COLUMNS)
            row_end++;
        if (row >= row_end)
            continue;
        tile_load_panel(&t->k, key, n, SCORE_COLUMNS, t->keys);
        product scores = {.n_rows = row_end - row,
                          .n_columns = SCORE_COLUMNS,
                          .depth = dim,
                          .a = t->q + row * dim,
                          .a_row_stride = dim,
                          .a_depth_stride = 1,
                          .b = t->keys,
                          .b_stride = SCORE_COLUMNS,
                          .c = t->weights + row * SOFTMAX_STRIDE + (key - block),
                          .c_stride = SOFTMAX_STRIDE};
        product_run(&scores);
    }
}

/* x, keys `key` and on, where a row sees them, else `hidden`. */
VF_INLINE vf where_visible(vf x, vf hidden, int64_t key, int64_t first, int64_t last)
{
    if (first <= key && key + VF_LANES - 1 <= last)
        return x;
    vi lane = vi_lane();
    int32_t low = (int32_t)yoco_i64_max(first - key, 0);
    int32_t high = (int32_t)yoco_i64_min(last - key, VF_LANES - 1);
    return vf_select((lane >= low) & (lane <= high), x, hidden);
}

/* The row's maximum rises to that of these keys; what it has summed so far follows. */
static void raise_max(softmax_tile *t, int64_t row, vf max)
{
    float old = t->max[row], new = ceilf(vf_max_lane(max)) + 0.0f; /* + 0: -0 becomes 0 */
    if (!(new > old))
        return;
    int padded = tile_padded(t->shape->v_dim);
    vf scale = vf_exp2(vf_set(old - new));
    float *sum = t->sum + row * VF_LANES, *out = t->out + row * padded;
    vf_store(sum, vf_load(sum) * scale);
    for (int i = 0; i < padded; i += VF_LANES)
        vf_store(out + i, vf_load(out + i) * scale);
    t->max[row] = new;
}

/* The greatest score of keys begin .. end - 1 that the row sees, by lane; `all`: it sees them all.
 */
VF_INLINE vf row_max(const float *scores, int64_t begin, int64_t end, int64_t first, int64_t last,
                     bool all)
{
    const vf lowest = vf_set(-INFINITY);
    vf max[4] = {lowest, lowest, lowest, lowest};
    for (int64_t key = begin; key < end; key += 4 * VF_LANES) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            int64_t at = key + i * VF_LANES;
            if (at >= end)
                break;
            vf x = vf_load(scores + at);
            max[i] = vf_max(all ? x : where_visible(x, lowest, at, first, last), max[i]);
        }
    }
    return vf_max(vf_max(max[0], max[1]), vf_max(max[2], max[3]));
}

/* Scores become weights, 0 where the row does not see the key; sum: (VF_LANES). */
VF_INLINE void row_exp2(float *scores, int64_t begin, int64_t end, int64_t first, int64_t last,
                        bool all, float max, float *sum)
{
    const vf ceiling = vf_set(max), zero = vf_set(0.0f);
    vf total = vf_load(sum);
    for (int64_t key = begin; key < end; key += VF_LANES) {
        vf weight = vf_exp2_bounded(vf_load(scores + key) - ceiling);
        weight = all ? weight : where_visible(weight, zero, key, first, last);
        vf_store(scores + key, weight);
        total += weight;
    }
    vf_store(sum, total);
}

/* Weights of keys begin .. end - 1 of the block. */
static void row_weights(softmax_tile *t, int64_t row, int64_t block, int64_t begin, int64_t end)
{
    int64_t first = first_key(t, row), last = last_key(t, row);
    float *scores = t->weights + row * SOFTMAX_STRIDE - block, *sum = t->sum + row * VF_LANES;
    begin = begin / VF_LANES * VF_LANES;
    if (first <= begin && yoco_round_up(end, VF_LANES) - 1 <= last) {
        raise_max(t, row, row_max(scores, begin, end, first, last, true));
        row_exp2(scores, begin, end, first, last, true, t->max[row], sum);
    } else {
        raise_max(t, row, row_max(scores, begin, end, first, last, false));
        row_exp2(scores, begin, end, first, last, false, t->max[row], sum);
    }
}

/* Rows row .. row + n - 1: weights, then their share of the output. */
static void group_values(softmax_tile *t, int64_t row, int64_t n, int64_t block, int64_t block_end)
{
    int padded = tile_padded(t->shape->v_dim);
    int64_t begin = yoco_i64_max(block, first_key(t, row));
    int64_t end = yoco_i64_min(block_end, last_key(t, row + n - 1) + 1);
    if (begin >= end)
        return;
    for (int64_t i = 0; i < n; i++)
        row_weights(t, row + i, block, begin, end);
    product values = {.n_rows = n,
                      .n_columns = padded,
                      .depth = end - begin,
                      .a = t->weights + row * SOFTMAX_STRIDE + (begin - block),
                      .a_row_stride = SOFTMAX_STRIDE,
                      .a_depth_stride = 1,
                      .b = t->values + (begin - block) * padded,
                      .b_stride = padded,
                      .c = t->out + row * padded,
                      .c_stride = padded,
                      .start = PRODUCT_CONTINUE};
    product_run(&values);
}

static void tile_block(softmax_tile *t, int64_t block)
{
    int64_t begin = yoco_i64_max(block, first_key(t, 0));
    int64_t end = yoco_i64_min(block + SOFTMAX_KEYS, last_key(t, t->n - 1) + 1);
    block_scores(t, block, begin, end);
    tile_load_values(&t->v, begin, end - begin,
                     t->values + (begin - block) * tile_padded(t->shape->v_dim));
    for (int64_t row = 0; row < t->n; row += TILE_ROWS)
        group_values(t, row, yoco_i64_min(TILE_ROWS, t->n - row), block, end);
}

void softmax_run(softmax_tile *t)
{
    int64_t block = first_key(t, 0) / SOFTMAX_KEYS * SOFTMAX_KEYS;
    for (; block <= last_key(t, t->n - 1); block += SOFTMAX_KEYS)
        tile_block(t, block);
}

void softmax_finish(const softmax_tile *t, yoco_dtype dtype, void *out)
{
    int v_dim = t->shape->v_dim, padded = tile_padded(v_dim);
    for (int64_t row = 0; row < t->n; row++) {
        vf sum = vf_set(vf_sum(vf_load(t->sum + row * VF_LANES)));
        int64_t at = softmax_index(t, row) * v_dim;
        for (int i = 0; i < v_dim; i += VF_LANES)
            row_store(dtype, out, at + i, vf_load(t->out + row * padded + i) / sum, v_dim - i);
    }
}
