/* Gated retention: blocks of 256 rows times heads for prefill, one step of the recurrence for
 * decode. */
#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/tile.h"

#include <math.h>
#include <omp.h>

enum { WEIGHT_STRIDE = YOCO_RETENTION_ROWS + 16 }; /* off the same cache sets */

static const float log2_e = 1.44269504f;

/* One head of one block. */
typedef struct block_task {
    const yoco_retention_args *args;
    int64_t block, first, n_rows, stride; /* stride: elements from one row to the next */
    int head, padded;
    head_rows k, v; /* of this head and block */
    /* scratch */
    float *keys;    /* (head_dim, TILE_COLUMNS) */
    float *values;  /* (256, padded) */
    float *rows;    /* (256, head_dim): rows times their decay */
    float *out;     /* (max(256, head_dim), padded) */
    float *weights; /* (256, WEIGHT_STRIDE) */
} block_task;

static int64_t out_rows(int head_dim)
{
    return yoco_i64_max(YOCO_RETENTION_ROWS, head_dim);
}

static int64_t task_floats(int head_dim)
{
    int64_t padded = tile_padded(head_dim);
    return padded * TILE_COLUMNS + out_rows(head_dim) * 2 * padded +
           YOCO_RETENTION_ROWS * (padded + WEIGHT_STRIDE);
}

static block_task task_cut(const yoco_retention_args *args, int64_t index, float *scratch)
{
    int64_t dim = args->head_dim, padded = tile_padded(args->head_dim);
    block_task t = {.args = args,
                    .block = index / args->n_heads,
                    .head = (int)(index % args->n_heads),
                    .stride = args->n_heads * dim,
                    .padded = (int)padded,
                    .keys = scratch};
    t.first = t.block * YOCO_RETENTION_ROWS;
    t.n_rows = yoco_i64_min(YOCO_RETENTION_ROWS, args->n_rows - t.first);
    t.k = t.v = (head_rows){.row_bytes = (size_t)t.stride * sizeof(float),
                            .dtype = YOCO_F32,
                            .head_dim = args->head_dim};
    t.k.first = (const char *)(args->k + t.first * t.stride + t.head * dim);
    t.v.first = (const char *)(args->v + t.first * t.stride + t.head * dim);
    t.values = t.keys + padded * TILE_COLUMNS;
    t.rows = t.values + out_rows(args->head_dim) * padded;
    t.out = t.rows + YOCO_RETENTION_ROWS * padded;
    t.weights = t.out + out_rows(args->head_dim) * padded;
    return t;
}

/* First element of this head in the block's row `row`. */
static int64_t element(const block_task *t, int64_t row)
{
    return (t->first + row) * t->stride + (int64_t)t->head * t->args->head_dim;
}

static double log_decay(float gate, double scale)
{
    double x = gate;
    return (fmin(x, 0.0) - log1p(exp(-fabs(x)))) * scale;
}

/* Fills args->decay, and the same sums in f64: differences of near rows must stay exact where the
 * sums are large. */
static void sum_decay(const block_task *t, double *decay)
{
    double sum = 0;
    for (int64_t row = 0; row < t->n_rows; row++) {
        int64_t at = (t->first + row) * t->args->n_heads + t->head;
        sum += log_decay(t->args->gate[at], t->args->gate_scale);
        decay[row] = sum;
        t->args->decay[at] = (float)sum;
    }
}

/* weights (row, key) = e^(decay_row - decay_key) q_row k_key for key <= row, else 0. Exponents are
 * taken from the first key of each tile, in f32 after one subtraction in f64. */
static void local_weights(const block_task *t, const double *decay, int64_t key)
{
    float from_key[TILE_COLUMNS];
    int64_t first = key / TILE_ROWS * TILE_ROWS; /* local_out reads whole groups of rows */
    int64_t n = yoco_i64_min(TILE_COLUMNS, t->n_rows - key);
    for (int i = 0; i < TILE_COLUMNS; i++)
        from_key[i] = i < n ? (float)(decay[key + i] - decay[key]) * log2_e : 0.0f;
    tile_load_keys(&t->k, key, n, t->keys);
    product scores = {.n_rows = t->n_rows - first,
                      .n_columns = TILE_COLUMNS,
                      .depth = t->args->head_dim,
                      .a = t->args->q + element(t, first),
                      .a_row_stride = t->stride,
                      .a_depth_stride = 1,
                      .b = t->keys,
                      .b_stride = TILE_COLUMNS,
                      .c = t->weights + first * WEIGHT_STRIDE + key,
                      .c_stride = WEIGHT_STRIDE};
    product_run(&scores);
    for (int64_t row = first; row < t->n_rows; row++) {
        float *weights = t->weights + row * WEIGHT_STRIDE + key;
        vf to_row = vf_set((float)(decay[row] - decay[key]) * log2_e);
        vi last = vi_lane() * 0 + (int32_t)(row - key);
        for (int i = 0; i < TILE_COLUMNS; i += VF_LANES) {
            vf weight = vf_load(weights + i) * vf_exp2(to_row - vf_load(from_key + i));
            vi visible = vi_lane() + i <= last;
            vf_store(weights + i, vf_select(visible, weight, vf_set(0.0f)));
        }
    }
}

