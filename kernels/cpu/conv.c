/* Short causal convolutions: a vector of channels at a time, over some rows. */
#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops_conv.h"

enum {
    CONV_ROWS = 32,     /* of a task: the taps are gathered once for them */
    CONV_CHANNELS = 256 /* of a task */
};

static int64_t n_channel_tasks(int n_channels)
{
    return yoco_div_up(n_channels, CONV_CHANNELS);
}

/* Tap `tap` of the n channels from `channel` on, zeros beyond. */
static vf gather_taps(const float *taps, int n_taps, int channel, int tap, int n)
{
    vf x = vf_set(0.0f);
    for (int i = 0; i < VF_LANES && i < n; i++)
        x[i] = taps[(channel + i) * n_taps + tap];
    return x;
}

static vf first_sum(const float *bias, int channel, int n)
{
    return bias ? row_load(bias + channel, n) : vf_set(0.0f);
}

static void round_task(const yoco_conv_args *args, int64_t row)
{
    for (int i = 0; i < args->n_channels; i += VF_LANES) {
        int n = args->n_channels - i;
        row_store(args->dtype, args->rows, (args->n_edge + row) * args->stride + i,
                  row_load(args->x + row * args->n_channels + i, n), n);
    }
}

static void round_rows(yoco_device *device, const yoco_conv_args *args)
{
    for (; args; args = args->next) {
        int n_threads = yoco_cpu_threads(device, args->n_rows * args->n_channels);
#pragma omp parallel for num_threads(n_threads)
        for (int64_t row = 0; row < args->n_rows; row++)
            round_task(args, row);
    }
}

/* sums: (CONV_ROWS, VF_LANES), of the rows first .. first + n_rows - 1. Tap by tap: each sum takes
 * them in ascending order. */
static void add_tap(const yoco_conv_args *args, int64_t first, int64_t n_rows, int channel, int tap,
                    vf *sums)
{
    int n = args->n_channels - channel;
    vf weight = gather_taps(args->taps, args->n_taps, channel, tap, n);
    int64_t from = args->n_edge + first - args->n_taps + 1 + tap;
    for (int64_t i = yoco_i64_max(0, -from); i < n_rows; i++) {
        vf x = row_load_as(args->dtype, args->rows, (from + i) * args->stride + channel, n);
        sums[i] = vf_fma(weight, x, sums[i]);
    }
}

static void piece_task(const yoco_conv_args *args, int64_t first, int begin)
{
    int64_t n_rows = yoco_i64_min(CONV_ROWS, args->n_rows - first);
    int end = begin + CONV_CHANNELS < args->n_channels ? begin + CONV_CHANNELS : args->n_channels;
    for (int channel = begin; channel < end; channel += VF_LANES) {
        vf sums[CONV_ROWS];
        int n = args->n_channels - channel;
        for (int64_t i = 0; i < n_rows; i++)
            sums[i] = first_sum(args->bias, channel, n);
        for (int tap = 0; tap < args->n_taps; tap++)
            add_tap(args, first, n_rows, channel, tap, sums);
        for (int64_t i = 0; i < n_rows; i++)
            row_store(YOCO_F32, args->out, (first + i) * args->n_channels + channel,
                      vf_silu(sums[i]), n);
    }
}

static void piece(yoco_device *device, const yoco_conv_args *args)
{
    for (; args; args = args->next) {
        int64_t across = n_channel_tasks(args->n_channels);
        int64_t n_tasks = yoco_div_up(args->n_rows, CONV_ROWS) * across;
        int n_threads = yoco_cpu_threads(device, args->n_rows * args->n_channels * args->n_taps);
#pragma omp parallel for num_threads(n_threads)
        for (int64_t task = 0; task < n_tasks; task++)
            piece_task(args, task / across * CONV_ROWS, (int)(task % across) * CONV_CHANNELS);
    }
}

static void step_task(const yoco_conv_step_args *args, int64_t row, int begin)
{
    const yoco_window_view *view = &args->views[row];
    int end = begin + CONV_CHANNELS < args->n_channels ? begin + CONV_CHANNELS : args->n_channels;
    int64_t n_seen = view->n_rows[0] + view->n_rows[1] + view->n_rows[2];
    for (int channel = begin; channel < end; channel += VF_LANES) {
        int n = args->n_channels - channel, tap = args->n_taps - (int)n_seen;
        vf sum = first_sum(args->bias, channel, n);
        for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
            const void *rows = args->in_v ? view->v[part] : view->k[part];
            for (int64_t i = 0; i < view->n_rows[part]; i++, tap++) {
                vf x = row_load_as(args->dtype, rows, i * args->stride + args->first + channel, n);
                sum = vf_fma(gather_taps(args->taps, args->n_taps, channel, tap, n), x, sum);
            }
        }
        row_store(YOCO_F32, args->out, row * args->n_channels + channel, vf_silu(sum), n);
    }
}

static void step(yoco_device *device, const yoco_conv_step_args *args)
{
    for (; args; args = args->next) {
        int64_t across = n_channel_tasks(args->n_channels);
        int n_threads = yoco_cpu_threads(device, args->n_rows * args->n_channels * args->n_taps);
#pragma omp parallel for num_threads(n_threads)
        for (int64_t task = 0; task < args->n_rows * across; task++)
            step_task(args, task / across, (int)(task % across) * CONV_CHANNELS);
    }
}

const yoco_conv_ops YOCO_SIMD(yoco_cpu_conv) = {.round = round_rows, .piece = piece, .step = step};
