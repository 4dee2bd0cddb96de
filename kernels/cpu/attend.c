/* Attention of the queries of a decode step over runs of K,V: blocks of the shared K,V, and
 * windows.
 *
 * Queries are taken in passes; a pass reads tiles of K, then tiles of V. All of a
 * query's arithmetic is its own: chains over the head's channels for a score, over the rows for the
 * output, and lane i of the sum takes rows i, i + VF_LANES, ... So it gives the same bits in any
 * company. */
#include "kernels/cpu/few.h"
#include "kernels/cpu/many.h"
#include "kernels/cpu/ops_simd.h"

#include <math.h>
#include <omp.h>

enum {
    PASS_ROWS = 192,  /* (query, head) rows that share a pass over K and V */
    TILE_KEYS = 32,   /* rows of K or V in a tile */
    SCORE_MARGIN = 16 /* for a vector of scores that ends past the last key; it also keeps rows of
                         scores from falling on the same cache sets */
};

/* The view's k or v: heads, and whose turn it is. */
typedef struct pass_side {
    int dim;
    int shared; /* heads of the pass that read the same one */
    size_t row_bytes;
    int64_t first; /* what the pass's first head reads */
} pass_side;

/* A pass: n_rows queries of each of n_heads heads of K, over the n_keys rows of a view. Heads go
 * together where their queries are few, so that memory is read in its own order. */
typedef struct pass {
    const yoco_window_view *view; /* rows of all heads */
    yoco_dtype dtype;
    pass_side k, v;
    int64_t n_keys, n_heads, n_rows, score_stride, out_stride;
    float *q;         /* (n_heads, n_rows, k.dim), times scale_log2 */
    float *many;      /* scratch of many_attend */
    float *scores;    /* (n_heads, n_rows, score_stride), then weights 2^(score - max) */
    float *out;       /* (n_heads, n_rows, out_stride), not divided */
    float *max, *sum; /* (n_heads, n_rows) */
} pass;

static int64_t score_stride(int64_t n_keys)
{
    return yoco_round_up(n_keys, MANY_SCORE_COLUMNS) + SCORE_MARGIN;
}

static int64_t out_stride(int head_dim)
{
    return yoco_round_up(head_dim, TILE_COLUMNS);
}

static size_t pass_bytes(int64_t n_rows, int64_t n_keys, int k_dim, int v_dim)
{
    int64_t floats = n_rows * (score_stride(n_keys) + out_stride(k_dim) + out_stride(v_dim) + 2) +
                     many_scratch(n_rows, k_dim, v_dim);
    return (size_t)floats * sizeof(float);
}

static pass pass_cut(float *scratch, int64_t max_rows, int64_t max_keys, int k_dim, int v_dim)
{
    pass p = {.k.dim = k_dim,
              .v.dim = v_dim,
              .score_stride = score_stride(max_keys),
              .out_stride = out_stride(v_dim),
              .q = scratch};
    p.out = p.q + max_rows * out_stride(k_dim);
    p.scores = p.out + max_rows * p.out_stride;
    p.max = p.scores + max_rows * p.score_stride;
    p.sum = p.max + max_rows;
    p.many = p.sum + max_rows;
    return p;
}

/* What head `head` of the pass reads, from row `row` on, of a part of the view's k or v. */
static head_rows part_head(const pass *p, const pass_side *side, const void *part, int64_t row,
                           int64_t head)
{
    size_t head_bytes = (size_t)side->dim * yoco_dtype_bytes(p->dtype);
    size_t at =
        (size_t)row * side->row_bytes + (size_t)((side->first + head) / side->shared) * head_bytes;
    return (head_rows){.first = (const char *)part + at,
                       .row_bytes = side->row_bytes,
                       .dtype = p->dtype,
                       .head_dim = side->dim};
}

