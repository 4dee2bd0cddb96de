/* Attention of the queries of a decode step over runs of K,V: blocks of the shared K,V, and
 * windows.
 *
 * Queries are taken in passes; a pass reads tiles of K, then tiles of V, from cache. All of a
 * query's arithmetic is its own: chains over the head's channels for a score, over the rows for the
 * output, and lane i of the sum takes rows i, i + VF_LANES, ... So it gives the same bits in any
 * company. */
#include "kernels/cpu/few.h"
#include "kernels/cpu/many.h"
#include "kernels/cpu/ops_simd.h"

#include <math.h>
#include <omp.h>

enum {
    PASS_ROWS = 192, /* (query, head) rows that share a pass over K and V */
    VALUE_ROWS = 32, /* rows of V in a tile */
    STAGE_ROWS = VALUE_ROWS > TILE_COLUMNS ? VALUE_ROWS : TILE_COLUMNS,
    SCORE_MARGIN = 16 /* keeps rows of scores from falling on the same cache sets */
};

/* A pass: n_rows queries of each of n_heads heads of K,V, over the n_keys rows of a view. Heads
 * go together where their queries are few, so that memory is read in its own order. */
typedef struct pass {
    const yoco_window_view *view; /* rows of all heads */
    yoco_dtype dtype;
    int head_dim;
    size_t row_bytes, first_bytes; /* of a row in the view; from its start to the first head */
    int64_t n_keys, n_heads, n_rows, score_stride, out_stride;
    char *stage;      /* (2, STAGE_ROWS, n_heads, head_dim): this tile and the next */
    float *q;         /* (n_heads, n_rows, head_dim), times scale_log2 */
    float *many;      /* scratch of many_attend */
    float *scores;    /* (n_heads, n_rows, score_stride), then weights 2^(score - max) */
    float *out;       /* (n_heads, n_rows, out_stride), not divided */
    float *max, *sum; /* (n_heads, n_rows) */
} pass;

static int64_t score_stride(int64_t n_keys)
{
    return yoco_round_up(n_keys, TILE_COLUMNS) + SCORE_MARGIN;
}

static int64_t out_stride(int head_dim)
{
    return yoco_round_up(head_dim, TILE_COLUMNS);
}

static size_t pass_bytes(int64_t n_rows, int64_t n_keys, int64_t n_heads, int head_dim)
{
    int64_t wide = out_stride(head_dim);
    int64_t floats = n_rows * (score_stride(n_keys) + 2 * wide + 2) +
                     many_scratch(n_rows, head_dim) + 2 * STAGE_ROWS * n_heads * head_dim;
    return (size_t)floats * sizeof(float);
}

static pass pass_cut(float *scratch, int64_t max_rows, int64_t max_keys, int head_dim)
{
    int64_t wide = out_stride(head_dim);
    pass p = {.head_dim = head_dim,
              .score_stride = score_stride(max_keys),
              .out_stride = wide,
              .q = scratch};
    p.out = p.q + max_rows * wide;
    p.scores = p.out + max_rows * wide;
    p.max = p.scores + max_rows * p.score_stride;
    p.sum = p.max + max_rows;
    p.many = p.sum + max_rows;
    p.stage = (char *)(p.many + many_scratch(max_rows, head_dim));
    return p;
}

/* The pass's heads of one row, parts being the view's k or v. */
static const char *view_row(const pass *p, const void *const parts[], int64_t row)
{
    int part = 0;
    while (row >= p->view->n_rows[part])
        row -= p->view->n_rows[part++];
    return (const char *)parts[part] + (size_t)row * p->row_bytes + p->first_bytes;
}

static size_t stage_row_bytes(const pass *p)
{
    return (size_t)(p->n_heads * p->head_dim) * yoco_dtype_bytes(p->dtype);
}

/* Where a tile of rows is staged: in turns. */
static char *stage_tile(const pass *p, int64_t tile)
{
    return p->stage + (size_t)(tile % 2 * STAGE_ROWS) * stage_row_bytes(p);
}