/* Out of the block's own rows. A group of rows reads the keys up to its last row: the weights of
 * later ones are 0. */
static void local_out(const block_task *t)
{
    for (int64_t row = 0; row < t->n_rows; row += TILE_ROWS) {
        int64_t n = yoco_i64_min(TILE_ROWS, t->n_rows - row);
        product out = {.n_rows = n,
                       .n_columns = t->padded,
                       .depth = row + n,
                       .a = t->weights + row * WEIGHT_STRIDE,
                       .a_row_stride = WEIGHT_STRIDE,
                       .a_depth_stride = 1,
                       .b = t->values,
                       .b_stride = t->padded,
                       .c = t->out + row * t->padded,
                       .c_stride = t->padded};
        product_run(&out);
    }
    for (int64_t row = 0; row < t->n_rows; row++)
        memcpy(t->args->out + element(t, row), t->out + row * t->padded,
               (size_t)t->args->head_dim * sizeof(float));
}

/* rows = x times 2^exponent per row, dense. */
static void scale_rows(const block_task *t, const float *x, const float *exponents)
{
    int dim = t->args->head_dim;
    for (int64_t row = 0; row < t->n_rows; row++) {
        const float *from = x + element(t, row);
        vf scale = vf_exp2(vf_set(exponents[row]));
        for (int i = 0; i < dim; i += VF_LANES)
            row_store(YOCO_F32, t->rows, row * dim + i, row_load(from + i, dim - i) * scale,
                      dim - i);
    }
}

static float *task_state(const block_task *t)
{
    int64_t dim = t->args->head_dim;
    return t->args->state + (t->block * t->args->n_heads + t->head) * dim * dim;
}

/* state = sum of e^(decay_last - decay_row) k_row^T v_row. */
static void local_state(const block_task *t, const double *decay)
{
    int64_t dim = t->args->head_dim;
    float exponents[YOCO_RETENTION_ROWS];
    for (int64_t row = 0; row < t->n_rows; row++)
        exponents[row] = (float)(decay[t->n_rows - 1] - decay[row]) * log2_e;
    scale_rows(t, t->args->k, exponents);
    product state = {.n_rows = dim,
                     .n_columns = t->padded,
                     .depth = t->n_rows,
                     .a = t->rows,
                     .a_row_stride = 1,
                     .a_depth_stride = dim,
                     .b = t->values,
                     .b_stride = t->padded,
                     .c = t->out,
                     .c_stride = t->padded};
    product_run(&state);
    for (int64_t i = 0; i < dim; i++)
        memcpy(task_state(t) + i * dim, t->out + i * t->padded, (size_t)dim * sizeof(float));
}

typedef void task_body(block_task *t);

static void local_task(block_task *t)
{
    double decay[YOCO_RETENTION_ROWS];
    sum_decay(t, decay);
    for (int64_t key = 0; key < t->n_rows; key += TILE_COLUMNS)
        local_weights(t, decay, key);
    tile_load_values(&t->v, 0, t->n_rows, t->values);
    local_out(t);
    local_state(t, decay);
}

static void correct_task(block_task *t)
{
    int64_t dim = t->args->head_dim;
    float exponents[YOCO_RETENTION_ROWS];
    for (int64_t row = 0; row < t->n_rows; row++)
        exponents[row] = t->args->decay[(t->first + row) * t->args->n_heads + t->head] * log2_e;
    scale_rows(t, t->args->q, exponents);
    head_rows state = {.first = (const char *)task_state(t),
                       .row_bytes = (size_t)dim * sizeof(float),
                       .dtype = YOCO_F32,
                       .head_dim = (int)dim};
    tile_load_values(&state, 0, dim, t->values);
    product out = {.n_rows = t->n_rows,
                   .n_columns = t->padded,
                   .depth = dim,
                   .a = t->rows,
                   .a_row_stride = dim,
                   .a_depth_stride = 1,
                   .b = t->values,
                   .b_stride = t->padded,
                   .c = t->out,
                   .c_stride = t->padded};
    product_run(&out);
    for (int64_t row = 0; row < t->n_rows; row++) {
        float *to = t->args->out + element(t, row);
        for (int64_t i = 0; i < dim; i++)
            to[i] += t->out[row * t->padded + i];
    }
}

