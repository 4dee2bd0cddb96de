/* Gated retention: blockwise for prefill, one step of the recurrence for decode. */
#include "kernels/ops_retention.h"
#include "kernels/reference/reference.h"

#include <math.h>

static double log_decay(float gate, double scale)
{
    double x = gate;
    return (fmin(x, 0.0) - log1p(exp(-fabs(x)))) * scale;
}

static double dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* out[j] = sum of weights[row] x[row][j] over n_rows rows, `stride` elements apart. */
static void weigh_rows(const double *weights, const float *x, int64_t n_rows, int64_t stride, int n,
                       float *out)
{
    for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int64_t row = 0; row < n_rows; row++)
            sum += weights[row] * x[row * stride + j];
        out[j] = (float)sum;
    }
}

static void local_block(const yoco_retention_args *args, int64_t block, int head)
{
    int dim = args->head_dim, stride = args->n_heads * dim;
    int64_t first = block * YOCO_RETENTION_ROWS;
    int64_t n_rows = yoco_i64_min(YOCO_RETENTION_ROWS, args->n_rows - first);
    int64_t at = first * stride + head * dim;
    const float *q = args->q + at, *k = args->k + at, *v = args->v + at;
    double decay[YOCO_RETENTION_ROWS], weights[YOCO_RETENTION_ROWS], sum = 0;

    for (int64_t t = 0; t < n_rows; t++) {
        int64_t gate = (first + t) * args->n_heads + head;
        sum += log_decay(args->gate[gate], args->gate_scale);
        decay[t] = sum;
        args->decay[gate] = (float)sum;
    }
    for (int64_t t = 0; t < n_rows; t++) {
        for (int64_t s = 0; s <= t; s++)
            weights[s] = exp(decay[t] - decay[s]) * dot(q + t * stride, k + s * stride, dim);
        weigh_rows(weights, v, t + 1, stride, dim, args->out + at + t * stride);
    }
    float *state = args->state + (block * args->n_heads + head) * dim * dim;
    for (int i = 0; i < dim; i++) {
        for (int64_t t = 0; t < n_rows; t++)
            weights[t] = exp(sum - decay[t]) * k[t * stride + i];
        weigh_rows(weights, v, n_rows, stride, dim, state + i * dim);
    }
}

static void local(yoco_device *device, const yoco_retention_args *args)
{
    (void)device;
    for (int64_t block = 0; block < yoco_div_up(args->n_rows, YOCO_RETENTION_ROWS); block++) {
        for (int head = 0; head < args->n_heads; head++)
            local_block(args, block, head);
    }
}

/* The state is rounded to f32 at every block's end, as it is where a piece ends: where a run of
 * blocks is cut into pieces cannot change a bit. */
static void scan(yoco_device *device, const yoco_retention_args *args)
{
    (void)device;
    int64_t n_blocks = yoco_div_up(args->n_rows, YOCO_RETENTION_ROWS);
    int state_size = args->head_dim * args->head_dim;
    for (int64_t i = 0; i < (int64_t)args->n_heads * state_size; i++) {
        float carry = args->edge_in[i];
        for (int64_t block = 0; block < n_blocks; block++) {
            int64_t last = yoco_i64_min((block + 1) * YOCO_RETENTION_ROWS, args->n_rows) - 1;
            double decay = args->decay[last * args->n_heads + i / state_size];
            float *state = &args->state[block * args->n_heads * state_size + i];
            float local = *state;
            *state = carry;
            carry = (float)(exp(decay) * carry + local);
        }
        args->edge_out[i] = carry;
    }
}

static void correct(yoco_device *device, const yoco_retention_args *args)
{
    (void)device;
    int dim = args->head_dim;
    for (int64_t i = 0; i < args->n_rows * args->n_heads; i++) {
        int64_t block = i / args->n_heads / YOCO_RETENTION_ROWS;
        const float *q = args->q + i * dim;
        const float *state = args->state + (block * args->n_heads + i % args->n_heads) * dim * dim;
        for (int j = 0; j < dim; j++) {
            double sum = 0;
            for (int k = 0; k < dim; k++)
                sum += (double)q[k] * state[k * dim + j];
            float *out = &args->out[i * dim + j];
            *out = (float)(*out + exp(args->decay[i]) * sum);
        }
    }
}

static void step(yoco_device *device, const yoco_retention_step_args *args)
{
    (void)device;
    int dim = args->head_dim;
    for (int64_t i = 0; i < args->n_rows * args->n_heads; i++) {
        const float *q = args->q + i * dim, *k = args->k + i * dim, *v = args->v + i * dim;
        float *state = args->state[i / args->n_heads] + i % args->n_heads * dim * dim;
        double decay = exp(log_decay(args->gate[i], args->gate_scale));
        for (int j = 0; j < dim; j++) {
            double sum = 0;
            for (int m = 0; m < dim; m++) {
                float *at = &state[m * dim + j];
                *at = (float)(decay * *at + (double)k[m] * v[j]);
                sum += (double)q[m] * *at;
            }
            args->out[i * dim + j] = (float)sum;
        }
    }
}

const yoco_retention_ops yoco_reference_retention = {
    .local = local,
    .scan = scan,
    .correct = correct,
    .step = step,
};
