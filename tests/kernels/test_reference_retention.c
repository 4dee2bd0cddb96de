/* The reference's retention against the recurrence, step by step in f64. */
#include "tests/kernels/retention_ops.h"

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
    rnd.state = 5;
    rig_open(&r, &yoco_reference_ops, (yoco_device_options){.n_threads = 1, .dtype = YOCO_F32});
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

/* e^g of one gate: sigmoid(gate)^scale. */
static double decay_of(float gate, double scale)
{
    return pow(1 / (1 + exp(-(double)gate)), scale);
}

/* Gives out, and the state after the last row. */
static float *naive_retention(const yoco_retention_args *args, float *state_out)
{
    int dim = args->head_dim;
    float *out = rig_host(&r, (size_t)(args->n_rows * args->n_heads * dim) * sizeof *out);
    double *state = rig_host(&r, (size_t)(dim * dim) * sizeof *state);
    for (int head = 0; head < args->n_heads; head++) {
        for (int i = 0; i < dim * dim; i++)
            state[i] = args->edge_in[head * dim * dim + i];
        for (int64_t t = 0; t < args->n_rows; t++) {
            int64_t at = (t * args->n_heads + head) * dim;
            double decay = decay_of(args->gate[t * args->n_heads + head], args->gate_scale);
            for (int j = 0; j < dim; j++) {
                double sum = 0;
                for (int i = 0; i < dim; i++) {
                    state[i * dim + j] =
                        decay * state[i * dim + j] + (double)args->k[at + i] * args->v[at + j];
                    sum += args->q[at + i] * state[i * dim + j];
                }
                out[at + j] = (float)sum;
            }
        }
        for (int i = 0; i < dim * dim; i++)
            state_out[head * dim * dim + i] = (float)state[i];
    }
    return out;
}

static void check_blocks(retention_shape shape)
{
    yoco_retention_args args = make_retention(&r, &rnd, &shape);
    int64_t n = args.n_rows * args.n_heads * args.head_dim, n_state = retention_state_size(&args);
    float *state = rig_host(&r, (size_t)n_state * sizeof *state);
    float *want = naive_retention(&args, state);
    retention_result got = run_retention(&r, args, false);
    check_close(&r, "retention", got.out, want, n, 2e-6);
    check_close(&r, "retention's last state", got.edge_out, state, n_state, 2e-6);
    check_equal(&r, "state into the first block", got.entering, args.edge_in,
                (size_t)n_state * sizeof(float));
    retention_result in_place = run_retention(&r, args, true);
    check_equal(&r, "edge in place", in_place.edge_out, got.edge_out,
                (size_t)n_state * sizeof(float));
    rig_reset(&r);
}

static void test_blocks(void **state)
{
    (void)state;
    const int64_t n_rows[] = {1, 2, 255, 256, 257, 700};
    for (size_t i = 0; i < sizeof n_rows / sizeof n_rows[0]; i++) {
        check_blocks((retention_shape){n_rows[i], 2, 6, 3});
        check_blocks((retention_shape){n_rows[i], 1, 16, 30});
    }
    /* Gates past the range of e^x in f32, either way: forget all, keep all. */
    check_blocks((retention_shape){600, 1, 4, 1000});
}

/* What the comment in ops_retention.h promises of the parts. */
static void test_parts(void **state)
{
    (void)state;
    retention_shape shape = {300, 2, 6, 3};
    yoco_retention_args args = make_retention(&r, &rnd, &shape);
    int64_t n_state = retention_state_size(&args), row = args.n_heads * args.head_dim;
    retention_result got = run_retention(&r, args, false);

    /* Each block alone starts from nothing. */
    yoco_retention_args second = retention_piece(&args, 256, 44);
    float *zeros = rig_host(&r, (size_t)n_state * sizeof *zeros);
    memset(zeros, 0, (size_t)n_state * sizeof *zeros);
    second.edge_in = zeros;
    float *last = rig_host(&r, (size_t)n_state * sizeof *last);
    float *want = naive_retention(&second, last);
    check_close(&r, "local out", got.local_out + 256 * row, want, 44 * row, 2e-6);
    check_close(&r, "local state", got.state + n_state, last, n_state, 2e-6);

    for (int head = 0; head < args.n_heads; head++) {
        double sum = 0;
        for (int64_t t = 0; t < args.n_rows; t++) {
            if (t % YOCO_RETENTION_ROWS == 0)
                sum = 0;
            sum += log(decay_of(args.gate[t * args.n_heads + head], args.gate_scale));
            float decay = got.decay[t * args.n_heads + head];
            assert_true(fabs(decay - sum) <= 1e-6 * fabs(sum));
        }
    }
}

/* Pieces that end where a block ends pass on all there is to pass on. */
static void test_pieces(void **state)
{
    (void)state;
    retention_shape shape = {700, 2, 6, 3};
    yoco_retention_args args = make_retention(&r, &rnd, &shape);
    size_t row_bytes = (size_t)(args.n_heads * args.head_dim) * sizeof(float);
    retention_result whole = run_retention(&r, args, false);
    yoco_retention_args head = retention_piece(&args, 0, 512),
                        tail = retention_piece(&args, 512, 188);
    retention_result first = run_retention(&r, head, false);
    tail.edge_in = first.edge_out;
    retention_result second = run_retention(&r, tail, false);
    check_equal(&r, "first piece", first.out, whole.out, 512 * row_bytes);
    check_equal(&r, "second piece", second.out, whole.out + 512 * 12, 188 * row_bytes);
    check_equal(&r, "last state", second.edge_out, whole.edge_out,
                (size_t)retention_state_size(&args) * sizeof(float));
}

static void test_steps(void **state)
{
    (void)state;
    retention_shape shape = {50, 3, 10, 3};
    yoco_retention_args args = make_retention(&r, &rnd, &shape);
    int64_t n_state = retention_state_size(&args), row = args.n_heads * args.head_dim;
    float *last = rig_host(&r, (size_t)n_state * sizeof *last);
    float *want = naive_retention(&args, last);
    float *states[] = {rig_host(&r, (size_t)n_state * sizeof **states)};
    memcpy(states[0], args.edge_in, (size_t)n_state * sizeof **states);
    for (int64_t t = 0; t < args.n_rows; t++) {
        yoco_retention_args one = retention_piece(&args, t, 1);
        yoco_retention_step_args step = {.n_rows = 1,
                                         .n_heads = one.n_heads,
                                         .head_dim = one.head_dim,
                                         .q = one.q,
                                         .k = one.k,
                                         .v = one.v,
                                         .gate = one.gate,
                                         .gate_scale = one.gate_scale,
                                         .state = states};
        check_close(&r, "step", run_retention_step(&r, step), want + t * row, row, 2e-6);
    }
    check_close(&r, "state after the steps", states[0], last, n_state, 2e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_blocks, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_parts, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_pieces, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_steps, open_rig, close_rig),
    };
    return cmocka_run_group_tests_name("kernels_reference_retention", tests, NULL, NULL);
}
