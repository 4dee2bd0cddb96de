/* The selective scan of every backend against the reference, and what it may not depend on. */
#include "tests/kernels/invariance.h"
#include "tests/kernels/mamba_ops.h"

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

/* The scan and the correction of both start from the tested backend's own sums and states. */
static void piece_case(rig *tested, rig *reference, const mamba_shape *shape)
{
    yoco_mamba_args args = make_mamba(tested, &rnd, shape);
    int64_t n = args.n_rows * args.n_channels, n_state = mamba_state_size(&args);
    mamba_result got = run_mamba(tested, args, true);
    mamba_result want = run_mamba(reference, args, false);
    check_close(tested, "sums of delta", got.sum, want.sum, n, 1e-5);
    check_close(tested, "local out", got.local_out, want.local_out, n, 2e-5);
    check_close(tested, "local state", got.local_state, want.local_state, n_state, 2e-5);
    check_equal(tested, "entering state", got.entering, args.edge_in,
                (size_t)n_state * sizeof(float));
    check_close(tested, "edge_out", got.edge_out, want.edge_out, n_state, 2e-5);
    check_close(tested, "out", got.out, want.out, n, 2e-5);
    mamba_result apart = run_mamba(tested, args, false);
    check_equal(tested, "out apart", apart.out, got.out, (size_t)n * sizeof(float));
    check_equal(tested, "edge_out apart", apart.edge_out, got.edge_out,
                (size_t)n_state * sizeof(float));
    rig_reset(tested);
    rig_reset(reference);
}

static void pieces(rig *tested, rig *reference)
{
    static const mamba_shape shapes[] = {{1, 1, 1, 2},      {2, 7, 3, 2},   {300, 5, 16, 2},
                                         {70, 66, 4, 60},   {65, 64, 8, 2}, {40, 200, 16, 2},
                                         {1500, 16, 16, 2}, {33, 20, 32, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        piece_case(tested, reference, &shapes[i]);
}

static float **random_states(rig *r, const yoco_mamba_args *args)
{
    float **states = rig_host(r, (size_t)args->n_rows * sizeof *states);
    for (int64_t i = 0; i < args->n_rows; i++)
        states[i] = random_values(r, &rnd, mamba_state_size(args), 1.0f);
    return states;
}

static float **copy_states(rig *r, const yoco_mamba_args *args, float *const *from)
{
    size_t bytes = (size_t)mamba_state_size(args) * sizeof(float);
    float **states = rig_host(r, (size_t)args->n_rows * sizeof *states);
    for (int64_t i = 0; i < args->n_rows; i++)
        states[i] = memcpy(rig_host(r, bytes), from[i], bytes);
    return states;
}

static void steps(rig *tested, rig *reference)
{
    static const mamba_shape shapes[] = {
        {1, 1, 1, 2}, {2, 7, 3, 60}, {140, 20, 16, 2}, {3, 300, 4, 2}, {2, 66, 32, 2}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        yoco_mamba_args args = make_mamba(tested, &rnd, &shapes[i]);
        float **got = random_states(tested, &args), **want = copy_states(tested, &args, got);
        float *got_out = run_mamba_step(tested, &args, got);
        float *want_out = run_mamba_step(reference, &args, want);
        check_close(tested, "step", got_out, want_out, args.n_rows * args.n_channels, 4e-6);
        for (int64_t row = 0; row < args.n_rows; row++)
            check_close(tested, "state after a step", got[row], want[row], mamba_state_size(&args),
                        4e-6);
        rig_reset(tested);
        rig_reset(reference);
    }
}

/* A row sees those before it alone, on any number of threads. */
static float *first_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    const yoco_mamba_args *args = all;
    yoco_mamba_args head = mamba_piece(args, 0, first + n_rows);
    return run_mamba(r, head, false).out + first * args->n_channels;
}

typedef struct step_case {
    yoco_mamba_args args;
    float *const *states;
} step_case;

static float *step_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    const step_case *c = all;
    yoco_mamba_args args = mamba_piece(&c->args, first, n_rows);
    return run_mamba_step(r, &args, copy_states(r, &args, c->states + first));
}

static void invariance(const yoco_ops *ops, yoco_device_options options)
{
    static const mamba_shape shape = {130, 70, 5, 2};
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    yoco_mamba_args args = make_mamba(&rigs.with[0], &rnd, &shape);
    check_invariance(&rigs, "a piece", first_rows, &args, shape.n_rows, shape.n_channels, 1);
    step_case c = {.args = make_mamba(&rigs.with[0], &rnd, &shape)};
    c.states = random_states(&rigs.with[0], &c.args);
    check_invariance(&rigs, "steps", step_rows, &c, shape.n_rows, shape.n_channels, 1);
    thread_rigs_close(&rigs);
}

static void test_pieces(void **state)
{
    (void)state;
    each_rig(pieces);
}

static void test_steps(void **state)
{
    (void)state;
    each_rig(steps);
}

static void test_invariance(void **state)
{
    (void)state;
    each_backend(invariance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pieces, seed),
        cmocka_unit_test_setup(test_steps, seed),
        cmocka_unit_test_setup(test_invariance, seed),
    };
    return cmocka_run_group_tests_name("kernels_ops_mamba", tests, NULL, NULL);
}