/* What a tile of n rows of a part adds, its first row being key `key` of the view: scores, */
static void tile_scores(const pass *p, const void *part, int64_t row, int64_t n, int64_t key)
{
    for (int64_t head = 0; head < p->n_heads; head++) {
        head_rows k = part_head(p, &p->k, part, row, head);
        few_scores(&k, n, p->q + head * p->n_rows * p->k.dim, p->n_rows,
                   p->scores + head * p->n_rows * p->score_stride + key, p->score_stride);
    }
}

/* or products of weights and V. */
static void tile_values(const pass *p, const void *part, int64_t row, int64_t n, int64_t key)
{
    for (int64_t head = 0; head < p->n_heads; head++) {
        head_rows v = part_head(p, &p->v, part, row, head);
        few_values(&v, n, p->scores + head * p->n_rows * p->score_stride + key, p->score_stride,
                   p->n_rows, p->out + head * p->n_rows * p->out_stride, p->out_stride);
    }
}

typedef void tile_fn(const pass *p, const void *part, int64_t row, int64_t n, int64_t key);

/* Tile by tile through the parts of k or v. */
static void pass_tiles(const pass *p, const void *const parts[], tile_fn *tile)
{
    int64_t key = 0;
    for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
        int64_t n_rows = p->view->n_rows[part];
        for (int64_t row = 0, n; row < n_rows; row += n, key += n) {
            n = yoco_i64_min(TILE_KEYS, n_rows - row);
            tile(p, parts[part], row, n, key);
        }
    }
}

/* Scores become weights. The maximum is an integer, so that rescaling is exact; NaN scores do not
 * raise it, but they do reach the sum. */
static void pass_weights(const pass *p, int64_t row)
{
    float *scores = p->scores + row * p->score_stride;
    int64_t end = yoco_round_up(p->n_keys, VF_LANES);
    for (int64_t key = p->n_keys; key < end; key++)
        scores[key] = -INFINITY;
    vf max = vf_set(-INFINITY), sum = vf_set(0.0f);
    for (int64_t key = 0; key < end; key += VF_LANES)
        max = vf_max(vf_load(scores + key), max);
    p->max[row] = ceilf(vf_max_lane(max)) + 0.0f; /* + 0: -0 becomes 0 */
    vf ceiling = vf_set(p->max[row]);
    for (int64_t key = 0; key < end; key += VF_LANES) {
        vf weight = vf_exp2_bounded(vf_load(scores + key) - ceiling);
        vf_store(scores + key, weight);
        sum += weight;
    }
    p->sum[row] = vf_sum(sum);
}

static void pass_many(const pass *p)
{
    many_queries m = {.n_rows = p->n_rows,
                      .head_dim = p->k.dim,
                      .v_dim = p->v.dim,
                      .out_stride = p->out_stride,
                      .scratch = p->many};
    for (int64_t head = 0; head < p->n_heads; head++) {
        head_rows k = part_head(p, &p->k, p->view->k[0], 0, head);
        head_rows v = part_head(p, &p->v, p->view->v[0], 0, head);
        int64_t row = head * p->n_rows;
        m.q = p->q + row * p->k.dim;
        m.scores = p->scores + row * p->score_stride;
        m.out = p->out + row * p->out_stride;
        m.max = p->max + row;
        m.sum = p->sum + row;
        many_attend(&m, &k, &v, p->n_keys);
    }
}

static void pass_few(const pass *p)
{
    int64_t n_rows = p->n_heads * p->n_rows;
    pass_tiles(p, p->view->k, tile_scores);
    for (int64_t row = 0; row < n_rows; row++)
        pass_weights(p, row);
    memset(p->out, 0, (size_t)(n_rows * p->out_stride) * sizeof(float));
    pass_tiles(p, p->view->v, tile_values);
    for (int64_t row = 0; row < n_rows; row++)
        few_finish(p->dtype, p->out + row * p->out_stride, p->out_stride);
}

static void pass_run(const pass *p)
{
    (p->n_rows <= FEW_ROWS ? pass_few : pass_many)(p);
}

