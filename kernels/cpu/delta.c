/* The gated delta rule: for prefill blocks of 64 rows times q,k heads, and for what waits for the
 * state, value heads times columns of it; for decode one step of the recurrence. */
#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops_delta.h"

#include <math.h>
#include <omp.h>

enum {
    ROWS = YOCO_DELTA_ROWS,
    WEIGHT_STRIDE = ROWS + 16, /* off the same cache sets */
    SCAN_COLUMNS = 64,         /* of a task of the scan: whole vectors, whatever their size */
};

static const double log2_e = 1.4426950408889634;

/* One q,k head of one block, then each of its value heads. */
typedef struct block_task {
    const yoco_delta_args *args;
    int64_t block, first, n_rows, qk_stride; /* stride: elements from one row to the next */
    int qk_head, group, k_padded, v_padded;
    const float *q, *k; /* of this head and block */
    /* scratch */
    float *keys;      /* (k_dim, TILE_COLUMNS) */
    float *scores;    /* (ROWS, WEIGHT_STRIDE): products of rows with k */
    float *weights;   /* the same, for a value head */
    float *wide;      /* (2 ROWS, v_padded + k_padded) */
    float *state;     /* (k_dim, v_padded) */
    double sum[ROWS]; /* of a value head's g */
} block_task;

static int64_t task_floats(const yoco_delta_args *args)
{
    int64_t k = tile_padded(args->k_dim), v = tile_padded(args->v_dim);
    return k * TILE_COLUMNS + 2 * ROWS * WEIGHT_STRIDE + 2 * ROWS * (k + v) + k * v;
}

static block_task task_cut(const yoco_delta_args *args, int64_t index, float *scratch)
{
    block_task t = {.args = args,
                    .block = index / args->n_qk_heads,
                    .qk_head = (int)(index % args->n_qk_heads),
                    .group = args->n_heads / args->n_qk_heads,
                    .qk_stride = (int64_t)args->n_qk_heads * args->k_dim,
                    .k_padded = tile_padded(args->k_dim),
                    .v_padded = tile_padded(args->v_dim),
                    .keys = scratch};
    t.first = t.block * ROWS;
    t.n_rows = yoco_i64_min(ROWS, args->n_rows - t.first);
    t.q = args->q + t.first * t.qk_stride + (int64_t)t.qk_head * args->k_dim;
    t.k = args->k + t.first * t.qk_stride + (int64_t)t.qk_head * args->k_dim;
    t.scores = t.keys + (int64_t)t.k_padded * TILE_COLUMNS;
    t.weights = t.scores + ROWS * WEIGHT_STRIDE;
    t.wide = t.weights + ROWS * WEIGHT_STRIDE;
    t.state = t.wide + (int64_t)2 * ROWS * (t.k_padded + t.v_padded);
    return t;
}

/* Of a value head's tensors (n_rows, n_heads): where its first row in the block stands. */
static int64_t head_at(const block_task *t, int head)
{
    return t->first * t->args->n_heads + head;
}

static void sum_decay(const yoco_delta_args *args, int64_t first, int64_t n_rows, int head,
                      double *sums)
{
    double sum = 0;
    for (int64_t row = 0; row < n_rows; row++)
        sums[row] = sum += args->g[(first + row) * args->n_heads + head];
}

static float decay(double exponent)
{
    return vf_exp2(vf_set((float)(exponent * log2_e)))[0];
}

/* scores (row, s) = x_row k_s, of the tiles that have a key at or before the row. */
static void row_scores(const block_task *t, const float *x)
{
    const head_rows k = {.first = (const char *)t->k,
                         .row_bytes = (size_t)t->qk_stride * sizeof(float),
                         .dtype = YOCO_F32,
                         .head_dim = t->args->k_dim};
    for (int64_t key = 0; key < t->n_rows; key += TILE_COLUMNS) {
        tile_load_keys(&k, key, yoco_i64_min(TILE_COLUMNS, t->n_rows - key), t->keys);
        product scores = {.n_rows = t->n_rows - key,
                          .n_columns = TILE_COLUMNS,
                          .depth = t->args->k_dim,
                          .a = x + key * t->qk_stride,
                          .a_row_stride = t->qk_stride,
                          .a_depth_stride = 1,
                          .b = t->keys,
                          .b_stride = TILE_COLUMNS,
                          .c = t->scores + key * WEIGHT_STRIDE + key,
                          .c_stride = WEIGHT_STRIDE};
        product_run(&scores);
    }
}

