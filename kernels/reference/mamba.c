/* The selective scan, one channel of one row after the other. */
#include "kernels/ops_mamba.h"
#include "kernels/reference/reference.h"

#include <math.h>

static double softplus(double x)
{
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

/* Element i of a state steps; it is in f32 after every row. */
static void step_state(float *state, double delta, double a, double x, double b)
{
    *state = (float)(exp(delta * a) * *state + delta * x * b);
}

static void local_channel(const yoco_mamba_args *args, int channel)
{
    int n = args->n_channels;
    double sum = 0;
    for (int i = 0; i < args->n_states; i++)
        args->state[i * n + channel] = 0.0f;
    for (int64_t row = 0; row < args->n_rows; row++) {
        int64_t at = row * n + channel;
        double x = args->x[at], delta = softplus((double)args->dt[at] + args->dt_bias[channel]);
        double y = args->d[channel] * x;
        for (int i = 0; i < args->n_states; i++) {
            float *state = &args->state[i * n + channel];
            step_state(state, delta, args->a[i * n + channel], x,
                       args->b[row * args->n_states + i]);
            y += (double)args->c[row * args->n_states + i] * *state;
        }
        sum += delta;
        args->dt[at] = (float)sum;
        args->out[at] = (float)y;
    }
}

static void local(yoco_device *device, const yoco_mamba_args *args)
{
    (void)device;
    for (int channel = 0; channel < args->n_channels; channel++)
        local_channel(args, channel);
}

static void scan(yoco_device *device, const yoco_mamba_args *args)
{
    (void)device;
    const float *sum = args->dt + (args->n_rows - 1) * args->n_channels;
    for (int i = 0; i < args->n_states * args->n_channels; i++) {
        float entering = args->edge_in[i];
        double decay = exp((double)sum[i % args->n_channels] * args->a[i]);
        args->edge_out[i] = (float)(decay * entering + args->state[i]);
        args->state[i] = entering;
    }
}

static void correct(yoco_device *device, const yoco_mamba_args *args)
{
    (void)device;
    int n = args->n_channels;
    for (int64_t at = 0; at < args->n_rows * n; at++) {
        const float *c = args->c + at / n * args->n_states;
        double y = args->out[at];
        for (int i = 0; i < args->n_states; i++) {
            int64_t of_state = (int64_t)i * n + at % n;
            y += c[i] * exp((double)args->dt[at] * args->a[of_state]) * args->state[of_state];
        }
        args->out[at] = (float)y;
    }
}

static void step(yoco_device *device, const yoco_mamba_step_args *args)
{
    (void)device;
    int n = args->n_channels;
    for (int64_t at = 0; at < args->n_rows * n; at++) {
        int64_t row = at / n, channel = at % n;
        double x = args->x[at], delta = softplus((double)args->dt[at] + args->dt_bias[channel]);
        double y = args->d[channel] * x;
        for (int i = 0; i < args->n_states; i++) {
            float *state = &args->state[row][i * n + channel];
            step_state(state, delta, args->a[i * n + channel], x,
                       args->b[row * args->n_states + i]);
            y += (double)args->c[row * args->n_states + i] * *state;
        }
        args->out[at] = (float)y;
    }
}

const yoco_mamba_ops yoco_reference_mamba = {
    .local = local,
    .scan = scan,
    .correct = correct,
    .step = step,
};