/* Copies one of n_heads shares of the tile of `rows` rows from `first` on, in the order of memory:
 * the processor sees one stream and runs ahead of it, which it does not for one head's part of each
 * row. The next tile's shares are copied between this tile's heads, so that waiting and computing
 * overlap. */
static void stage_share(const pass *p, const void *const parts[], int64_t first, int64_t rows,
                        int64_t share)
{
    size_t bytes = stage_row_bytes(p);
    int64_t row = first + rows * share / p->n_heads;
    int64_t end = yoco_i64_min(first + rows * (share + 1) / p->n_heads, p->n_keys);
    char *to = stage_tile(p, first / rows) + (size_t)(row - first) * bytes;
    for (; row < end; row++, to += bytes) {
        const char *from = view_row(p, parts, row);
        size_t at = 0;
        for (; bytes - at >= sizeof(vf); at += sizeof(vf)) {
            __builtin_prefetch(from + at + PREFETCH_BYTES, 0, 2);
            vf_store((float *)(void *)(to + at), vf_load((const float *)(const void *)(from + at)));
        }
        memcpy(to + at, from + at, bytes - at);
    }
}

/* The pass takes whole rows of one run of memory: then a tile is one run too, and is copied line by
 * line between the sums. */
static bool is_one_run(const pass *p)
{
    return p->row_bytes == stage_row_bytes(p) && p->view->n_rows[0] >= p->n_keys;
}

static copy_ahead tile_copy(const pass *p, const void *const parts[], int64_t first, int64_t rows)
{
    int64_t n = is_one_run(p) ? yoco_i64_min(rows, p->n_keys - first) : 0;
    if (n <= 0)
        return (copy_ahead){0};
    return (copy_ahead){.from = view_row(p, parts, first),
                        .to = stage_tile(p, first / rows),
                        .n_bytes = (size_t)n * p->row_bytes};
}

static head_rows staged_head(const pass *p, int64_t tile, int64_t head)
{
    size_t head_bytes = (size_t)p->head_dim * yoco_dtype_bytes(p->dtype);
    return (head_rows){.first = stage_tile(p, tile) + (size_t)head * head_bytes,
                       .row_bytes = stage_row_bytes(p),
                       .dtype = p->dtype,
                       .head_dim = p->head_dim};
}

static void pass_scores(const pass *p)
{
    for (int64_t head = 0; head < p->n_heads; head++)
        stage_share(p, p->view->k, 0, TILE_COLUMNS, head);
    for (int64_t key = 0; key < p->n_keys; key += TILE_COLUMNS) {
        int64_t n = yoco_i64_min(TILE_COLUMNS, p->n_keys - key);
        copy_ahead next = tile_copy(p, p->view->k, key + TILE_COLUMNS, TILE_COLUMNS);
        for (int64_t head = 0; head < p->n_heads; head++) {
            head_rows k = staged_head(p, key / TILE_COLUMNS, head);
            const float *q = p->q + head * p->n_rows * p->head_dim;
            float *scores = p->scores + head * p->n_rows * p->score_stride + key;
            if (!is_one_run(p))
                stage_share(p, p->view->k, key + TILE_COLUMNS, TILE_COLUMNS, head);
            few_scores(&k, n, q, p->n_rows, scores, p->score_stride, &next);
        }
        if (next.n_bytes > 0)
            memcpy(next.to, next.from, next.n_bytes);
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
        vf weight = vf_exp2(vf_load(scores + key) - ceiling);
        vf_store(scores + key, weight);
        sum += weight;
    }
    p->sum[row] = vf_sum(sum);
}

