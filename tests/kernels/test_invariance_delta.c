/* Convolution and delta rule: a row's bits depend neither on the rows that share the call nor on
 * threads. A block's rows depend on those before them in the block, and on the state that enters.
 */
#include "tests/kernels/delta_ops.h"
#include "tests/kernels/invariance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static test_random rnd;

static int seed(void **state)
{
    (void)state;
    rnd.state = 23;
    return 0;
}

/* Of a piece that begins with `first`: its edge holds x, rounded, of the rows before. */
static float *conv_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_conv_args args = *(const yoco_conv_args *)all;
    int64_t n_edge = yoco_i64_min(args.n_taps - 1, args.n_edge + first);
    float *rows = rig_host(r, (size_t)((n_edge + n_rows) * args.stride) * sizeof *rows);
    memset(rows, 0, (size_t)((n_edge + n_rows) * args.stride) * sizeof *rows);
    for (int64_t i = 0; i < n_edge; i++) {
        int64_t t = first - n_edge + i;
        const float *from = t < 0 ? (const float *)args.rows + (args.n_edge + t) * args.stride
                                  : args.x + t * args.n_channels;
        memcpy(rows + i * args.stride, from, (size_t)args.n_channels * sizeof *rows);
    }
    args.rows = rows;
    args.n_edge = n_edge;
    args.n_rows = n_rows;
    args.x += first * args.n_channels;
    return run_conv(r, args, NULL);
}

static float *conv_steps(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    const yoco_conv_args *args = all;
    float *rows =
        rig_host(r, (size_t)((args->n_edge + args->n_rows) * args->stride) * sizeof *rows);
    memcpy(rows, args->rows, (size_t)(args->n_edge * args->stride) * sizeof *rows);
    memset(rows + args->n_edge * args->stride, 0,
           (size_t)(args->n_rows * args->stride) * sizeof *rows);
    for (int64_t t = 0; t < args->n_rows; t++)
        memcpy(rows + (args->n_edge + t) * args->stride, args->x + t * args->n_channels,
               (size_t)args->n_channels * sizeof *rows);
    return run_conv_steps(r, &rnd, args, rows, false, first, n_rows);
}

static void convs(const yoco_ops *ops, yoco_device_options options)
{
    static const conv_shape shapes[] = {{300, 3, 4, 40, 5, true}, {130, 0, 6, 300, 0, false}};
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        yoco_conv_args args = make_conv(&rigs.with[0], &rnd, &shapes[i]);
        check_invariance(&rigs, "conv", conv_rows, &args, args.n_rows, args.n_channels, 1);
        args = make_conv(&rigs.with[0], &rnd, &shapes[i]);
        check_invariance(&rigs, "conv_step", conv_steps, &args, args.n_rows, args.n_channels, 1);
    }
    thread_rigs_close(&rigs);
}

/* The state that enters a piece is that of a run over all rows before it. */
static float *delta_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    const yoco_delta_args *args = all;
    yoco_delta_args piece = delta_piece(args, first, n_rows);
    if (first > 0)
        piece.edge_in = run_delta(r, delta_piece(args, 0, first), false).edge_out;
    return run_delta(r, piece, true).out;
}

static float *delta_steps(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_delta_args args = delta_piece(all, first, n_rows);
    float **states = rig_host(r, (size_t)n_rows * sizeof *states);
    size_t bytes = (size_t)delta_state_size(&args) * sizeof(float);
    for (int64_t i = 0; i < n_rows; i++) {
        states[i] = rig_host(r, bytes);
        memcpy(states[i], args.edge_in, bytes);
    }
    return run_delta_step(r, (yoco_delta_step_args){.n_rows = n_rows,
                                                    .n_qk_heads = args.n_qk_heads,
                                                    .n_heads = args.n_heads,
                                                    .k_dim = args.k_dim,
                                                    .v_dim = args.v_dim,
                                                    .q = args.q,
                                                    .k = args.k,
                                                    .g = args.g,
                                                    .beta = args.beta,
                                                    .v = args.u,
                                                    .state = states});
}

static void rule(const yoco_ops *ops, yoco_device_options options)
{
    static const delta_shape shapes[] = {{300, 1, 2, 8, 20, 0.1f}, {300, 1, 1, 10, 70, 1.0f}};
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        yoco_delta_args args = make_delta(&rigs.with[0], &rnd, &shapes[i]);
        int64_t row_size = args.n_heads * args.v_dim;
        check_invariance(&rigs, "delta rule", delta_rows, &args, args.n_rows, row_size,
                         YOCO_DELTA_ROWS);
        args = make_delta(&rigs.with[0], &rnd, &shapes[i]);
        check_invariance(&rigs, "delta_step", delta_steps, &args, args.n_rows, row_size, 1);
    }
    thread_rigs_close(&rigs);
}

static float *prepared_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_delta_prepare_args args = *(const yoco_delta_prepare_args *)all;
    int64_t dim = (int64_t)args.n_qk_heads * args.k_dim, heads = args.n_heads;
    args.n_rows = n_rows;
    args.q += first * dim;
    args.k += first * dim;
    args.a_g += first * heads;
    args.b_beta += first * heads;
    yoco_delta_prepare_args got = run_delta_prepare(r, args);
    float *out = rig_host(r, (size_t)(n_rows * (dim + heads)) * sizeof *out);
    for (int64_t i = 0; i < n_rows; i++) {
        memcpy(out + i * (dim + heads), got.q + i * dim, (size_t)dim * sizeof *out);
        memcpy(out + i * (dim + heads) + dim, got.a_g + i * heads, (size_t)heads * sizeof *out);
    }
    return out;
}

static void prepare(const yoco_ops *ops, yoco_device_options options)
{
    static const delta_shape shape = {130, 2, 6, 40, 0, 5};
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    yoco_delta_prepare_args args = make_delta_prepare(&rigs.with[0], &rnd, &shape);
    check_invariance(&rigs, "delta_prepare", prepared_rows, &args, args.n_rows,
                     args.n_qk_heads * args.k_dim + args.n_heads, 1);
    thread_rigs_close(&rigs);
}

static void test_convs(void **state)
{
    (void)state;
    each_backend(convs);
}

static void test_rule(void **state)
{
    (void)state;
    each_backend(rule);
}

static void test_prepare(void **state)
{
    (void)state;
    each_backend(prepare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_convs, seed),
        cmocka_unit_test_setup(test_rule, seed),
        cmocka_unit_test_setup(test_prepare, seed),
    };
    return cmocka_run_group_tests_name("kernels_invariance_delta", tests, NULL, NULL);
}
