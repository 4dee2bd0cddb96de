/* The gated delta rule: blockwise for prefill, one step of the recurrence for decode. */
#include "kernels/ops_delta.h"
#include "kernels/reference/reference.h"

#include <math.h>

/* Of a block or of a row: rows lie n_heads * dim apart. */
typedef struct head_block {
    int64_t n_rows, qk_stride;
    const float *q, *k;          /* of the q,k head: first row */
    const float *beta;           /* every n_heads-th */
    float *u, *minus_w;          /* first row of the value head */
    float *state;                /* (k_dim, v_dim): what enters */
    double sum[YOCO_DELTA_ROWS]; /* of g, up to each row */
} head_block;

static double dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static void normalise(float *x, int n, double scale)
{
    double root = sqrt(dot(x, x, n) + 1e-6);
    for (int i = 0; i < n; i++)
        x[i] = (float)(x[i] / root * scale);
}

static double softplus(double x)
{
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

static void prepare(yoco_device *device, const yoco_delta_prepare_args *args)
{
    (void)device;
    for (int64_t i = 0; i < args->n_rows * args->n_qk_heads; i++) {
        normalise(args->q + i * args->k_dim, args->k_dim, 1.0 / sqrt(args->k_dim));
        normalise(args->k + i * args->k_dim, args->k_dim, 1.0);
    }
    for (int64_t i = 0; i < args->n_rows * args->n_heads; i++) {
        int64_t head = i % args->n_heads;
        args->a_g[i] =
            (float)(-exp(args->a_log[head]) * softplus((double)args->a_g[i] + args->dt_bias[head]));
        args->b_beta[i] = (float)(args->beta_scale / (1.0 + exp(-(double)args->b_beta[i])));
    }
}

static head_block block_cut(const yoco_delta_args *args, int64_t block, int head)
{
    int qk_head = head / (args->n_heads / args->n_qk_heads);
    int64_t first = block * YOCO_DELTA_ROWS, at = first * args->n_heads + head;
    head_block b = {.n_rows = yoco_i64_min(YOCO_DELTA_ROWS, args->n_rows - first),
                    .qk_stride = (int64_t)args->n_qk_heads * args->k_dim,
                    .beta = args->beta + at,
                    .u = args->u + at * args->v_dim,
                    .minus_w = args->minus_w + at * args->k_dim,
                    .state =
                        args->state + (block * args->n_heads + head) * args->k_dim * args->v_dim};
    b.q = args->q + (first * args->n_qk_heads + qk_head) * args->k_dim;
    b.k = args->k + (first * args->n_qk_heads + qk_head) * args->k_dim;
    double sum = 0;
    for (int64_t t = 0; t < b.n_rows; t++)
        b.sum[t] = sum += args->g[at + t * args->n_heads];
    return b;
}

/* x_t -= sum over s < t of weights_s x_s, for rows of n elements. */
static void subtract_rows(const double *weights, float *x, int64_t t, int64_t stride, int n)
{
    for (int j = 0; j < n; j++) {
        double sum = x[t * stride + j];
        for (int64_t s = 0; s < t; s++)
            sum -= weights[s] * x[s * stride + j];
        x[t * stride + j] = (float)sum;
    }
}

static void local_block(const yoco_delta_args *args, int64_t block, int head)
{
    const head_block b = block_cut(args, block, head);
    int64_t u_stride = (int64_t)args->n_heads * args->v_dim;
    int64_t w_stride = (int64_t)args->n_heads * args->k_dim;
    double weights[YOCO_DELTA_ROWS];
    for (int64_t t = 0; t < b.n_rows; t++) {
        const float *k = b.k + t * b.qk_stride;
        double beta = b.beta[t * args->n_heads];
        for (int64_t s = 0; s < t; s++)
            weights[s] =
                beta * exp(b.sum[t] - b.sum[s]) * dot(k, b.k + s * b.qk_stride, args->k_dim);
        for (int j = 0; j < args->v_dim; j++)
            b.u[t * u_stride + j] = (float)(beta * b.u[t * u_stride + j]);
        for (int i = 0; i < args->k_dim; i++)
            b.minus_w[t * w_stride + i] = (float)(-beta * exp(b.sum[t]) * k[i]);
        subtract_rows(weights, b.u, t, u_stride, args->v_dim);
        subtract_rows(weights, b.minus_w, t, w_stride, args->k_dim);
    }
}

/* State and u of one block become final; `state` leaves what leaves. */
static void scan_block(const yoco_delta_args *args, const head_block *b, float *state)
{
    int64_t u_stride = (int64_t)args->n_heads * args->v_dim;
    int64_t w_stride = (int64_t)args->n_heads * args->k_dim;
    int k_dim = args->k_dim, v_dim = args->v_dim;
    double last = b->sum[b->n_rows - 1];
    memcpy(b->state, state, (size_t)k_dim * (size_t)v_dim * sizeof *state);
    for (int64_t t = 0; t < b->n_rows; t++) {
        for (int j = 0; j < v_dim; j++) {
            double sum = b->u[t * u_stride + j];
            for (int i = 0; i < k_dim; i++)
                sum += (double)b->minus_w[t * w_stride + i] * state[i * v_dim + j];
            b->u[t * u_stride + j] = (float)sum;
        }
    }
    for (int i = 0; i < k_dim; i++) {
        for (int j = 0; j < v_dim; j++) {
            double sum = exp(last) * state[i * v_dim + j];
            for (int64_t t = 0; t < b->n_rows; t++)
                sum += exp(last - b->sum[t]) * b->k[t * b->qk_stride + i] * b->u[t * u_stride + j];
            state[i * v_dim + j] = (float)sum;
        }
    }
}

static void out_block(const yoco_delta_args *args, int64_t block, int head)
{
    const head_block b = block_cut(args, block, head);
    int64_t u_stride = (int64_t)args->n_heads * args->v_dim;
    double weights[YOCO_DELTA_ROWS];
    for (int64_t t = b.n_rows - 1; t >= 0; t--) { /* out takes the place of the last row of u */
        const float *q = b.q + t * b.qk_stride;
        for (int64_t s = 0; s <= t; s++)
            weights[s] = exp(b.sum[t] - b.sum[s]) * dot(q, b.k + s * b.qk_stride, args->k_dim);
        for (int j = 0; j < args->v_dim; j++) {
            double read = 0, sum = 0;
            for (int i = 0; i < args->k_dim; i++)
                read += (double)q[i] * b.state[i * args->v_dim + j];
            for (int64_t s = 0; s <= t; s++)
                sum += weights[s] * b.u[s * u_stride + j];
            b.u[t * u_stride + j] = (float)(exp(b.sum[t]) * read + sum);
        }
    }
}

typedef void block_fn(const yoco_delta_args *args, int64_t block, int head);

static void each_block(const yoco_delta_args *args, block_fn *body)
{
    for (int64_t block = 0; block < yoco_div_up(args->n_rows, YOCO_DELTA_ROWS); block++) {
        for (int head = 0; head < args->n_heads; head++)
            body(args, block, head);
    }
}

static void local(yoco_device *device, const yoco_delta_args *args)
{
    (void)device;
    each_block(args, local_block);
}

/* The state is rounded to f32 at every block's end, as it is where a piece ends. */
static void scan(yoco_device *device, const yoco_delta_args *args)
{
    (void)device;
    size_t size = (size_t)args->k_dim * (size_t)args->v_dim;
    for (int head = 0; head < args->n_heads; head++) {
        float *state = args->edge_out + (size_t)head * size;
        memmove(state, args->edge_in + (size_t)head * size, size * sizeof *state);
        for (int64_t block = 0; block < yoco_div_up(args->n_rows, YOCO_DELTA_ROWS); block++) {
            const head_block b = block_cut(args, block, head);
            scan_block(args, &b, state);
        }
    }
}

static void out(yoco_device *device, const yoco_delta_args *args)
{
    (void)device;
    each_block(args, out_block);
}

static void step(yoco_device *device, const yoco_delta_step_args *args)
{
    (void)device;
    int k_dim = args->k_dim, v_dim = args->v_dim, group = args->n_heads / args->n_qk_heads;
    for (int64_t i = 0; i < args->n_rows * args->n_heads; i++) {
        int64_t row = i / args->n_heads, head = i % args->n_heads;
        const float *q = args->q + (row * args->n_qk_heads + head / group) * k_dim;
        const float *k = args->k + (row * args->n_qk_heads + head / group) * k_dim;
        float *state = args->state[row] + head * k_dim * v_dim;
        double decay = exp(args->g[i]);
        for (int j = 0; j < v_dim; j++) {
            double held = 0, sum = 0;
            for (int m = 0; m < k_dim; m++)
                held += decay * state[m * v_dim + j] * k[m];
            double added = args->beta[i] * (args->v[i * v_dim + j] - held);
            for (int m = 0; m < k_dim; m++) {
                float *at = &state[m * v_dim + j];
                *at = (float)(decay * *at + k[m] * added);
                sum += (double)q[m] * *at;
            }
            args->out[i * v_dim + j] = (float)sum;
        }
    }
}

const yoco_delta_ops yoco_reference_delta = {
    .prepare = prepare, .local = local, .scan = scan, .out = out, .step = step};