static void each_block(yoco_device *device, const yoco_retention_args *args, task_body *body)
{
    int64_t n_tasks = yoco_div_up(args->n_rows, YOCO_RETENTION_ROWS) * args->n_heads;
    if (!yoco_cpu_reserve(device, (size_t)task_floats(args->head_dim) * sizeof(float)))
        return;
#pragma omp parallel for num_threads(device->options.n_threads) schedule(dynamic)
    for (int64_t i = 0; i < n_tasks; i++) {
        block_task t = task_cut(args, i, yoco_cpu_scratch(device, omp_get_thread_num()));
        body(&t);
    }
}

static void local(yoco_device *device, const yoco_retention_args *args)
{
    each_block(device, args, local_task);
}

static void correct(yoco_device *device, const yoco_retention_args *args)
{
    each_block(device, args, correct_task);
}

/* Element by element: how the state is cut into vectors or over threads changes nothing. */
static void scan_row(const yoco_retention_args *args, int64_t row, int head)
{
    int64_t dim = args->head_dim, state_size = args->n_heads * dim * dim;
    int64_t n_blocks = yoco_div_up(args->n_rows, YOCO_RETENTION_ROWS);
    float *edge = args->edge_out + row * dim;
    memmove(edge, args->edge_in + row * dim, (size_t)dim * sizeof(float));
    for (int64_t block = 0; block < n_blocks; block++) {
        int64_t last = yoco_i64_min((block + 1) * YOCO_RETENTION_ROWS, args->n_rows) - 1;
        vf decay = vf_exp2(vf_set(args->decay[last * args->n_heads + head] * log2_e));
        float *state = args->state + block * state_size + row * dim;
        for (int64_t i = 0; i < dim; i += VF_LANES) {
            vf entering = row_load(edge + i, dim - i), local = row_load(state + i, dim - i);
            row_store(YOCO_F32, state, i, entering, (int)(dim - i));
            row_store(YOCO_F32, edge, i, vf_fma(decay, entering, local), (int)(dim - i));
        }
    }
}

static void scan(yoco_device *device, const yoco_retention_args *args)
{
    int64_t n_rows = (int64_t)args->n_heads * args->head_dim;
    int64_t n_blocks = yoco_div_up(args->n_rows, YOCO_RETENTION_ROWS);
    int n_threads = yoco_cpu_threads(device, n_rows * args->head_dim * n_blocks);
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (int64_t row = 0; row < n_rows; row++)
        scan_row(args, row, (int)(row / args->head_dim));
}

static void step_head(const yoco_retention_step_args *args, int64_t row, int head)
{
    int64_t dim = args->head_dim, at = (row * args->n_heads + head) * dim;
    float *state = args->state[row] + head * dim * dim;
    float gate = args->gate[row * args->n_heads + head];
    vf decay = vf_set((float)exp(log_decay(gate, args->gate_scale)));
    for (int64_t j = 0; j < dim; j += VF_LANES) {
        vf v = row_load(args->v + at + j, dim - j), out = vf_set(0.0f);
        for (int64_t i = 0; i < dim; i++) {
            vf s = row_load(state + i * dim + j, dim - j) * decay;
            s = vf_fma(vf_set(args->k[at + i]), v, s);
            row_store(YOCO_F32, state, i * dim + j, s, (int)(dim - j));
            out = vf_fma(vf_set(args->q[at + i]), s, out);
        }
        row_store(YOCO_F32, args->out, at + j, out, (int)(dim - j));
    }
}

static void step(yoco_device *device, const yoco_retention_step_args *args)
{
    int64_t n_tasks = args->n_rows * args->n_heads;
    int n_threads = yoco_cpu_threads(device, n_tasks * args->head_dim * (int64_t)args->head_dim);
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (int64_t task = 0; task < n_tasks; task++)
        step_head(args, task / args->n_heads, (int)(task % args->n_heads));
}

const yoco_retention_ops YOCO_SIMD(yoco_cpu_retention) = {
    .local = local,
    .scan = scan,
    .correct = correct,
    .step = step,
};
