/* The reference's convolution and delta rule against the formulas, step by step in f64. */
#include "tests/kernels/delta_ops.h"

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

/* x before the piece is `rows`, in it x itself. */
static double conv_element(const yoco_conv_args *args, int64_t t, int channel)
{
    double sum = args->bias ? args->bias[channel] : 0;
    for (int back = 0; back < args->n_taps; back++) {
        int64_t row = t - back;
        if (row < -args->n_edge)
            continue;
        const float *at =
            row < 0 ? (const float *)args->rows + (args->n_edge + row) * args->stride + channel
                    : &args->x[row * args->n_channels + channel];
        sum += (double)args->taps[channel * args->n_taps + args->n_taps - 1 - back] * *at;
    }
    return sum / (1 + exp(-sum));
}

static void check_conv(conv_shape shape)
{
    yoco_conv_args args = make_conv(&r, &rnd, &shape);
    int64_t n = args.n_rows * args.n_channels, n_others = shape.n_others;
    float *want = rig_host(&r, (size_t)n * sizeof *want), *rows;
    for (int64_t i = 0; i < n; i++)
        want[i] = (float)conv_element(&args, i / args.n_channels, (int)(i % args.n_channels));
    float *got = run_conv(&r, args, &rows);
    check_close(&r, "conv", got, want, n, 1e-6);

    /* Own rows are x, everything else is as it was. */
    float *kept = args.rows;
    for (int64_t t = 0; t < args.n_rows; t++)
        memcpy(kept + (args.n_edge + t) * args.stride, args.x + t * args.n_channels,
               (size_t)args.n_channels * sizeof *kept);
    check_equal(&r, "rows", rows, kept,
                (size_t)((args.n_edge + args.n_rows) * (args.n_channels + n_others)) *
                    sizeof *rows);
    for (int in_v = 0; in_v <= 1; in_v++) {
        float *steps = run_conv_steps(&r, &rnd, &args, rows, in_v, 0, args.n_rows);
        check_equal(&r, "conv_step", steps, got, (size_t)n * sizeof *got);
    }
    rig_reset(&r);
}

static void test_conv(void **state)
{
    (void)state;
    for (int n_taps = 1; n_taps <= 5; n_taps++) {
        for (int64_t n_rows = 1; n_rows <= 7; n_rows++) {
            for (int64_t n_edge = 0; n_edge < n_taps; n_edge++)
                check_conv(
                    (conv_shape){n_rows, n_edge, n_taps, 5, n_edge == 2 ? 3 : 0, n_rows > 3});
        }
    }
}

/* Two runs of channels of the same rows in one call. */
static void test_chain(void **state)
{
    (void)state;
    enum { ROWS = 3, A = 4, B = 6, TAPS = 4, STRIDE = A + B };
    const conv_shape shape_a = {ROWS, 0, TAPS, A, B, false}, shape_b = {ROWS, 0, TAPS, B, A, true};
    yoco_conv_args a = make_conv(&r, &rnd, &shape_a), b = make_conv(&r, &rnd, &shape_b);
    float *want_a = run_conv(&r, a, NULL), *want_b = run_conv(&r, b, NULL);
    float rows[ROWS * STRIDE], out_a[ROWS * A], out_b[ROWS * B];
    a.rows = rows;
    b.rows = rows + A;
    a.out = out_a;
    b.out = out_b;
    a.next = &b;
    r.ops->conv->round(r.device, &a);
    r.ops->conv->piece(r.device, &a);
    check_equal(&r, "first of a chain", out_a, want_a, sizeof out_a);
    check_equal(&r, "second of a chain", out_b, want_b, sizeof out_b);
}

