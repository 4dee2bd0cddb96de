/* Window attention of prefill: tiles of queries against blocks of keys, with a running maximum.
 *
 * Blocks of keys lie on a grid of rows of K itself and the maximum is an integer, so that rescaling
 * is exact; keys outside a query's window weigh exactly 0. A query's bits therefore depend on its
 * row and on n_edge, not on q_begin, q_end or the tile it falls in. */
#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/tile.h"

#include <math.h>
#include <omp.h>

enum {
    TILE_QUERIES = 144,
    BLOCK_KEYS = 256,
    WEIGHT_STRIDE = BLOCK_KEYS + 16 /* keeps rows from falling on the same cache sets */
};

/* Queries first .. first + n - 1 of the piece, one head. */
typedef struct window_tile {
    const yoco_window_args *args;
    head_rows k, v;
    int64_t first, n;
    float *q;       /* (n, head_dim), times scale_log2 */
    float *keys;    /* (head_dim, TILE_COLUMNS) */
    float *values;  /* (BLOCK_KEYS, padded v_dim) */
    float *weights; /* (n, WEIGHT_STRIDE): scores, then 2^(score - max) */
    float *out;     /* (n, padded v_dim), not divided */
    float *max;     /* (n) */
    float *sum;     /* (n, VF_LANES), by row of K modulo VF_LANES */
} window_tile;

static int64_t tile_floats(int head_dim, int v_dim)
{
    int64_t k_padded = tile_padded(head_dim), v_padded = tile_padded(v_dim);
    return TILE_QUERIES * (k_padded + v_padded + WEIGHT_STRIDE + 1 + VF_LANES) +
           k_padded * TILE_COLUMNS + BLOCK_KEYS * v_padded;
}

static window_tile tile_cut(const yoco_window_args *args, float *scratch)
{
    int64_t k_padded = tile_padded(args->head_dim), v_padded = tile_padded(args->v_dim);
    window_tile t = {.args = args, .keys = scratch};
    t.values = t.keys + k_padded * TILE_COLUMNS;
    t.weights = t.values + BLOCK_KEYS * v_padded;
    t.q = t.weights + TILE_QUERIES * WEIGHT_STRIDE;
    t.out = t.q + TILE_QUERIES * k_padded;
    t.sum = t.out + TILE_QUERIES * v_padded;
    t.max = t.sum + TILE_QUERIES * VF_LANES;
    return t;
}

/* The rows of K that a query of the tile sees: first_key .. last_key. */
static int64_t first_key(const window_tile *t, int64_t query)
{
    return yoco_i64_max(0, t->args->n_edge + t->first + query - t->args->window + 1);
}

static int64_t last_key(const window_tile *t, int64_t query)
{
    return t->args->n_edge + t->first + query;
}

/* Scores of the block's keys begin .. end - 1, for the queries that see any of a tile of them. */
static void block_scores(const window_tile *t, int64_t block, int64_t begin, int64_t end)
{
    int dim = t->args->head_dim;
    int64_t query = 0, query_end = 0;
    for (int64_t key = begin / TILE_COLUMNS * TILE_COLUMNS; key < end; key += TILE_COLUMNS) {
        int64_t n = yoco_i64_min(TILE_COLUMNS, last_key(t, t->n - 1) + 1 - key);
        while (last_key(t, query) < key)
            query++;
        while (query_end < t->n && first_key(t, query_end) < key + TILE_COLUMNS)
            query_end++;
        if (query >= query_end)
            continue;
        tile_load_keys(&t->k, key, n, t->keys);
        product scores = {.n_rows = query_end - query,
                          .n_columns = TILE_COLUMNS,
                          .depth = dim,
                          .a = t->q + query * dim,
                          .a_row_stride = dim,
                          .a_depth_stride = 1,
                          .b = t->keys,
                          .b_stride = TILE_COLUMNS,
                          .c = t->weights + query * WEIGHT_STRIDE + (key - block),
                          .c_stride = WEIGHT_STRIDE};
        product_run(&scores);
    }
}

/* x, keys `key` and on, where a query sees them, else `hidden`. */
VF_INLINE vf where_visible(vf x, vf hidden, int64_t key, int64_t first, int64_t last)
{
    if (first <= key && key + VF_LANES - 1 <= last)
        return x;
    vi lane = vi_lane();
    int32_t low = (int32_t)yoco_i64_max(first - key, 0);
    int32_t high = (int32_t)yoco_i64_min(last - key, VF_LANES - 1);
    return vf_select((lane >= low) & (lane <= high), x, hidden);
}

/* The query's maximum rises to that of these keys; what it has summed so far follows. */
static void raise_max(window_tile *t, int64_t query, vf max)
{
    float old = t->max[query], new = ceilf(vf_max_lane(max)) + 0.0f;
    if (!(new > old))
        return;
    int padded = tile_padded(t->args->v_dim);
    vf scale = vf_exp2(vf_set(old - new));
    float *sum = t->sum + query * VF_LANES, *out = t->out + query * padded;
    vf_store(sum, vf_load(sum) * scale);
    for (int i = 0; i < padded; i += VF_LANES)
        vf_store(out + i, vf_load(out + i) * scale);
    t->max[query] = new;
}