/* weights (row, s) = scale e^(sum_row - sum_s) scores (row, s), for s < end. */
static void row_weights(const block_task *t, int64_t row, float scale, int64_t end)
{
    float exponents[ROWS];
    const float *scores = t->scores + row * WEIGHT_STRIDE;
    float *weights = t->weights + row * WEIGHT_STRIDE;
    for (int64_t s = 0; s < end; s++)
        exponents[s] = (float)((t->sum[row] - t->sum[s]) * log2_e);
    for (int64_t s = 0; s < end; s += VF_LANES) {
        int n = (int)(end - s);
        vf weight = vf_exp2(row_load(exponents + s, n)) * row_load(scores + s, n) * vf_set(scale);
        row_store(YOCO_F32, weights, s, weight, n);
    }
}

/* Row by row, each from those before: x_t += sum over s < t of weights (t, s) x_s, a chain in
 * ascending s. A group of rows takes the rows before the group in one product. */
static void solve(const block_task *t)
{
    int64_t n = t->k_padded + t->v_padded;
    for (int64_t group = 0; group < t->n_rows; group += TILE_ROWS) {
        product before = {.n_rows = yoco_i64_min(TILE_ROWS, t->n_rows - group),
                          .n_columns = n,
                          .depth = group,
                          .a = t->weights + group * WEIGHT_STRIDE,
                          .a_row_stride = WEIGHT_STRIDE,
                          .a_depth_stride = 1,
                          .b = t->wide,
                          .b_stride = n,
                          .c = t->wide + group * n,
                          .c_stride = n,
                          .start = PRODUCT_CONTINUE};
        product_run(&before);
        for (int64_t row = group + 1; row < group + before.n_rows; row++) {
            float *x = t->wide + row * n;
            for (int64_t j = 0; j < n; j += VF_LANES) {
                vf sum = vf_load(x + j);
                for (int64_t s = group; s < row; s++)
                    sum = vf_fma(vf_set(t->weights[row * WEIGHT_STRIDE + s]),
                                 vf_load(t->wide + s * n + j), sum);
                vf_store(x + j, sum);
            }
        }
    }
}

/* to = scale * from, n elements, then zeros up to whole vectors. */
static void scale_row(const float *from, float scale, int n, float *to)
{
    for (int j = 0; j < n; j += VF_LANES)
        vf_store(to + j, row_load(from + j, n - j) * vf_set(scale));
}

static void local_head(block_task *t, int head)
{
    const yoco_delta_args *args = t->args;
    int64_t at = head_at(t, head), n = t->k_padded + t->v_padded;
    sum_decay(args, t->first, t->n_rows, head, t->sum);
    for (int64_t row = 0; row < t->n_rows; row++) {
        int64_t own = at + row * args->n_heads;
        float beta = args->beta[own], *x = t->wide + row * n;
        row_weights(t, row, -beta, row);
        scale_row(args->u + own * args->v_dim, beta, args->v_dim, x);
        scale_row(t->k + row * t->qk_stride, -beta * decay(t->sum[row]), args->k_dim,
                  x + t->v_padded);
    }
    solve(t);
    for (int64_t row = 0; row < t->n_rows; row++) {
        int64_t own = at + row * args->n_heads;
        const float *x = t->wide + row * n;
        memcpy(args->u + own * args->v_dim, x, (size_t)args->v_dim * sizeof *x);
        memcpy(args->minus_w + own * args->k_dim, x + t->v_padded, (size_t)args->k_dim * sizeof *x);
    }
}

static void local_task(block_task *t)
{
    row_scores(t, t->k);
    for (int i = 0; i < t->group; i++)
        local_head(t, t->qk_head * t->group + i);
}

/* out of the entering state and of the block's own rows; a group of rows reads the keys up to its
 * last row, the weights of later ones are 0. */