/* Gives out, and the state after the last row. */
static float *naive_delta(const yoco_delta_args *args, float *state_out)
{
    int k_dim = args->k_dim, v_dim = args->v_dim, group = args->n_heads / args->n_qk_heads;
    float *out = rig_host(&r, (size_t)(args->n_rows * args->n_heads * v_dim) * sizeof *out);
    double *s = rig_host(&r, (size_t)(k_dim * v_dim) * sizeof *s);
    for (int head = 0; head < args->n_heads; head++) {
        for (int i = 0; i < k_dim * v_dim; i++)
            s[i] = args->edge_in[head * k_dim * v_dim + i];
        for (int64_t t = 0; t < args->n_rows; t++) {
            int64_t at = t * args->n_heads + head;
            const float *q = args->q + (t * args->n_qk_heads + head / group) * k_dim;
            const float *k = args->k + (t * args->n_qk_heads + head / group) * k_dim;
            for (int i = 0; i < k_dim * v_dim; i++)
                s[i] *= exp(args->g[at]);
            for (int j = 0; j < v_dim; j++) {
                double held = 0, sum = 0;
                for (int i = 0; i < k_dim; i++)
                    held += k[i] * s[i * v_dim + j];
                for (int i = 0; i < k_dim; i++)
                    s[i * v_dim + j] += k[i] * args->beta[at] * (args->u[at * v_dim + j] - held);
                for (int i = 0; i < k_dim; i++)
                    sum += q[i] * s[i * v_dim + j];
                out[at * v_dim + j] = (float)sum;
            }
        }
        for (int i = 0; i < k_dim * v_dim; i++)
            state_out[head * k_dim * v_dim + i] = (float)s[i];
    }
    return out;
}

static void check_blocks(delta_shape shape)
{
    yoco_delta_args args = make_delta(&r, &rnd, &shape);
    int64_t n = args.n_rows * args.n_heads * args.v_dim, n_state = delta_state_size(&args);
    float *state = rig_host(&r, (size_t)n_state * sizeof *state);
    float *want = naive_delta(&args, state);
    delta_result got = run_delta(&r, args, false);
    check_close(&r, "delta rule", got.out, want, n, 4e-6);
    check_close(&r, "delta rule's last state", got.edge_out, state, n_state, 4e-6);
    check_equal(&r, "state into the first block", got.entering, args.edge_in,
                (size_t)n_state * sizeof(float));
    delta_result in_place = run_delta(&r, args, true);
    check_equal(&r, "edge in place", in_place.edge_out, got.edge_out,
                (size_t)n_state * sizeof(float));
    rig_reset(&r);
}

static void test_blocks(void **state)
{
    (void)state;
    const int64_t n_rows[] = {1, 2, 63, 64, 65, 200};
    for (size_t i = 0; i < sizeof n_rows / sizeof n_rows[0]; i++) {
        check_blocks((delta_shape){n_rows[i], 2, 4, 6, 10, 0.3f});
        check_blocks((delta_shape){n_rows[i], 1, 1, 16, 8, 5.0f});
        check_blocks((delta_shape){n_rows[i], 1, 3, 8, 8, 0.01f});
    }
    /* Decays past the range of e^x in f32. */
    check_blocks((delta_shape){150, 1, 2, 4, 4, 1000.0f});
}

/* Pieces that end where a block ends pass on all there is to pass on. */
static void test_pieces(void **state)
{
    (void)state;
    const delta_shape shape = {200, 2, 4, 6, 10, 0.3f};
    yoco_delta_args args = make_delta(&r, &rnd, &shape);
    size_t row_bytes = (size_t)(args.n_heads * args.v_dim) * sizeof(float);
    delta_result whole = run_delta(&r, args, false);
    yoco_delta_args head = delta_piece(&args, 0, 128), tail = delta_piece(&args, 128, 72);
    delta_result first = run_delta(&r, head, false);
    tail.edge_in = first.edge_out;
    delta_result second = run_delta(&r, tail, false);
    check_equal(&r, "first piece", first.out, whole.out, 128 * row_bytes);
    check_equal(&r, "second piece", second.out, whole.out + 128 * 40, 72 * row_bytes);
    check_equal(&r, "last state", second.edge_out, whole.edge_out,
                (size_t)delta_state_size(&args) * sizeof(float));
}

