/* The reference's selective scan against the recurrence, step by step in f64. */
#include "tests/kernels/mamba_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static rig r;
static test_random rnd;

static int open_rig(void **state)
{
    (void)state;
    rnd.state = 6;
    rig_open(&r, &yoco_reference_ops, (yoco_device_options){.n_threads = 1, .dtype = YOCO_F32});
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

static double softplus(double x)
{
    return x > 40 ? x : log(1 + exp(x));
}

/* Gives out, the state after the last row and the sums of delta. */
static float *naive(const yoco_mamba_args *args, float *last, float *sums)
{
    int n = args->n_channels;
    float *out = rig_host(&r, (size_t)(args->n_rows * n) * sizeof *out);
    for (int channel = 0; channel < n; channel++) {
        double s[YOCO_MAMBA_MAX_STATES], sum = 0;
        for (int i = 0; i < args->n_states; i++)
            s[i] = args->edge_in[i * n + channel];
        for (int64_t t = 0; t < args->n_rows; t++) {
            double x = args->x[t * n + channel], y = 0;
            double delta = softplus((double)args->dt[t * n + channel] + args->dt_bias[channel]);
            for (int i = 0; i < args->n_states; i++) {
                s[i] = exp(delta * args->a[i * n + channel]) * s[i] +
                       delta * args->b[t * args->n_states + i] * x;
                y += args->c[t * args->n_states + i] * s[i];
            }
            sum += delta;
            out[t * n + channel] = (float)(y + args->d[channel] * x);
            sums[t * n + channel] = (float)sum;
        }
        for (int i = 0; i < args->n_states; i++)
            last[i * n + channel] = (float)s[i];
    }
    return out;
}

static void check_piece(mamba_shape shape)
{
    yoco_mamba_args args = make_mamba(&r, &rnd, &shape);
    int64_t n = args.n_rows * args.n_channels, n_state = mamba_state_size(&args);
    float *last = rig_host(&r, (size_t)n_state * sizeof *last);
    float *sums = rig_host(&r, (size_t)n * sizeof *sums);
    float *want = naive(&args, last, sums);
    mamba_result got = run_mamba(&r, args, false);
    check_close(&r, "out", got.out, want, n, 1e-6);
    check_close(&r, "sums of delta", got.sum, sums, n, 1e-6);
    check_close(&r, "the last state", got.edge_out, last, n_state, 1e-6);
    check_equal(&r, "entering", got.entering, args.edge_in, (size_t)n_state * sizeof(float));
    mamba_result in_place = run_mamba(&r, args, true);
    check_equal(&r, "out in place", in_place.out, got.out, (size_t)n * sizeof(float));
    check_equal(&r, "edge in place", in_place.edge_out, got.edge_out,
                (size_t)n_state * sizeof(float));
    rig_reset(&r);
}

static void test_pieces(void **state)
{
    (void)state;
    check_piece((mamba_shape){1, 1, 1, 2});
    check_piece((mamba_shape){2, 7, 3, 2});
    check_piece((mamba_shape){300, 5, 16, 2});
    check_piece((mamba_shape){70, 66, 4, 60});
}

/* local knows nothing of what enters; a piece that follows goes on where the first one ended. */
static void test_parts(void **state)
{
    (void)state;
    mamba_shape shape = {40, 9, 4, 2};
    yoco_mamba_args args = make_mamba(&r, &rnd, &shape);
    int64_t n = args.n_rows * args.n_channels, n_state = mamba_state_size(&args);
    float *last = rig_host(&r, (size_t)n_state * sizeof *last);
    float *sums = rig_host(&r, (size_t)n * sizeof *sums);
    float *want = naive(&args, last, sums);
    yoco_mamba_args head = mamba_piece(&args, 0, 13), tail = mamba_piece(&args, 13, 27);
    mamba_result first = run_mamba(&r, head, false);
    tail.edge_in = first.edge_out;
    mamba_result second = run_mamba(&r, tail, false);
    check_close(&r, "first piece", first.out, want, 13 * args.n_channels, 1e-6);
    check_close(&r, "second piece", second.out, want + 13 * args.n_channels, 27 * args.n_channels,
                1e-6);

    float *zeros = rig_host(&r, (size_t)n_state * sizeof *zeros);
    memset(zeros, 0, (size_t)n_state * sizeof *zeros);
    mamba_result got = run_mamba(&r, args, false);
    args.edge_in = zeros;
    want = naive(&args, last, sums);
    check_close(&r, "local out", got.local_out, want, n, 1e-6);
    check_close(&r, "local state", got.local_state, last, n_state, 1e-6);
}

static void test_steps(void **state)
{
    (void)state;
    mamba_shape shape = {12, 9, 4, 2};
    yoco_mamba_args args = make_mamba(&r, &rnd, &shape);
    int64_t n = args.n_rows * args.n_channels, n_state = mamba_state_size(&args);
    float *last = rig_host(&r, (size_t)n_state * sizeof *last);
    float *sums = rig_host(&r, (size_t)n * sizeof *sums);
    float *want = naive(&args, last, sums), *own = rig_host(&r, (size_t)n_state * sizeof *own);
    memcpy(own, args.edge_in, (size_t)n_state * sizeof *own);
    for (int64_t row = 0; row < args.n_rows; row++) {
        yoco_mamba_args step = mamba_piece(&args, row, 1);
        float *out = run_mamba_step(&r, &step, &own);
        check_close(&r, "a step", out, want + row * args.n_channels, args.n_channels, 2e-6);
    }
    check_close(&r, "the state after steps", own, last, n_state, 2e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_parts, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_steps, open_rig, close_rig),
    };
    return cmocka_run_group_tests_name("kernels_reference_mamba", tests, NULL, NULL);
}