static void pass_values(const pass *p)
{
    int64_t n_rows = p->n_heads * p->n_rows;
    memset(p->out, 0, (size_t)(n_rows * p->out_stride) * sizeof(float));
    for (int64_t head = 0; head < p->n_heads; head++)
        stage_share(p, p->view->v, 0, VALUE_ROWS, head);
    for (int64_t key = 0; key < p->n_keys; key += VALUE_ROWS) {
        int64_t n = yoco_i64_min(VALUE_ROWS, p->n_keys - key);
        copy_ahead next = tile_copy(p, p->view->v, key + VALUE_ROWS, VALUE_ROWS);
        for (int64_t head = 0; head < p->n_heads; head++) {
            head_rows v = staged_head(p, key / VALUE_ROWS, head);
            const float *weights = p->scores + head * p->n_rows * p->score_stride + key;
            float *out = p->out + head * p->n_rows * p->out_stride;
            if (!is_one_run(p))
                stage_share(p, p->view->v, key + VALUE_ROWS, VALUE_ROWS, head);
            few_values(&v, n, weights, p->score_stride, p->n_rows, out, p->out_stride, &next);
        }
        if (next.n_bytes > 0)
            memcpy(next.to, next.from, next.n_bytes);
    }
    for (int64_t row = 0; row < n_rows; row++)
        few_finish(p->dtype, p->out + row * p->out_stride, p->out_stride);
}

/* One head of a view of one part. */
static head_rows view_head(const pass *p, const void *const parts[], int64_t head)
{
    size_t head_bytes = (size_t)p->head_dim * yoco_dtype_bytes(p->dtype);
    return (head_rows){.first = view_row(p, parts, 0) + (size_t)head * head_bytes,
                       .row_bytes = p->row_bytes,
                       .dtype = p->dtype,
                       .head_dim = p->head_dim};
}

static void pass_many(const pass *p)
{
    many_queries m = {.n_rows = p->n_rows,
                      .head_dim = p->head_dim,
                      .score_stride = p->score_stride,
                      .out_stride = p->out_stride,
                      .scratch = p->many};
    for (int64_t head = 0; head < p->n_heads; head++) {
        head_rows k = view_head(p, p->view->k, head), v = view_head(p, p->view->v, head);
        int64_t row = head * p->n_rows;
        m.q = p->q + row * p->head_dim;
        m.scores = p->scores + row * p->score_stride;
        m.out = p->out + row * p->out_stride;
        m.max = p->max + row;
        m.sum = p->sum + row;
        many_attend(&m, &k, &v, p->n_keys);
    }
}

static void pass_few(const pass *p)
{
    pass_scores(p);
    for (int64_t row = 0; row < p->n_heads * p->n_rows; row++)
        pass_weights(p, row);
    pass_values(p);
}

static void pass_run(const pass *p)
{
    (p->n_rows <= FEW_ROWS ? pass_few : pass_many)(p);
}

static void scale_query(const float *q, int head_dim, float scale, float *out)
{
    for (int i = 0; i < head_dim; i++)
        out[i] = q[i] * scale;
}

/* One block of one segment, for the K,V heads first_head .. first_head + n_heads - 1. */
typedef struct block_task {
    const yoco_attend_args *args;
    const yoco_kv_segment *segment;
    int64_t block, first_head, n_heads;
} block_task;

/* Which (query, head) of the call, or of a block's partials, is the pass's row: rows count the
 * heads of a group within a query, from `first` on, then K,V heads. */
static int64_t row_head(const block_task *t, const pass *p, int64_t first, int64_t row)
{
    int64_t group = t->args->n_heads / t->args->n_kv_heads;
    int64_t kv_head = t->first_head + row / p->n_rows, in_head = first + row % p->n_rows;
    return in_head / group * t->args->n_heads + kv_head * group + in_head % group;
}

static void block_pass(const block_task *t, int64_t first, pass *p)
{
    const yoco_attend_args *args = t->args;
    const yoco_kv_segment *segment = t->segment;
    int dim = args->head_dim;
    const float *q = args->q + segment->first_query * args->n_heads * dim;
    for (int64_t row = 0; row < p->n_heads * p->n_rows; row++)
        scale_query(q + row_head(t, p, first, row) * dim, dim, args->scale_log2, p->q + row * dim);
    pass_run(p);
    int64_t partial = segment->first_partial + t->block * segment->n_queries;
    for (int64_t row = 0; row < p->n_heads * p->n_rows; row++) {
        int64_t at = partial * args->n_heads + row_head(t, p, first, row);
        args->max[at] = p->max[row];
        args->sum[at] = p->sum[row];
        memcpy(args->partial + at * dim, p->out + row * p->out_stride, (size_t)dim * sizeof(float));
    }
}

