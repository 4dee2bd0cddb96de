/* Retention of every backend against the reference. */
#include "tests/kernels/retention_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static test_random rnd;

static int seed(void **state)
{
    (void)state;
    rnd.state = 13;
    return 0;
}

/* The scan and the correction of both start from the tested backend's own decay and states. */
static void blocks_case(rig *tested, rig *reference, const retention_shape *shape, double tolerance)
{
    yoco_retention_args args = make_retention(tested, &rnd, shape);
    int64_t n = args.n_rows * args.n_heads * args.head_dim, n_state = retention_state_size(&args);
    int64_t n_blocks = yoco_div_up(args.n_rows, YOCO_RETENTION_ROWS);
    retention_result got = run_retention(tested, args, true);
    retention_result want = run_retention(reference, args, false);
    check_close(tested, "decay", got.decay, want.decay, args.n_rows * args.n_heads, 2e-6);
    check_close(tested, "local out", got.local_out, want.local_out, n, tolerance);
    check_close(tested, "local states", got.state, want.state, n_blocks * n_state, tolerance);
    check_close(tested, "entering states", got.entering, want.entering, n_blocks * n_state,
                tolerance);
    check_close(tested, "edge_out", got.edge_out, want.edge_out, n_state, tolerance);
    check_close(tested, "out", got.out, want.out, n, tolerance);
    retention_result apart = run_retention(tested, args, false);
    check_equal(tested, "edge_out apart", apart.edge_out, got.edge_out,
                (size_t)n_state * sizeof(float));
    rig_reset(tested);
    rig_reset(reference);
}

static void blocks(rig *tested, rig *reference)
{
    static const retention_shape shapes[] = {
        {1, 1, 2, 3},     {2, 3, 6, 3},    {63, 2, 10, 30},    {64, 4, 16, 3},  {65, 1, 80, 3},
        {200, 2, 64, 3},  {255, 2, 6, 30}, {256, 2, 16, 3},    {257, 1, 10, 3}, {700, 3, 16, 30},
        {520, 1, 128, 3}, {40, 1, 256, 3}, {600, 1, 16, 1000}, {300, 1, 32, 3},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        /* A sum of decays up to -16000 in f32 is known to 1e-3: so is then every weight that is not
         * 0. */
        double tolerance = shapes[i].gate_scale > 100 ? 1e-3 : 2e-5;
        blocks_case(tested, reference, &shapes[i], tolerance);
    }
}

static void steps_case(rig *tested, rig *reference, const retention_shape *shape)
{
    yoco_retention_args args = make_retention(tested, &rnd, shape);
    int64_t n_state = retention_state_size(&args);
    float **got = rig_host(tested, (size_t)args.n_rows * sizeof *got);
    float **want = rig_host(tested, (size_t)args.n_rows * sizeof *want);
    for (int64_t i = 0; i < args.n_rows; i++) {
        got[i] = random_values(tested, &rnd, n_state, 1.0f);
        want[i] = rig_host(tested, (size_t)n_state * sizeof **want);
        memcpy(want[i], got[i], (size_t)n_state * sizeof **want);
    }
    yoco_retention_step_args step = {.n_rows = args.n_rows,
                                     .n_heads = args.n_heads,
                                     .head_dim = args.head_dim,
                                     .q = args.q,
                                     .k = args.k,
                                     .v = args.v,
                                     .gate = args.gate,
                                     .gate_scale = args.gate_scale,
                                     .state = got};
    float *got_out = run_retention_step(tested, step);
    step.state = want;
    float *want_out = run_retention_step(reference, step);
    check_close(tested, "retention_step", got_out, want_out,
                args.n_rows * args.n_heads * args.head_dim, 4e-6);
    for (int64_t i = 0; i < args.n_rows; i++)
        check_close(tested, "state after a step", got[i], want[i], n_state, 1e-6);
    rig_reset(tested);
    rig_reset(reference);
}

static void steps(rig *tested, rig *reference)
{
    static const retention_shape shapes[] = {{1, 1, 2, 3},     {2, 3, 6, 30}, {65, 2, 10, 3},
                                             {3, 4, 16, 1000}, {2, 2, 80, 3}, {1, 2, 128, 3},
                                             {2, 1, 256, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        steps_case(tested, reference, &shapes[i]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_blocks, seed),
        cmocka_unit_test_setup(test_steps, seed),
    };
    return cmocka_run_group_tests_name("kernels_ops_retention", tests, NULL, NULL);
}
