/* The selective scan. Where rows follow each other, `width` neighbouring lanes share a channel, one
 * state each; what they give is added by halves, which depends on the number of states alone. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"
#include "kernels/ops_mamba.h"

constexpr int MAMBA_THREADS = 256;
constexpr int MAMBA_STATES = 128; /* of a launch */

__device__ static float softplus(float x)
{
    return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
}

/* The sum over the lanes of a channel, the same in each. */
__device__ static float sum_states(float x, int width)
{
    for (int mask = width / 2; mask > 0; mask /= 2)
        x += __shfl_xor_sync(ALL_LANES, x, mask);
    return x;
}

__global__ void __launch_bounds__(MAMBA_THREADS) mamba_local_kernel(yoco_mamba_args args, int width)
{
    int lane = threadIdx.x % (unsigned)width, n = args.n_channels;
    int channel = (int)((blockIdx.x * MAMBA_THREADS + threadIdx.x) / (unsigned)width);
    bool inside = channel < n, has_state = inside && lane < args.n_states;
    float a = has_state ? args.a[(int64_t)lane * n + channel] : 0.0f, state = 0.0f, sum = 0.0f;
    float bias = inside ? args.dt_bias[channel] : 0.0f, d = inside ? args.d[channel] : 0.0f;
    for (int64_t row = 0; row < args.n_rows; row++) {
        int64_t at = row * n + channel, of_state = row * args.n_states + lane;
        float delta = inside ? softplus(args.dt[at] + bias) : 0.0f;
        float x = inside ? args.x[at] : 0.0f, y = 0.0f;
        if (has_state) {
            state = fmaf(expf(delta * a), state, delta * x * args.b[of_state]);
            y = args.c[of_state] * state;
        }
        y = sum_states(y, width); /* every lane has read x and dt */
        sum += delta;
        if (inside && lane == 0) {
            args.dt[at] = sum;
            args.out[at] = fmaf(d, x, y);
        }
    }
    if (has_state)
        args.state[(int64_t)lane * n + channel] = state;
}

__global__ void mamba_scan_kernel(yoco_mamba_args args)
{
    int n = args.n_channels;
    const float *sum = args.dt + (args.n_rows - 1) * n;
    for (int64_t i = grid_thread(); i < (int64_t)args.n_states * n; i += grid_threads()) {
        float entering = args.edge_in[i];
        args.edge_out[i] = fmaf(expf(sum[i % n] * args.a[i]), entering, args.state[i]);
        args.state[i] = entering;
    }
}

__global__ void mamba_correct_kernel(yoco_mamba_args args)
{
    int n = args.n_channels;
    for (int64_t at = grid_thread(); at < args.n_rows * n; at += grid_threads()) {
        int64_t row = at / n, channel = at - row * n;
        const float *c = args.c + row * args.n_states;
        float y = args.out[at], sum = args.dt[at];
        for (int i = 0; i < args.n_states; i++) {
            int64_t of_state = (int64_t)i * n + channel;
            y = fmaf(c[i], expf(sum * args.a[of_state]) * args.state[of_state], y);
        }
        args.out[at] = y;
    }
}

/* A row for every blockIdx.y. */
__global__ void __launch_bounds__(MAMBA_THREADS)
    mamba_step_kernel(yoco_mamba_step_args args, by_value<float *, MAMBA_STATES> states)
{
    int n = args.n_channels, channel = (int)(blockIdx.x * MAMBA_THREADS + threadIdx.x);
    int64_t row = blockIdx.y, at = row * n + channel;
    if (channel >= n)
        return;
    float *state = in_global(states.at[row]) + channel;
    float delta = softplus(args.dt[at] + args.dt_bias[channel]);
    float x = args.x[at], y = args.d[channel] * x;
    for (int i = 0; i < args.n_states; i++) {
        int64_t of_state = (int64_t)i * n, of_row = row * args.n_states + i;
        float s = fmaf(expf(delta * args.a[of_state + channel]), state[of_state],
                       delta * x * args.b[of_row]);
        state[of_state] = s;
        y = fmaf(args.c[of_row], s, y);
    }
    args.out[at] = y;
}

/* The least power of two that has all states. */
static int width_of(int n_states)
{
    int width = 1;
    while (width < n_states)
        width *= 2;
    return width;
}

static void local(yoco_device *device, const yoco_mamba_args *args)
{
    int width = width_of(args->n_states);
    unsigned grid = (unsigned)yoco_div_up((int64_t)args->n_channels * width, MAMBA_THREADS);
    YOCO_LAUNCH(mamba_local_kernel, grid, MAMBA_THREADS, 0, device->stream, *args, width);
}

static void scan(yoco_device *device, const yoco_mamba_args *args)
{
    YOCO_LAUNCH(mamba_scan_kernel, grid_for((int64_t)args->n_states * args->n_channels), 256, 0,
                device->stream, *args);
}

static void correct(yoco_device *device, const yoco_mamba_args *args)
{
    YOCO_LAUNCH(mamba_correct_kernel, grid_for(args->n_rows * args->n_channels), 256, 0,
                device->stream, *args);
}

/* The rows first .. first + n - 1. */
static void step_rows(yoco_device *device, const yoco_mamba_step_args *args, int64_t first,
                      int64_t n)
{
    yoco_mamba_step_args own = *args;
    by_value<float *, MAMBA_STATES> states = {};
    int64_t values = first * args->n_channels;
    own.n_rows = n;
    own.b += first * args->n_states;
    own.c += first * args->n_states;
    own.x += values;
    own.dt += values;
    own.out += values;
    own.state = NULL; /* host memory */
    for (int64_t i = 0; i < n; i++)
        states.at[i] = args->state[first + i];
    dim3 grid((unsigned)yoco_div_up(args->n_channels, MAMBA_THREADS), (unsigned)n);
    YOCO_LAUNCH(mamba_step_kernel, grid, MAMBA_THREADS, 0, device->stream, own, states);
}

static void step(yoco_device *device, const yoco_mamba_step_args *args)
{
    for (int64_t first = 0; first < args->n_rows; first += MAMBA_STATES)
        step_rows(device, args, first, yoco_i64_min(MAMBA_STATES, args->n_rows - first));
}

const yoco_mamba_ops yoco_cuda_mamba = {
    .local = local,
    .scan = scan,
    .correct = correct,
    .step = step,
};
