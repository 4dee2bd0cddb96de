/* The selective scan: a lane for each channel, so that neither vectors nor threads can change a
 * sum. A task is a block of channels, whose states stay in cache while it walks over the rows. */
#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops_mamba.h"

#include <omp.h>

enum { BLOCK_CHANNELS = 64 };

static const float log2_e = 1.44269504f;

/* ln(1 + e^x) = max(x, 0) + ln(1 + t), t = e^-|x|. With s = t / (2 + t) <= 1/3, ln(1 + t) is
 * 2 (s + s^3 / 3 + s^5 / 5 + ...), of which eight terms are left out below 2^-24. */
VF_INLINE vf softplus(vf x)
{
    const vf zero = vf_set(0.0f);
    vf t = vf_exp2(vf_min(x, zero - x) * vf_set(log2_e));
    vf s = t / (vf_set(2.0f) + t), square = s * s;
    vf p = vf_set(1.0f / 15);
    for (int odd = 13; odd > 0; odd -= 2)
        p = vf_fma(p, square, vf_set(1.0f / (float)odd));
    return vf_max(x, zero) + (s + s) * p;
}

/* Copies columns of `from` (n_states, n_channels) to or from a block. */
static void block_load(const float *from, int n_states, int64_t n_channels, int64_t first, int n,
                       float scale, float *block)
{
    for (int i = 0; i < n_states; i++)
        for (int j = 0; j < BLOCK_CHANNELS; j++)
            block[i * BLOCK_CHANNELS + j] =
                j < n ? from[(int64_t)i * n_channels + first + j] * scale : 0.0f;
}

static void block_store(const float *block, int n_states, int64_t n_channels, int64_t first, int n,
                        float *to)
{
    for (int i = 0; i < n_states; i++)
        memcpy(to + (int64_t)i * n_channels + first, block + i * BLOCK_CHANNELS,
               (size_t)n * sizeof *to);
}

/* What a row needs of a block: the places of a vector of its channels in a row, and in the block.
 */
typedef struct row_args {
    int n_states;
    const float *a_log2; /* (n_states, BLOCK_CHANNELS): a, times log2(e) */
    const float *b, *c;  /* (n_states) */
    float *state;        /* (n_states, BLOCK_CHANNELS) */
} row_args;

/* One vector of channels, from `at` in the block on: S steps, and gives y. */
VF_INLINE vf step_states(const row_args *r, int at, vf delta, vf x, vf d)
{
    vf y = d * x, dx = delta * x;
    for (int i = 0; i < r->n_states; i++) {
        float *state = r->state + i * BLOCK_CHANNELS + at;
        vf decay = vf_exp2(delta * vf_load(r->a_log2 + i * BLOCK_CHANNELS + at));
        vf s = vf_fma(decay, vf_load(state), dx * vf_set(r->b[i]));
        vf_store(state, s);
        y = vf_fma(vf_set(r->c[i]), s, y);
    }
    return y;
}

/* dt + dt_bias of up to VF_LANES channels; those past the last are 0, and so is their x. */
VF_INLINE vf delta_of(const float *dt, const float *bias, int64_t n)
{
    return softplus(row_load(dt, n) + row_load(bias, n));
}

static void local_block(const yoco_mamba_args *args, int64_t first, float *scratch)
{
    int n = (int)yoco_i64_min(BLOCK_CHANNELS, args->n_channels - first);
    float sums[BLOCK_CHANNELS] = {0};
    float *a = scratch, *state = a + args->n_states * BLOCK_CHANNELS;
    block_load(args->a, args->n_states, args->n_channels, first, n, log2_e, a);
    memset(state, 0, (size_t)(args->n_states * BLOCK_CHANNELS) * sizeof *state);
    row_args r = {.n_states = args->n_states, .a_log2 = a, .state = state};
    for (int64_t row = 0; row < args->n_rows; row++) {
        r.b = args->b + row * args->n_states;
        r.c = args->c + row * args->n_states;
        for (int at = 0; at < n; at += VF_LANES) {
            int64_t here = row * args->n_channels + first + at, left = n - at;
            vf delta = delta_of(args->dt + here, args->dt_bias + first + at, left);
            vf x = row_load(args->x + here, left);
            vf y = step_states(&r, at, delta, x, row_load(args->d + first + at, left));
            vf sum = vf_load(sums + at) + delta;
            vf_store(sums + at, sum);
            row_store(YOCO_F32, args->dt, here, sum, (int)left);
            row_store(YOCO_F32, args->out, here, y, (int)left);
        }
    }
    block_store(state, args->n_states, args->n_channels, first, n, args->state);
}