static void head_out(const block_task *t, const float *q, const float *u, float *out)
{
    product read = {.n_rows = t->n_rows,
                    .n_columns = t->v_padded,
                    .depth = t->args->k_dim,
                    .a = q,
                    .a_row_stride = t->k_padded,
                    .a_depth_stride = 1,
                    .b = t->state,
                    .b_stride = t->v_padded,
                    .c = out,
                    .c_stride = t->v_padded};
    product_run(&read);
    for (int64_t row = 0; row < t->n_rows; row += TILE_ROWS) {
        int64_t n = yoco_i64_min(TILE_ROWS, t->n_rows - row);
        for (int64_t i = row; i < row + n; i++)
            memset(t->weights + i * WEIGHT_STRIDE + i + 1, 0,
                   (size_t)(row + n - i - 1) * sizeof(float));
        product own = {.n_rows = n,
                       .n_columns = t->v_padded,
                       .depth = row + n,
                       .a = t->weights + row * WEIGHT_STRIDE,
                       .a_row_stride = WEIGHT_STRIDE,
                       .a_depth_stride = 1,
                       .b = u,
                       .b_stride = t->v_padded,
                       .c = out + row * t->v_padded,
                       .c_stride = t->v_padded,
                       .start = PRODUCT_CONTINUE};
        product_run(&own);
    }
}

static void out_value_head(block_task *t, int head)
{
    const yoco_delta_args *args = t->args;
    int64_t at = head_at(t, head), u_stride = (int64_t)args->n_heads * args->v_dim;
    float *q = t->wide, *u = q + (int64_t)ROWS * t->k_padded;
    float *out = u + (int64_t)ROWS * t->v_padded;
    sum_decay(args, t->first, t->n_rows, head, t->sum);
    for (int64_t row = 0; row < t->n_rows; row++) {
        row_weights(t, row, 1.0f, row + 1);
        scale_row(t->q + row * t->qk_stride, decay(t->sum[row]), args->k_dim,
                  q + row * t->k_padded);
    }
    head_rows rows = {.first = (const char *)(args->u + at * args->v_dim),
                      .row_bytes = (size_t)u_stride * sizeof(float),
                      .dtype = YOCO_F32,
                      .head_dim = args->v_dim};
    tile_load_values(&rows, 0, t->n_rows, u);
    rows.first =
        (const char *)(args->state + (t->block * args->n_heads + head) * args->k_dim * args->v_dim);
    rows.row_bytes = (size_t)args->v_dim * sizeof(float);
    tile_load_values(&rows, 0, args->k_dim, t->state);
    head_out(t, q, u, out);
    for (int64_t row = 0; row < t->n_rows; row++)
        memcpy(args->u + at * args->v_dim + row * u_stride, out + row * t->v_padded,
               (size_t)args->v_dim * sizeof *out);
}

static void out_task(block_task *t)
{
    row_scores(t, t->q);
    for (int i = 0; i < t->group; i++)
        out_value_head(t, t->qk_head * t->group + i);
}

typedef void task_body(block_task *t);

static void each_block(yoco_device *device, const yoco_delta_args *args, task_body *body)
{
    int64_t n_tasks = yoco_div_up(args->n_rows, ROWS) * args->n_qk_heads;
    if (!yoco_cpu_reserve(device, (size_t)task_floats(args) * sizeof(float)))
        return;
#pragma omp parallel for num_threads(device->options.n_threads) schedule(dynamic)
    for (int64_t i = 0; i < n_tasks; i++) {
        block_task t = task_cut(args, i, yoco_cpu_scratch(device, omp_get_thread_num()));
        body(&t);
    }
}

static void local(yoco_device *device, const yoco_delta_args *args)
{
    each_block(device, args, local_task);
}

static void out(yoco_device *device, const yoco_delta_args *args)
{
    each_block(device, args, out_task);
}

/* Some columns of a value head's state, through all blocks. How the state is cut into columns
 * changes nothing: an element is a chain of its own. */
typedef struct scan_task {
    const yoco_delta_args *args;
    int head, column, n; /* columns column .. column + n - 1 of v_dim */
    int64_t first, n_rows;
    float *state;  /* (k_dim, SCAN_COLUMNS) */
    float *u;      /* (ROWS, SCAN_COLUMNS) */
    float *scaled; /* the same */
} scan_task;

static int64_t scan_floats(const yoco_delta_args *args)
{
    return (int64_t)SCAN_COLUMNS * (args->k_dim + 2 * ROWS);
}