/* As many heads as fit in one pass with all their queries, or else one head and many passes. */
static void block_run(const block_task *t, float *scratch)
{
    const yoco_attend_args *args = t->args;
    const yoco_kv_segment *segment = t->segment;
    int64_t n_keys, row = yoco_kv_block(segment->n_rows, segment->chunk_rows, t->block, &n_keys);
    size_t head_bytes = (size_t)args->head_dim * yoco_dtype_bytes(args->kv_dtype);
    size_t row_bytes = (size_t)args->n_kv_heads * head_bytes;
    yoco_window_view view = {.k = {(const char *)segment->k + (size_t)row * row_bytes},
                             .v = {(const char *)segment->v + (size_t)row * row_bytes},
                             .n_rows = {n_keys}};
    int64_t n_rows = segment->n_queries * (args->n_heads / args->n_kv_heads);
    int64_t n_heads = yoco_i64_max(1, yoco_i64_min(t->n_heads, PASS_ROWS / n_rows));
    pass p = pass_cut(scratch, PASS_ROWS, YOCO_BLOCK_ROWS, args->head_dim);
    p.view = &view;
    p.dtype = args->kv_dtype;
    p.row_bytes = row_bytes;
    p.n_keys = n_keys;
    block_task part = *t;
    for (int64_t head = 0; head < t->n_heads; head += n_heads) {
        part.first_head = t->first_head + head;
        p.n_heads = yoco_i64_min(n_heads, t->n_heads - head);
        p.first_bytes = (size_t)part.first_head * head_bytes;
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

void YOCO_SIMD(attend)(yoco_device *device, const yoco_attend_args *args)
{
    int64_t n_blocks = 0;
    for (int i = 0; i < args->n_segments; i++)
        n_blocks += segment_blocks(&args->segments[i]);
    if (!yoco_cpu_reserve(device,
                          pass_bytes(PASS_ROWS, YOCO_BLOCK_ROWS, args->n_kv_heads, args->head_dim)))
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
    int dim = args->head_dim;
    int64_t at = (query * args->n_heads + head) * dim;
    size_t head_bytes = (size_t)dim * yoco_dtype_bytes(args->kv_dtype);
    p->view = &args->views[query];
    p->dtype = args->kv_dtype;
    p->row_bytes = (size_t)args->n_heads * head_bytes;
    p->first_bytes = (size_t)head * head_bytes;
    p->n_keys = view_rows(&args->views[query]);
    p->n_heads = p->n_rows = 1;
    scale_query(args->q + at, dim, args->scale_log2, p->q);
    pass_run(p);
    for (int i = 0; i < dim; i += VF_LANES)
        row_store(args->out_dtype, args->out, at + i, vf_load(p->out + i) / vf_set(p->sum[0]),
                  dim - i);
}

void YOCO_SIMD(window_step)(yoco_device *device, const yoco_window_step_args *args)
{
    int64_t max_keys = 0;
    for (int64_t i = 0; i < args->n_queries; i++)
        max_keys = yoco_i64_max(max_keys, view_rows(&args->views[i]));
    if (!yoco_cpu_reserve(device, pass_bytes(1, max_keys, 1, args->head_dim)))
        return;
    int64_t n_tasks = args->n_queries * args->n_heads;
    int n_threads = yoco_cpu_threads(device, n_tasks * max_keys * args->head_dim);
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
    for (int64_t task = 0; task < n_tasks; task++) {
        pass p =
            pass_cut(yoco_cpu_scratch(device, omp_get_thread_num()), 1, max_keys, args->head_dim);
        step_head(args, task / args->n_heads, (int)(task % args->n_heads), &p);
    }
}
