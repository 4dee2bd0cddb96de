/* Short causal convolutions: a thread for each channel of a row. */
#include "kernels/cuda/values.cuh"
#include "kernels/cuda/window.cuh"
#include "kernels/ops_conv.h"

constexpr int CONV_THREADS = 256;

static dim3 conv_grid(int64_t n_rows, int n_channels)
{
    return dim3((unsigned)n_rows, (unsigned)yoco_div_up(n_channels, CONV_THREADS));
}

__device__ static int conv_channel()
{
    return (int)(blockIdx.y * CONV_THREADS + threadIdx.x);
}

__device__ static float silu(float x)
{
    return x / (1.0f + expf(-x));
}

__global__ void __launch_bounds__(CONV_THREADS) conv_round_kernel(yoco_conv_args args)
{
    int64_t row = blockIdx.x;
    int channel = conv_channel();
    if (channel < args.n_channels)
        store_value(args.dtype, args.rows, (args.n_edge + row) * args.stride + channel,
                    args.x[row * args.n_channels + channel]);
}

__global__ void __launch_bounds__(CONV_THREADS) conv_kernel(yoco_conv_args args)
{
    int64_t row = blockIdx.x, from = args.n_edge + row - args.n_taps + 1;
    int channel = conv_channel();
    if (channel >= args.n_channels)
        return;
    const float *taps = args.taps + (int64_t)channel * args.n_taps;
    float sum = args.bias ? args.bias[channel] : 0.0f;
    for (int i = from < 0 ? (int)-from : 0; i < args.n_taps; i++)
        sum = fmaf(taps[i], load_value(args.dtype, args.rows, (from + i) * args.stride + channel),
                   sum);
    args.out[row * args.n_channels + channel] = silu(sum);
}

__global__ void __launch_bounds__(CONV_THREADS)
    conv_step_kernel(yoco_conv_step_args args, by_value<yoco_window_view, MOST_VIEWS> views)
{
    int64_t row = blockIdx.x;
    int channel = conv_channel();
    if (channel >= args.n_channels)
        return;
    const yoco_window_view &view = views.at[row];
    int64_t n_seen = view.n_rows[0] + view.n_rows[1] + view.n_rows[2];
    const float *tap = args.taps + ((int64_t)channel + 1) * args.n_taps - n_seen;
    float sum = args.bias ? args.bias[channel] : 0.0f;
#pragma unroll
    for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
        const void *rows = args.in_v ? view.v[part] : view.k[part];
        for (int64_t i = 0; i < view.n_rows[part]; i++)
            sum = fmaf(*tap++, load_value(args.dtype, rows, i * args.stride + args.first + channel),
                       sum);
    }
    args.out[row * args.n_channels + channel] = silu(sum);
}

static yoco_conv_args alone(const yoco_conv_args *args)
{
    yoco_conv_args own = *args;
    own.next = NULL; /* host memory */
    return own;
}

static void round_rows(yoco_device *device, const yoco_conv_args *args)
{
    for (; args; args = args->next)
        if (args->n_rows > 0)
            YOCO_LAUNCH(conv_round_kernel, conv_grid(args->n_rows, args->n_channels), CONV_THREADS,
                        0, device->stream, alone(args));
}

static void piece(yoco_device *device, const yoco_conv_args *args)
{
    for (; args; args = args->next)
        if (args->n_rows > 0)
            YOCO_LAUNCH(conv_kernel, conv_grid(args->n_rows, args->n_channels), CONV_THREADS, 0,
                        device->stream, alone(args));
}

/* The rows first .. first + n - 1. */
static void step_rows(yoco_device *device, const yoco_conv_step_args *args, int64_t first,
                      int64_t n)
{
    yoco_conv_step_args own = *args;
    by_value<yoco_window_view, MOST_VIEWS> views = {};
    for (int64_t i = 0; i < n; i++)
        views.at[i] = args->views[first + i];
    own.views = NULL; /* host memory, as the next */
    own.next = NULL;
    own.out += first * args->n_channels;
    YOCO_LAUNCH(conv_step_kernel, conv_grid(n, args->n_channels), CONV_THREADS, 0, device->stream,
                own, views);
}

static void step(yoco_device *device, const yoco_conv_step_args *args)
{
    for (; args; args = args->next)
        for (int64_t first = 0; first < args->n_rows; first += MOST_VIEWS)
            step_rows(device, args, first, yoco_i64_min(MOST_VIEWS, args->n_rows - first));
}

const yoco_conv_ops yoco_cuda_conv = {.round = round_rows, .piece = piece, .step = step};