/* Rows of n columns, from one stride to another. */
static void copy_columns(const float *from, int64_t from_stride, float *to, int64_t to_stride,
                         int64_t n_rows, int n)
{
    for (int64_t i = 0; i < n_rows; i++)
        memcpy(to + i * to_stride, from + i * from_stride, (size_t)n * sizeof *to);
}

/* u = U - W S */
static void scan_rows(const scan_task *t)
{
    const yoco_delta_args *args = t->args;
    int64_t at = t->first * args->n_heads + t->head,
            u_stride = (int64_t)args->n_heads * args->v_dim;
    float *u = args->u + at * args->v_dim + t->column;
    copy_columns(u, u_stride, t->u, SCAN_COLUMNS, t->n_rows, t->n);
    product held = {.n_rows = t->n_rows,
                    .n_columns = SCAN_COLUMNS,
                    .depth = args->k_dim,
                    .a = args->minus_w + at * args->k_dim,
                    .a_row_stride = (int64_t)args->n_heads * args->k_dim,
                    .a_depth_stride = 1,
                    .b = t->state,
                    .b_stride = SCAN_COLUMNS,
                    .c = t->u,
                    .c_stride = SCAN_COLUMNS,
                    .start = PRODUCT_CONTINUE};
    product_run(&held);
    copy_columns(t->u, SCAN_COLUMNS, u, u_stride, t->n_rows, t->n);
}

/* S = e^sum_last S + sum of e^(sum_last - sum_t) k_t u_t^T */
static void scan_state(const scan_task *t)
{
    const yoco_delta_args *args = t->args;
    int qk_head = t->head / (args->n_heads / args->n_qk_heads);
    int64_t qk_stride = (int64_t)args->n_qk_heads * args->k_dim;
    double sum[ROWS];
    sum_decay(args, t->first, t->n_rows, t->head, sum);
    double last = sum[t->n_rows - 1];
    for (int64_t row = 0; row < t->n_rows; row++)
        scale_row(t->u + row * SCAN_COLUMNS, decay(last - sum[row]), SCAN_COLUMNS,
                  t->scaled + row * SCAN_COLUMNS);
    float kept = decay(last);
    for (int64_t i = 0; i < args->k_dim; i++)
        scale_row(t->state + i * SCAN_COLUMNS, kept, SCAN_COLUMNS, t->state + i * SCAN_COLUMNS);
    product added = {.n_rows = args->k_dim,
                     .n_columns = SCAN_COLUMNS,
                     .depth = t->n_rows,
                     .a = args->k + t->first * qk_stride + (int64_t)qk_head * args->k_dim,
                     .a_row_stride = 1,
                     .a_depth_stride = qk_stride,
                     .b = t->scaled,
                     .b_stride = SCAN_COLUMNS,
                     .c = t->state,
                     .c_stride = SCAN_COLUMNS,
                     .start = PRODUCT_CONTINUE};
    product_run(&added);
}

static void scan_columns(scan_task *t)
{
    const yoco_delta_args *args = t->args;
    int64_t size = (int64_t)args->k_dim * args->v_dim, at = t->head * size + t->column;
    memset(t->state, 0, (size_t)scan_floats(args) * sizeof *t->state);
    copy_columns(args->edge_in + at, args->v_dim, t->state, SCAN_COLUMNS, args->k_dim, t->n);
    for (int64_t block = 0; block * ROWS < args->n_rows; block++) {
        t->first = block * ROWS;
        t->n_rows = yoco_i64_min(ROWS, args->n_rows - t->first);
        copy_columns(t->state, SCAN_COLUMNS, args->state + block * args->n_heads * size + at,
                     args->v_dim, args->k_dim, t->n);
        scan_rows(t);
        scan_state(t);
    }
    copy_columns(t->state, SCAN_COLUMNS, args->edge_out + at, args->v_dim, args->k_dim, t->n);
}

static void scan(yoco_device *device, const yoco_delta_args *args)
{
    int64_t across = yoco_div_up(args->v_dim, SCAN_COLUMNS);
    if (!yoco_cpu_reserve(device, (size_t)scan_floats(args) * sizeof(float)))
        return;
    int n_threads =
        yoco_cpu_threads(device, args->n_rows * args->n_heads * args->k_dim * args->v_dim);
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
    for (int64_t i = 0; i < args->n_heads * across; i++) {
        scan_task t = {.args = args,
                       .head = (int)(i / across),
                       .column = (int)(i % across) * SCAN_COLUMNS,
                       .state = yoco_cpu_scratch(device, omp_get_thread_num())};
        t.n = args->v_dim - t.column < SCAN_COLUMNS ? args->v_dim - t.column : SCAN_COLUMNS;
        t.u = t.state + (int64_t)args->k_dim * SCAN_COLUMNS;
        t.scaled = t.u + ROWS * SCAN_COLUMNS;
        scan_columns(&t);
    }
}