static void correct_block(const yoco_mamba_args *args, int64_t first, float *scratch)
{
    int n = (int)yoco_i64_min(BLOCK_CHANNELS, args->n_channels - first);
    float *a = scratch, *state = a + args->n_states * BLOCK_CHANNELS;
    block_load(args->a, args->n_states, args->n_channels, first, n, log2_e, a);
    block_load(args->state, args->n_states, args->n_channels, first, n, 1.0f, state);
    for (int64_t row = 0; row < args->n_rows; row++) {
        const float *c = args->c + row * args->n_states;
        for (int at = 0; at < n; at += VF_LANES) {
            int64_t here = row * args->n_channels + first + at, left = n - at;
            vf sum = row_load(args->dt + here, left), y = row_load(args->out + here, left);
            for (int i = 0; i < args->n_states; i++) {
                vf decay = vf_exp2(sum * vf_load(a + i * BLOCK_CHANNELS + at));
                y = vf_fma(vf_set(c[i]), decay * vf_load(state + i * BLOCK_CHANNELS + at), y);
            }
            row_store(YOCO_F32, args->out, here, y, (int)left);
        }
    }
}

typedef void block_body(const yoco_mamba_args *args, int64_t first, float *scratch);

static void each_block(yoco_device *device, const yoco_mamba_args *args, block_body *body)
{
    int64_t n_blocks = yoco_div_up(args->n_channels, BLOCK_CHANNELS);
    if (!yoco_cpu_reserve(device, 2 * sizeof(float) * BLOCK_CHANNELS * (size_t)args->n_states))
        return;
    int n_threads = yoco_cpu_threads(device, args->n_rows * args->n_channels * args->n_states);
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
    for (int64_t block = 0; block < n_blocks; block++)
        body(args, block * BLOCK_CHANNELS, yoco_cpu_scratch(device, omp_get_thread_num()));
}

static void local(yoco_device *device, const yoco_mamba_args *args)
{
    each_block(device, args, local_block);
}

static void correct(yoco_device *device, const yoco_mamba_args *args)
{
    each_block(device, args, correct_block);
}

static void scan(yoco_device *device, const yoco_mamba_args *args)
{
    int64_t n = args->n_channels;
    const float *sum = args->dt + (args->n_rows - 1) * n;
#pragma omp parallel for num_threads(yoco_cpu_threads(device, n * args->n_states)) schedule(static)
    for (int64_t i = 0; i < args->n_states; i++) {
        for (int64_t channel = 0; channel < n; channel += VF_LANES) {
            int64_t at = i * n + channel, left = n - channel;
            vf a = row_load(args->a + at, left) * vf_set(log2_e);
            vf entering = row_load(args->edge_in + at, left);
            vf leaving = vf_fma(vf_exp2(row_load(sum + channel, left) * a), entering,
                                row_load(args->state + at, left));
            row_store(YOCO_F32, args->state, at, entering, (int)left);
            row_store(YOCO_F32, args->edge_out, at, leaving, (int)left);
        }
    }
}

static void step_block(const yoco_mamba_step_args *args, int64_t row, int64_t first, float *scratch)
{
    int n = (int)yoco_i64_min(BLOCK_CHANNELS, args->n_channels - first);
    float *a = scratch, *state = a + args->n_states * BLOCK_CHANNELS;
    block_load(args->a, args->n_states, args->n_channels, first, n, log2_e, a);
    block_load(args->state[row], args->n_states, args->n_channels, first, n, 1.0f, state);
    row_args r = {.n_states = args->n_states,
                  .a_log2 = a,
                  .b = args->b + row * args->n_states,
                  .c = args->c + row * args->n_states,
                  .state = state};
    for (int at = 0; at < n; at += VF_LANES) {
        int64_t here = row * args->n_channels + first + at, left = n - at;
        vf delta = delta_of(args->dt + here, args->dt_bias + first + at, left);
        vf y = step_states(&r, at, delta, row_load(args->x + here, left),
                           row_load(args->d + first + at, left));
        row_store(YOCO_F32, args->out, here, y, (int)left);
    }
    block_store(state, args->n_states, args->n_channels, first, n, args->state[row]);
}

static void step(yoco_device *device, const yoco_mamba_step_args *args)
{
    int64_t n_blocks = yoco_div_up(args->n_channels, BLOCK_CHANNELS);
    if (!yoco_cpu_reserve(device, 2 * sizeof(float) * BLOCK_CHANNELS * (size_t)args->n_states))
        return;
    int n_threads = yoco_cpu_threads(device, args->n_rows * args->n_channels * args->n_states);
#pragma omp parallel for num_threads(n_threads) schedule(static)
    for (int64_t task = 0; task < args->n_rows * n_blocks; task++)
        step_block(args, task / n_blocks, task % n_blocks * BLOCK_CHANNELS,
                   yoco_cpu_scratch(device, omp_get_thread_num()));
}

const yoco_mamba_ops YOCO_SIMD(yoco_cpu_mamba) = {
    .local = local,
    .scan = scan,
    .correct = correct,
    .step = step,
};
