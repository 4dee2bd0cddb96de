/* The selective scan. Where rows follow each other, `width` neighbouring lanes share a channel, one
 * state each; what they give is added by halves, which depends on the number of states alone. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"
#include "kernels/ops_mamba.h"

constexpr int MAMBA_THREADS = 256;
constexpr int MAMBA_STATES = 128; /* of a launch */
constexpr int CORRECT_ROWS = 8;   /* of a thread */
constexpr int STATES_AHEAD = 4;   /* whose loads are under way at once */

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

/* A channel's lanes take as many rows at once: each lane loads one, makes its delta and stores it,
 * and the walk over them is in registers but for b and c. */
__global__ void __launch_bounds__(MAMBA_THREADS) mamba_local_kernel(yoco_mamba_args args, int width)
{
    int lane = threadIdx.x % (unsigned)width, first_lane = threadIdx.x % WARP - lane;
    int n = args.n_channels;
    int channel = (int)((blockIdx.x * MAMBA_THREADS + threadIdx.x) / (unsigned)width);
    bool inside = channel < n, has_state = inside && lane < args.n_states;
    float a = has_state ? args.a[(int64_t)lane * n + channel] : 0.0f, state = 0.0f, sum = 0.0f;
    float bias = inside ? args.dt_bias[channel] : 0.0f, d = inside ? args.d[channel] : 0.0f;
    for (int64_t first = 0; first < args.n_rows; first += width) {
        int n_here = args.n_rows - first < width ? (int)(args.n_rows - first) : width;
        int64_t at = (first + lane) * n + channel;
        bool has_row = inside && lane < n_here;
        float own_x = has_row ? args.x[at] : 0.0f, own_sum = 0.0f, own_y = 0.0f;
        float own_delta = has_row ? softplus(args.dt[at] + bias) : 0.0f;
#pragma unroll 4
        for (int i = 0; i < n_here; i++) {
            int64_t of_state = (first + i) * args.n_states + lane;
            float b = has_state ? args.b[of_state] : 0.0f, c = has_state ? args.c[of_state] : 0.0f;
            float delta = __shfl_sync(ALL_LANES, own_delta, first_lane + i);
            float x = __shfl_sync(ALL_LANES, own_x, first_lane + i);
            state = fmaf(expf(delta * a), state, delta * x * b);
            float y = sum_states(has_state ? c * state : 0.0f, width);
            sum += delta;
            own_sum = lane == i ? sum : own_sum;
            own_y = lane == i ? fmaf(d, x, y) : own_y;
        }
        if (has_row) {
            args.dt[at] = own_sum;
            args.out[at] = own_y;
        }
    }
    if (has_state)
        args.state[(int64_t)lane * n + channel] = state;
}

__global__ void mamba_scan_kernel(yoco_mamba_args args)
{
    unsigned n = (unsigned)args.n_channels, n_all = (unsigned)args.n_states * n;
    const float *sum = args.dt + (args.n_rows - 1) * n;
    for (unsigned i = (unsigned)grid_thread(); i < n_all; i += (unsigned)grid_threads()) {
        float entering = args.edge_in[i];
        args.edge_out[i] = fmaf(expf(sum[i % n] * args.a[i]), entering, args.state[i]);
        args.state[i] = entering;
    }
}

/* A thread for a channel of CORRECT_ROWS rows, so that its states are read once for all of them. */
__global__ void __launch_bounds__(MAMBA_THREADS) mamba_correct_kernel(yoco_mamba_args args)
{
    int n = args.n_channels, channel = (int)(blockIdx.y * MAMBA_THREADS + threadIdx.x);
    int64_t first = (int64_t)blockIdx.x * CORRECT_ROWS;
    float y[CORRECT_ROWS], sum[CORRECT_ROWS];
    const float *c[CORRECT_ROWS];
    if (channel >= n)
        return;
#pragma unroll
    for (int r = 0; r < CORRECT_ROWS; r++) {
        int64_t row = first + r < args.n_rows ? first + r : args.n_rows - 1;
        y[r] = args.out[row * n + channel];
        sum[r] = args.dt[row * n + channel];
        c[r] = args.c + row * args.n_states;
    }
    for (int i = 0; i < args.n_states; i++) {
        int64_t of_state = (int64_t)i * n + channel;
        float a = args.a[of_state], state = args.state[of_state];
#pragma unroll
        for (int r = 0; r < CORRECT_ROWS; r++)
            y[r] = fmaf(c[r][i], expf(sum[r] * a) * state, y[r]);
    }
#pragma unroll
    for (int r = 0; r < CORRECT_ROWS; r++)
        if (first + r < args.n_rows)
            args.out[(first + r) * n + channel] = y[r];
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
    for (int first = 0; first < args.n_states; first += STATES_AHEAD) {
        float a[STATES_AHEAD], held[STATES_AHEAD];
#pragma unroll
        for (int i = 0; i < STATES_AHEAD; i++) {
            int64_t of_state = (int64_t)(first + i) * n;
            bool exists = first + i < args.n_states;
            a[i] = exists ? args.a[of_state + channel] : 0.0f;
            held[i] = exists ? state[of_state] : 0.0f;
        }
#pragma unroll
        for (int i = 0; i < STATES_AHEAD; i++) {
            int64_t of_row = row * args.n_states + first + i;
            if (first + i >= args.n_states)
                break;
            float s = fmaf(expf(delta * a[i]), held[i], delta * x * args.b[of_row]);
            state[(int64_t)(first + i) * n] = s;
            y = fmaf(args.c[of_row], s, y);
        }
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
    dim3 grid((unsigned)yoco_div_up(args->n_rows, CORRECT_ROWS),
              (unsigned)yoco_div_up(args->n_channels, MAMBA_THREADS));
    YOCO_LAUNCH(mamba_correct_kernel, grid, MAMBA_THREADS, 0, device->stream, *args);
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
