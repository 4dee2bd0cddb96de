/* Convolution and delta rule of every backend against the reference. */
#include "tests/kernels/delta_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static test_random rnd;

static int seed(void **state)
{
    (void)state;
    rnd.state = 14;
    return 0;
}

static void conv_case(rig *tested, rig *reference, const conv_shape *shape)
{
    yoco_conv_args args = make_conv(tested, &rnd, shape);
    int64_t n = args.n_rows * args.n_channels;
    float *got_rows, *want_rows;
    float *got = run_conv(tested, args, &got_rows), *want = run_conv(reference, args, &want_rows);
    check_close(tested, "conv", got, want, n, 1e-6);
    check_equal(tested, "rounded rows", got_rows, want_rows,
                (size_t)((args.n_edge + args.n_rows) * args.stride) * sizeof(float));
    int64_t n_steps = yoco_i64_min(args.n_rows, 60);
    for (int in_v = 0; in_v <= 1; in_v++) {
        float *step = run_conv_steps(tested, &rnd, &args, got_rows, in_v, 0, n_steps);
        check_close(tested, "conv_step", step, want, n_steps * args.n_channels, 1e-6);
    }
    rig_reset(tested);
    rig_reset(reference);
}

static void convs(rig *tested, rig *reference)
{
    static const conv_shape shapes[] = {
        {1, 0, 4, 5, 0, false},    {1, 3, 4, 16, 7, true},   {2, 2, 4, 33, 31, false},
        {100, 3, 4, 64, 0, true},  {3, 0, 1, 10, 2, false},  {65, 5, 6, 40, 8, true},
        {40, 3, 4, 600, 0, false}, {70, 1, 2, 300, 5, true},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        conv_case(tested, reference, &shapes[i]);
}

/* The ops of both start from their own results. */
static void blocks_case(rig *tested, rig *reference, const delta_shape *shape, double tolerance)
{
    yoco_delta_args args = make_delta(tested, &rnd, shape);
    int64_t n = args.n_rows * args.n_heads, n_state = delta_state_size(&args);
    int64_t n_blocks = yoco_div_up(args.n_rows, YOCO_DELTA_ROWS);
    delta_result got = run_delta(tested, args, true), want = run_delta(reference, args, false);
    check_close(tested, "local u", got.local_u, want.local_u, n * args.v_dim, tolerance);
    check_close(tested, "local w", got.minus_w, want.minus_w, n * args.k_dim, tolerance);
    check_close(tested, "u", got.u, want.u, n * args.v_dim, tolerance);
    check_close(tested, "entering states", got.entering, want.entering, n_blocks * n_state,
                tolerance);
    check_close(tested, "edge_out", got.edge_out, want.edge_out, n_state, tolerance);
    check_close(tested, "out", got.out, want.out, n * args.v_dim, tolerance);
    delta_result apart = run_delta(tested, args, false);
    check_equal(tested, "edge_out apart", apart.edge_out, got.edge_out,
                (size_t)n_state * sizeof(float));
    rig_reset(tested);
    rig_reset(reference);
}

static void blocks(rig *tested, rig *reference)
{
    static const delta_shape shapes[] = {
        {1, 1, 1, 2, 2, 0.3f},    {2, 1, 3, 6, 10, 0.3f},       {63, 2, 2, 10, 6, 0.3f},
        {64, 2, 4, 16, 16, 5.0f}, {65, 1, 2, 80, 40, 0.3f},     {200, 2, 4, 16, 32, 0.01f},
        {130, 1, 1, 128, 128, 1}, {70, 1, 2, 96, 192, 0.1f},    {90, 1, 1, 256, 64, 0.3f},
        {300, 3, 3, 8, 8, 0.3f},  {150, 1, 2, 12, 20, 1000.0f}, {100, 1, 1, 32, 33, 0.3f},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        blocks_case(tested, reference, &shapes[i], 2e-5);
}

static void steps_case(rig *tested, rig *reference, const delta_shape *shape)
{
    yoco_delta_args args = make_delta(tested, &rnd, shape);
    int64_t n_state = delta_state_size(&args);
    float **got = rig_host(tested, (size_t)args.n_rows * sizeof *got);
    float **want = rig_host(tested, (size_t)args.n_rows * sizeof *want);
    for (int64_t i = 0; i < args.n_rows; i++) {
        got[i] = random_values(tested, &rnd, n_state, 1.0f);
        want[i] = rig_host(tested, (size_t)n_state * sizeof **want);
        memcpy(want[i], got[i], (size_t)n_state * sizeof **want);
    }
    yoco_delta_step_args step = {.n_rows = args.n_rows,
                                 .n_qk_heads = args.n_qk_heads,
                                 .n_heads = args.n_heads,
                                 .k_dim = args.k_dim,
                                 .v_dim = args.v_dim,
                                 .q = args.q,
                                 .k = args.k,
                                 .g = args.g,
                                 .beta = args.beta,
                                 .v = args.u,
                                 .state = got};
    float *got_out = run_delta_step(tested, step);
    step.state = want;
    float *want_out = run_delta_step(reference, step);
    check_close(tested, "delta_step", got_out, want_out, args.n_rows * args.n_heads * args.v_dim,
                4e-6);
    for (int64_t i = 0; i < args.n_rows; i++)
        check_close(tested, "state after a step", got[i], want[i], n_state, 2e-6);
    rig_reset(tested);
    rig_reset(reference);
}

static void steps(rig *tested, rig *reference)
{
    static const delta_shape shapes[] = {{1, 1, 1, 2, 3, 0.3f},   {2, 1, 3, 6, 10, 5.0f},
                                         {65, 2, 2, 10, 6, 0.3f}, {3, 2, 4, 16, 16, 1000.0f},
                                         {1, 1, 2, 128, 128, 1},  {2, 1, 1, 80, 33, 0.3f},
                                         {140, 1, 1, 4, 4, 0.3f}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        steps_case(tested, reference, &shapes[i]);
}

static void prepare(rig *tested, rig *reference)
{
    static const delta_shape shapes[] = {
        {1, 1, 1, 1, 0, 3}, {7, 2, 4, 10, 0, 3}, {64, 3, 3, 128, 0, 100}, {300, 1, 2, 40, 0, 10}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        yoco_delta_prepare_args args = make_delta_prepare(tested, &rnd, &shapes[i]);
        int64_t n_qk = args.n_rows * args.n_qk_heads * args.k_dim, n = args.n_rows * args.n_heads;
        yoco_delta_prepare_args got = run_delta_prepare(tested, args);
        yoco_delta_prepare_args want = run_delta_prepare(reference, args);
        check_close(tested, "q", got.q, want.q, n_qk, 1e-6);
        check_close(tested, "k", got.k, want.k, n_qk, 1e-6);
        check_close(tested, "g", got.a_g, want.a_g, n, 1e-6);
        check_close(tested, "beta", got.b_beta, want.b_beta, n, 1e-6);
        rig_reset(tested);
        rig_reset(reference);
    }
}

static void test_convs(void **state)
{
    (void)state;
    each_rig(convs);
}

static void test_blocks(void **state)
{
    (void)state;
    each_rig(blocks);
}

static void test_steps(void **state)
{
    (void)state;
    each_rig(steps);
}

static void test_prepare(void **state)
{
    (void)state;
    each_rig(prepare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_convs, seed),
        cmocka_unit_test_setup(test_blocks, seed),
        cmocka_unit_test_setup(test_steps, seed),
        cmocka_unit_test_setup(test_prepare, seed),
    };
    return cmocka_run_group_tests_name("kernels_ops_delta", tests, NULL, NULL);
}