static size_t row_bytes(int n_heads, int dim, yoco_dtype dtype)
{
    return (size_t)n_heads * (size_t)dim * yoco_dtype_bytes(dtype);
}

static void scale_query(const float *q, int head_dim, float scale, float *out)
{
    for (int i = 0; i < head_dim; i++)
        out[i] = q[i] * scale;
}

/* One block of one segment, for the K heads first_head .. first_head + n_heads - 1. */
typedef struct block_task {
    const yoco_attend_args *args;
    const yoco_kv_segment *segment;
    int64_t block, first_head, n_heads;
} block_task;

/* Which (query, head) of the call, or of a block's partials, is the pass's row: rows count the
 * heads of a group within a query, from `first` on, then K heads. */
static int64_t row_head(const block_task *t, const pass *p, int64_t first, int64_t row)
{
    int64_t group = t->args->n_heads / t->args->n_kv_heads;
    int64_t k_head = t->first_head + row / p->n_rows, in_head = first + row % p->n_rows;
    int64_t of_v = k_head / p->v.shared * p->v.shared, among = k_head % p->v.shared;
    return in_head / group * t->args->n_heads + of_v * group + in_head % group * p->v.shared +
           among;
}

static void block_pass(const block_task *t, int64_t first, pass *p)
{
    const yoco_attend_args *args = t->args;
    const yoco_kv_segment *segment = t->segment;
    int dim = args->head_dim, v_dim = args->v_dim;
    const float *q = args->q + segment->first_query * args->n_heads * dim;
    for (int64_t row = 0; row < p->n_heads * p->n_rows; row++)
        scale_query(q + row_head(t, p, first, row) * dim, dim, args->scale_log2, p->q + row * dim);
    pass_run(p);
    int64_t partial = segment->first_partial + t->block * segment->n_queries;
    for (int64_t row = 0; row < p->n_heads * p->n_rows; row++) {
        int64_t at = partial * args->n_heads + row_head(t, p, first, row);
        args->max[at] = p->max[row];
        args->sum[at] = p->sum[row];
        memcpy(args->partial + at * v_dim, p->out + row * p->out_stride,
               (size_t)v_dim * sizeof(float));
    }
}

/* As many heads as fit in one pass with all their queries, or else one head and many passes. */
static void block_run(const block_task *t, float *scratch)
{
    const yoco_attend_args *args = t->args;
    const yoco_kv_segment *segment = t->segment;
    int64_t n_keys, row = yoco_kv_block(segment->n_rows, segment->chunk_rows, t->block, &n_keys);
    size_t k_bytes = row_bytes(args->n_kv_heads, args->head_dim, args->kv_dtype);
    size_t v_bytes = row_bytes(args->n_v_heads, args->v_dim, args->kv_dtype);
    yoco_window_view view = {.k = {(const char *)segment->k + (size_t)row * k_bytes},
                             .v = {(const char *)segment->v + (size_t)row * v_bytes},
                             .n_rows = {n_keys}};
    int64_t n_rows = segment->n_queries * (args->n_heads / args->n_kv_heads);
    int64_t n_heads = yoco_i64_max(1, yoco_i64_min(t->n_heads, PASS_ROWS / n_rows));
    pass p = pass_cut(scratch, PASS_ROWS, YOCO_BLOCK_ROWS, args->head_dim, args->v_dim);
    p.view = &view;
    p.dtype = args->kv_dtype;
    p.k.row_bytes = k_bytes;
    p.k.shared = 1;
    p.v.row_bytes = v_bytes;
    p.v.shared = args->n_kv_heads / args->n_v_heads;
    p.n_keys = n_keys;
    block_task part = *t;
    for (int64_t head = 0; head < t->n_heads; head += n_heads) {
        part.first_head = t->first_head + head;
        p.n_heads = yoco_i64_min(n_heads, t->n_heads - head);
        p.k.first = p.v.first = part.first_head;
        for (int64_t first = 0; first < n_rows; first += PASS_ROWS) {
            p.n_rows = yoco_i64_min(PASS_ROWS, n_rows - first);
            block_pass(&part, first, &p);
        }
    }
}

