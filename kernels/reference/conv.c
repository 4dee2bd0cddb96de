/* Short causal convolutions, one channel of one row after the other. */
#include "kernels/ops_conv.h"
#include "kernels/reference/reference.h"

#include <math.h>

static float silu(double x)
{
    return (float)(x / (1.0 + exp(-x)));
}

static void round_rows(yoco_device *device, const yoco_conv_args *args)
{
    (void)device;
    for (; args; args = args->next) {
        for (int64_t i = 0; i < args->n_rows * args->n_channels; i++)
            reference_store(args->dtype, args->rows,
                            (args->n_edge + i / args->n_channels) * args->stride +
                                i % args->n_channels,
                            args->x[i]);
    }
}

static float convolve(const yoco_conv_args *args, int64_t row, int channel)
{
    double sum = args->bias ? args->bias[channel] : 0.0;
    for (int i = 0; i < args->n_taps; i++) {
        int64_t from = args->n_edge + row - args->n_taps + 1 + i;
        if (from >= 0)
            sum += (double)args->taps[channel * args->n_taps + i] *
                   reference_load(args->dtype, args->rows, from * args->stride + channel);
    }
    return silu(sum);
}

static void piece(yoco_device *device, const yoco_conv_args *args)
{
    (void)device;
    for (; args; args = args->next) {
        for (int64_t i = 0; i < args->n_rows * args->n_channels; i++)
            args->out[i] = convolve(args, i / args->n_channels, (int)(i % args->n_channels));
    }
}

static float convolve_view(const yoco_conv_step_args *args, const yoco_window_view *view,
                           int channel)
{
    int64_t n_seen = view->n_rows[0] + view->n_rows[1] + view->n_rows[2];
    const float *tap = &args->taps[(channel + 1) * args->n_taps - n_seen];
    double sum = args->bias ? args->bias[channel] : 0.0;
    for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
        const void *rows = args->in_v ? view->v[part] : view->k[part];
        for (int64_t row = 0; row < view->n_rows[part]; row++)
            sum += (double)*tap++ *
                   reference_load(args->dtype, rows, row * args->stride + args->first + channel);
    }
    return silu(sum);
}

static void step(yoco_device *device, const yoco_conv_step_args *args)
{
    (void)device;
    for (; args; args = args->next) {
        for (int64_t i = 0; i < args->n_rows * args->n_channels; i++)
            args->out[i] = convolve_view(args, &args->views[i / args->n_channels],
                                         (int)(i % args->n_channels));
    }
}

const yoco_conv_ops yoco_reference_conv = {.round = round_rows, .piece = piece, .step = step};