static void step_head(const yoco_delta_step_args *args, int64_t row, int head)
{
    int64_t v_dim = args->v_dim, k_dim = args->k_dim, own = row * args->n_heads + head;
    int64_t qk_head = row * args->n_qk_heads + head / (args->n_heads / args->n_qk_heads);
    const float *q = args->q + qk_head * k_dim, *k = args->k + qk_head * k_dim;
    float *state = args->state[row] + head * k_dim * v_dim;
    vf kept = vf_set(decay(args->g[own])), beta = vf_set(args->beta[own]);
    for (int64_t j = 0; j < v_dim; j += VF_LANES) {
        int n = (int)(v_dim - j);
        vf held = vf_set(0.0f), out = vf_set(0.0f);
        for (int64_t i = 0; i < k_dim; i++) {
            vf s = row_load(state + i * v_dim + j, n) * kept;
            row_store(YOCO_F32, state, i * v_dim + j, s, n);
            held = vf_fma(vf_set(k[i]), s, held);
        }
        vf added = beta * (row_load(args->v + own * v_dim + j, n) - held);
        for (int64_t i = 0; i < k_dim; i++) {
            vf s = vf_fma(vf_set(k[i]), added, row_load(state + i * v_dim + j, n));
            row_store(YOCO_F32, state, i * v_dim + j, s, n);
            out = vf_fma(vf_set(q[i]), s, out);
        }
        row_store(YOCO_F32, args->out, own * v_dim + j, out, n);
    }
}

static void step(yoco_device *device, const yoco_delta_step_args *args)
{
    int64_t n_tasks = args->n_rows * args->n_heads;
    int n_threads = yoco_cpu_threads(device, n_tasks * args->k_dim * (int64_t)args->v_dim);
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (int64_t task = 0; task < n_tasks; task++)
        step_head(args, task / args->n_heads, (int)(task % args->n_heads));
}

/* Lane i sums the squares of elements i, i + VF_LANES, ...; then the lanes. */
static void normalise(float *x, int n, float scale)
{
    vf squares = vf_set(0.0f);
    for (int i = 0; i < n; i += VF_LANES) {
        vf xi = row_load(x + i, n - i);
        squares = vf_fma(xi, xi, squares);
    }
    vf factor = vf_set(scale / norm_root(vf_sum(squares) + 1e-6f));
    for (int i = 0; i < n; i += VF_LANES)
        row_store(YOCO_F32, x, i, row_load(x + i, n - i) * factor, n - i);
}

static double softplus(double x)
{
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

static void prepare_row(const yoco_delta_prepare_args *args, int64_t row)
{
    for (int head = 0; head < args->n_qk_heads; head++) {
        int64_t at = (row * args->n_qk_heads + head) * args->k_dim;
        normalise(args->q + at, args->k_dim, 1.0f / sqrtf((float)args->k_dim));
        normalise(args->k + at, args->k_dim, 1.0f);
    }
    for (int head = 0; head < args->n_heads; head++) {
        float *g = &args->a_g[row * args->n_heads + head];
        float *beta = &args->b_beta[row * args->n_heads + head];
        *g = (float)(-exp(args->a_log[head]) * softplus((double)*g + args->dt_bias[head]));
        *beta = (float)(args->beta_scale / (1.0 + exp(-(double)*beta)));
    }
}

static void prepare(yoco_device *device, const yoco_delta_prepare_args *args)
{
    int n_threads = yoco_cpu_threads(device, args->n_rows * args->n_qk_heads * args->k_dim);
#pragma omp parallel for num_threads(n_threads)
    for (int64_t row = 0; row < args->n_rows; row++)
        prepare_row(args, row);
}

const yoco_delta_ops YOCO_SIMD(yoco_cpu_delta) = {
    .prepare = prepare, .local = local, .scan = scan, .out = out, .step = step};