/* Weights of keys begin .. end - 1 of the block, 0 where the query does not see them. */
static void query_weights(window_tile *t, int64_t query, int64_t block, int64_t begin, int64_t end)
{
    int64_t first = first_key(t, query), last = last_key(t, query);
    float *weights = t->weights + query * WEIGHT_STRIDE - block;
    begin = begin / VF_LANES * VF_LANES;
    const vf lowest = vf_set(-INFINITY);
    vf max = lowest;
    for (int64_t key = begin; key < end; key += VF_LANES)
        max = vf_max(where_visible(vf_load(weights + key), lowest, key, first, last), max);
    raise_max(t, query, max);
    vf ceiling = vf_set(t->max[query]), zero = vf_set(0.0f);
    vf sum = vf_load(t->sum + query * VF_LANES);
    for (int64_t key = begin; key < end; key += VF_LANES) {
        vf weight = vf_exp2_bounded(vf_load(weights + key) - ceiling);
        weight = where_visible(weight, zero, key, first, last);
        vf_store(weights + key, weight);
        sum += weight;
    }
    vf_store(t->sum + query * VF_LANES, sum);
}

/* Queries query .. query + n - 1: weights, then their share of the output. */
static void group_values(window_tile *t, int64_t query, int64_t n, int64_t block, int64_t block_end)
{
    int padded = tile_padded(t->args->v_dim);
    int64_t begin = yoco_i64_max(block, first_key(t, query));
    int64_t end = yoco_i64_min(block_end, last_key(t, query + n - 1) + 1);
    if (begin >= end)
        return;
    for (int64_t i = 0; i < n; i++)
        query_weights(t, query + i, block, begin, end);
    product values = {.n_rows = n,
                      .n_columns = padded,
                      .depth = end - begin,
                      .a = t->weights + query * WEIGHT_STRIDE + (begin - block),
                      .a_row_stride = WEIGHT_STRIDE,
                      .a_depth_stride = 1,
                      .b = t->values + (begin - block) * padded,
                      .b_stride = padded,
                      .c = t->out + query * padded,
                      .c_stride = padded,
                      .start = PRODUCT_CONTINUE};
    product_run(&values);
}

static void tile_block(window_tile *t, int64_t block)
{
    int64_t begin = yoco_i64_max(block, first_key(t, 0));
    int64_t end = yoco_i64_min(block + BLOCK_KEYS, last_key(t, t->n - 1) + 1);
    block_scores(t, block, begin, end);
    tile_load_values(&t->v, begin, end - begin,
                     t->values + (begin - block) * tile_padded(t->args->v_dim));
    for (int64_t query = 0; query < t->n; query += TILE_ROWS)
        group_values(t, query, yoco_i64_min(TILE_ROWS, t->n - query), block, end);
}

static void tile_run(window_tile *t, int head)
{
    const yoco_window_args *args = t->args;
    int dim = args->head_dim, v_dim = args->v_dim, padded = tile_padded(v_dim);
    for (int64_t query = 0; query < t->n; query++) {
        const float *q = args->q + ((t->first + query) * args->n_heads + head) * dim;
        for (int i = 0; i < dim; i++)
            t->q[query * dim + i] = q[i] * args->scale_log2;
        t->max[query] = -INFINITY;
    }
    memset(t->sum, 0, (size_t)(t->n * VF_LANES) * sizeof(float));
    memset(t->out, 0, (size_t)(t->n * padded) * sizeof(float));
    int64_t block = first_key(t, 0) / BLOCK_KEYS * BLOCK_KEYS;
    for (; block <= last_key(t, t->n - 1); block += BLOCK_KEYS)
        tile_block(t, block);
    for (int64_t query = 0; query < t->n; query++) {
        vf sum = vf_set(vf_sum(vf_load(t->sum + query * VF_LANES)));
        int64_t at = ((t->first + query) * args->n_heads + head) * v_dim;
        for (int i = 0; i < v_dim; i += VF_LANES)
            row_store(args->out_dtype, args->out, at + i,
                      vf_load(t->out + query * padded + i) / sum, v_dim - i);
    }
}

static head_rows rows_of_head(const void *rows, yoco_dtype dtype, int n_heads, int head, int dim)
{
    size_t head_bytes = (size_t)dim * yoco_dtype_bytes(dtype);
    return (head_rows){.first = (const char *)rows + (size_t)head * head_bytes,
                       .row_bytes = (size_t)n_heads * head_bytes,
                       .dtype = dtype,
                       .head_dim = dim};
}

static void attend(yoco_device *device, const yoco_window_args *args)
{
    int64_t n_tiles = yoco_div_up(args->q_end - args->q_begin, TILE_QUERIES);
    size_t floats = (size_t)tile_floats(args->head_dim, args->v_dim);
    if (!yoco_cpu_reserve(device, floats * sizeof(float)))
        return;
        /* Head by head: the tiles of a head share its keys in cache. */
#pragma omp parallel for num_threads(device->options.n_threads) schedule(dynamic)
    for (int64_t task = 0; task < n_tiles * args->n_heads; task++) {
        int head = (int)(task / n_tiles);
        window_tile t = tile_cut(args, yoco_cpu_scratch(device, omp_get_thread_num()));
        t.k = rows_of_head(args->k, args->kv_dtype, args->n_kv_heads,
                           yoco_k_head(args->n_heads, args->n_kv_heads, args->n_v_heads, head),
                           args->head_dim);
        t.v = rows_of_head(args->v, args->kv_dtype, args->n_v_heads,
                           yoco_v_head(args->n_heads, args->n_v_heads, head), args->v_dim);
        t.first = args->q_begin + task % n_tiles * TILE_QUERIES;
        t.n = yoco_i64_min(TILE_QUERIES, args->q_end - t.first);
        tile_run(&t, head);
    }
}

const yoco_window_ops YOCO_SIMD(yoco_cpu_window) = {
    .attend = attend,
    .step = YOCO_SIMD(window_step),
};