static int64_t segment_blocks(const yoco_kv_segment *segment)
{
    return segment->n_queries > 0 ? yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows) : 0;
}

void YOCO_SIMD(attend_partials)(yoco_device *device, const yoco_attend_args *args)
{
    int64_t n_blocks = 0;
    for (int i = 0; i < args->n_segments; i++)
        n_blocks += segment_blocks(&args->segments[i]);
    if (!yoco_cpu_reserve(device,
                          pass_bytes(PASS_ROWS, YOCO_BLOCK_ROWS, args->head_dim, args->v_dim)))
        return;
    /* Heads become tasks of their own where there are too few blocks to keep the threads busy. */
    int64_t n_parts = n_blocks < 4 * device->options.n_threads ? args->n_kv_heads : 1;
    int64_t n_tasks = n_blocks * n_parts;
    int n_threads = n_tasks > 1 ? device->options.n_threads : 1;
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
    for (int64_t i = 0; i < n_tasks; i++) {
        block_task t = {.args = args,
                        .segment = args->segments,
                        .block = i / n_parts,
                        .first_head = i % n_parts,
                        .n_heads = args->n_kv_heads / n_parts};
        for (; t.block >= segment_blocks(t.segment); t.segment++)
            t.block -= segment_blocks(t.segment);
        block_run(&t, yoco_cpu_scratch(device, omp_get_thread_num()));
    }
}

static int64_t view_rows(const yoco_window_view *view)
{
    int64_t n = 0;
    for (int i = 0; i < YOCO_WINDOW_VIEW_PARTS; i++)
        n += view->n_rows[i];
    return n;
}

/* One query's head over its window. */
static void step_head(const yoco_window_step_args *args, int64_t query, int head, pass *p)
{
    int64_t index = query * args->n_heads + head;
    p->view = &args->views[query];
    p->dtype = args->kv_dtype;
    p->k.row_bytes = row_bytes(args->n_kv_heads, args->head_dim, args->kv_dtype);
    p->v.row_bytes = row_bytes(args->n_v_heads, args->v_dim, args->kv_dtype);
    p->k.shared = p->v.shared = 1;
    p->k.first = yoco_k_head(args->n_heads, args->n_kv_heads, args->n_v_heads, head);
    p->v.first = yoco_v_head(args->n_heads, args->n_v_heads, head);
    p->n_keys = view_rows(&args->views[query]);
    p->n_heads = p->n_rows = 1;
    scale_query(args->q + index * args->head_dim, args->head_dim, args->scale_log2, p->q);
    pass_run(p);
    for (int i = 0; i < args->v_dim; i += VF_LANES)
        row_store(args->out_dtype, args->out, index * args->v_dim + i,
                  vf_load(p->out + i) / vf_set(p->sum[0]), args->v_dim - i);
}

void YOCO_SIMD(window_step)(yoco_device *device, const yoco_window_step_args *args)
{
    int64_t max_keys = 0;
    for (int64_t i = 0; i < args->n_queries; i++)
        max_keys = yoco_i64_max(max_keys, view_rows(&args->views[i]));
    if (!yoco_cpu_reserve(device, pass_bytes(1, max_keys, args->head_dim, args->v_dim)))
        return;
    int64_t n_tasks = args->n_queries * args->n_heads;
    int n_threads = yoco_cpu_threads(device, n_tasks * max_keys * args->v_dim);
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
    for (int64_t task = 0; task < n_tasks; task++) {
        pass p = pass_cut(yoco_cpu_scratch(device, omp_get_thread_num()), 1, max_keys,
                          args->head_dim, args->v_dim);
        step_head(args, task / args->n_heads, (int)(task % args->n_heads), &p);
    }
}