static void test_steps(void **state)
{
    (void)state;
    const delta_shape shape = {90, 2, 6, 10, 6, 0.3f};
    yoco_delta_args args = make_delta(&r, &rnd, &shape);
    int64_t n_state = delta_state_size(&args), row = args.n_heads * args.v_dim;
    float *last = rig_host(&r, (size_t)n_state * sizeof *last);
    float *want = naive_delta(&args, last);
    float *states[] = {rig_host(&r, (size_t)n_state * sizeof **states)};
    memcpy(states[0], args.edge_in, (size_t)n_state * sizeof **states);
    for (int64_t t = 0; t < args.n_rows; t++) {
        yoco_delta_args one = delta_piece(&args, t, 1);
        yoco_delta_step_args step = {.n_rows = 1,
                                     .n_qk_heads = one.n_qk_heads,
                                     .n_heads = one.n_heads,
                                     .k_dim = one.k_dim,
                                     .v_dim = one.v_dim,
                                     .q = one.q,
                                     .k = one.k,
                                     .g = one.g,
                                     .beta = one.beta,
                                     .v = one.u,
                                     .state = states};
        check_close(&r, "step", run_delta_step(&r, step), want + t * row, row, 4e-6);
    }
    check_close(&r, "state after the steps", states[0], last, n_state, 4e-6);
}

static double squares_of(const float *x, int n)
{
    double squares = 0;
    for (int i = 0; i < n; i++)
        squares += (double)x[i] * x[i];
    return squares;
}

static void check_prepare(delta_shape shape)
{
    yoco_delta_prepare_args args = make_delta_prepare(&r, &rnd, &shape);
    int dim = args.k_dim;
    int64_t n_qk = args.n_rows * args.n_qk_heads, n = args.n_rows * args.n_heads;
    float *q = rig_host(&r, (size_t)(n_qk * dim) * sizeof *q);
    float *k = rig_host(&r, (size_t)(n_qk * dim) * sizeof *k);
    float *g = rig_host(&r, (size_t)n * sizeof *g), *beta = rig_host(&r, (size_t)n * sizeof *beta);
    for (int64_t i = 0; i < n_qk * dim; i++) {
        const float *q_head = args.q + i / dim * dim, *k_head = args.k + i / dim * dim;
        q[i] = (float)(args.q[i] / sqrt((squares_of(q_head, dim) + 1e-6) * dim));
        k[i] = (float)(args.k[i] / sqrt(squares_of(k_head, dim) + 1e-6));
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t head = i % args.n_heads;
        double x = (double)args.a_g[i] + args.dt_bias[head];
        g[i] = (float)-(exp(args.a_log[head]) * (x > 50 ? x : log1p(exp(x))));
        beta[i] = (float)(args.beta_scale / (1 + exp(-(double)args.b_beta[i])));
    }
    yoco_delta_prepare_args got = run_delta_prepare(&r, args);
    check_close(&r, "q", got.q, q, n_qk * dim, 1e-6);
    check_close(&r, "k", got.k, k, n_qk * dim, 1e-6);
    check_close(&r, "g", got.a_g, g, n, 1e-6);
    check_close(&r, "beta", got.b_beta, beta, n, 1e-6);
    rig_reset(&r);
}

static void test_prepare(void **state)
{
    (void)state;
    check_prepare((delta_shape){7, 2, 4, 6, 0, 3});
    check_prepare((delta_shape){4, 1, 1, 128, 0, 100});
    check_prepare((delta_shape){1, 3, 3, 1, 0, 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_conv, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_chain, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_blocks, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_pieces, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_steps, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_prepare, open_rig, close_rig),
    };
    return cmocka_run_group_tests_name("kernels_reference_delta", tests, NULL, NULL);
}
