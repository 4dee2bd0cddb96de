/* Row ops and retention: the same bits whatever shares the call, on any number of threads. */
#include "tests/kernels/dense_ops.h"
#include "tests/kernels/differential_ops.h"
#include "tests/kernels/invariance.h"
#include "tests/kernels/retention_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static test_random rnd;

static int seed(void **state)
{
    (void)state;
    rnd.state = 21;
    return 0;
}

static float *norm_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_rms_norm_args args = *(const yoco_rms_norm_args *)all;
    args.n_rows = n_rows;
    args.x += first * args.dim;
    if (args.accumulate)
        args.out = (float *)args.out + first * args.dim;
    return run_rms_norm(r, args);
}

static float *layer_norm_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_layer_norm_args args = *(const yoco_layer_norm_args *)all;
    args.n_rows = n_rows;
    args.x += first * args.dim;
    return run_layer_norm(r, args);
}

static float *combine_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_differential_args args = *(const yoco_differential_args *)all;
    args.n_rows = n_rows;
    args.x += first * 2 * args.n_pairs * args.dim;
    return run_combine(r, args);
}

static float *rope_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_rope_args args = *(const yoco_rope_args *)all;
    args.n_rows = n_rows;
    args.x += first * args.n_heads * args.head_dim;
    args.cos += first * args.width / 2;
    args.sin += first * args.width / 2;
    return run_rope(r, args);
}

static float *bias_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_bias_args args = *(const yoco_bias_args *)all;
    args.n_rows = n_rows;
    args.x += first * args.n;
    return run_add_bias(r, args);
}

static float *swiglu_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_swiglu_args args = *(const yoco_swiglu_args *)all;
    args.n = n_rows;
    args.a += first;
    args.b += first;
    return run_swiglu(r, args);
}

static float *glu_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_swiglu_args args = *(const yoco_swiglu_args *)all;
    args.n = n_rows;
    args.a += first;
    args.b += first;
    return run_glu(r, args);
}

static float *geglu_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_swiglu_args args = *(const yoco_swiglu_args *)all;
    args.n = n_rows;
    args.a += first;
    args.b += first;
    return run_geglu(r, args);
}

static float *soft_cap_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_soft_cap_args args = *(const yoco_soft_cap_args *)all;
    args.n = n_rows;
    args.x += first;
    return run_soft_cap(r, args);
}

static void row_ops(const yoco_ops *ops, yoco_device_options options)
{
    enum { ROWS = 130, DIM = 100, HEADS = 5, HEAD_DIM = 20 };
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    rig *r = &rigs.with[0];
    yoco_rms_norm_args norm = {.dim = DIM,
                               .eps = 1e-5f,
                               .x = random_values(r, &rnd, ROWS * DIM, 1.0f),
                               .weight = random_values(r, &rnd, DIM, 1.0f),
                               .out_dtype = options.dtype};
    check_invariance(&rigs, "rms_norm", norm_rows, &norm, ROWS, DIM, 1);
    norm = (yoco_rms_norm_args){.dim = DIM,
                                .eps = 1e-5f,
                                .x = random_values(r, &rnd, ROWS * DIM, 1.0f),
                                .weight = random_values(r, &rnd, DIM, 1.0f),
                                .out = random_values(r, &rnd, ROWS * DIM, 1.0f),
                                .accumulate = true};
    check_invariance(&rigs, "rms_norm that adds", norm_rows, &norm, ROWS, DIM, 1);
    yoco_layer_norm_args layer_norm = {.dim = DIM,
                                       .eps = 1e-5f,
                                       .x = random_values(r, &rnd, ROWS * DIM, 1.0f),
                                       .weight = random_values(r, &rnd, DIM, 1.0f),
                                       .bias = random_values(r, &rnd, DIM, 1.0f),
                                       .out_dtype = options.dtype};
    check_invariance(&rigs, "layer_norm", layer_norm_rows, &layer_norm, ROWS, DIM, 1);
    yoco_differential_args combine = {.n_pairs = 2,
                                      .dim = DIM,
                                      .lambda = 0.3f,
                                      .scale = 0.7f,
                                      .eps = 1e-5f,
                                      .x = random_values(r, &rnd, ROWS * 4 * DIM, 1.0f),
                                      .weight = random_values(r, &rnd, DIM, 1.0f),
                                      .out_dtype = options.dtype};
    check_invariance(&rigs, "combine", combine_rows, &combine, ROWS, 2 * DIM, 1);
    for (int halves = 0; halves <= 1; halves++) {
        yoco_rope_args rope = {.n_heads = HEADS,
                               .head_dim = HEAD_DIM,
                               .width = HEAD_DIM,
                               .scale = 0.3f,
                               .halves = halves,
                               .cos = random_values(r, &rnd, ROWS * HEAD_DIM / 2, 1.0f),
                               .sin = random_values(r, &rnd, ROWS * HEAD_DIM / 2, 1.0f),
                               .x = random_values(r, &rnd, ROWS * DIM, 1.0f),
                               .out_dtype = options.dtype};
        check_invariance(&rigs, "rope", rope_rows, &rope, ROWS, DIM, 1);
    }
    yoco_bias_args bias = {.n = DIM,
                           .bias = random_values(r, &rnd, DIM, 1.0f),
                           .x = random_values(r, &rnd, ROWS * DIM, 1.0f)};
    check_invariance(&rigs, "add_bias", bias_rows, &bias, ROWS, DIM, 1);
    yoco_swiglu_args swiglu = {.a = random_values(r, &rnd, ROWS, 9.0f),
                               .b = random_values(r, &rnd, ROWS, 1.0f),
                               .out_dtype = options.dtype};
    check_invariance(&rigs, "swiglu", swiglu_rows, &swiglu, ROWS, 1, 1);
    yoco_swiglu_args glu = {.a = random_values(r, &rnd, ROWS, 9.0f),
                            .b = random_values(r, &rnd, ROWS, 1.0f),
                            .out_dtype = options.dtype};
    check_invariance(&rigs, "glu", glu_rows, &glu, ROWS, 1, 1);
    yoco_swiglu_args geglu = {.a = random_values(r, &rnd, ROWS, 9.0f),
                              .b = random_values(r, &rnd, ROWS, 1.0f),
                              .out_dtype = options.dtype};
    check_invariance(&rigs, "geglu", geglu_rows, &geglu, ROWS, 1, 1);
    yoco_soft_cap_args cap = {.cap = 30, .x = random_values(r, &rnd, ROWS, 40.0f)};
    check_invariance(&rigs, "soft_cap", soft_cap_rows, &cap, ROWS, 1, 1);
    thread_rigs_close(&rigs);
}

typedef struct linear_case {
    yoco_matrix weight;
    bool slabs;
    const float *x, *y;
} linear_case;

static float *linear_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    const linear_case *c = all;
    return run_linear(r, c->slabs, &c->weight,
                      (yoco_linear_args){.n_rows = n_rows,
                                         .x = c->x + first * c->weight.n_in,
                                         .y = (float *)c->y + first * c->weight.n_out});
}

static void linear(const yoco_ops *ops, yoco_device_options options)
{
    static const int64_t shapes[][2] = {{36, 60}, {344, 96}, {96, 259}, {176, 100}, {256, 16}};
    enum { ROWS = 136 };
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (int slabs = 0; slabs <= 1; slabs++) {
            rig *r = &rigs.with[0];
            int64_t n_in = shapes[i][0], n_out = shapes[i][1];
            linear_case c = {.weight = {.dtype = YOCO_F32,
                                        .n_out = n_out,
                                        .n_in = n_in,
                                        .data = random_values(r, &rnd, n_out * n_in, 1.0f)},
                             .slabs = slabs,
                             .x = random_values(r, &rnd, ROWS * n_in, 1.0f),
                             .y = random_values(r, &rnd, ROWS * n_out, 1.0f)};
            check_invariance(&rigs, slabs ? "linear_slabs" : "linear_rows", linear_rows, &c, ROWS,
                             n_out, slabs ? YOCO_SLAB_ROWS : 1);
        }
    }
    thread_rigs_close(&rigs);
}

/* A row keeps its place in the slab; all other rows change. */
static void slab_content(const yoco_ops *ops, yoco_device_options options)
{
    static const int64_t kept_rows[] = {0, 1, 37, 63, 64, 99};
    enum { ROWS = 100, IN = 344, OUT = 96 };
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    rig *r = &rigs.with[1];
    yoco_matrix weight = {.dtype = YOCO_F32,
                          .n_out = OUT,
                          .n_in = IN,
                          .data = random_values(r, &rnd, OUT * IN, 1.0f)};
    float *x = random_values(r, &rnd, ROWS * IN, 1.0f);
    float *want = run_linear(r, true, &weight, (yoco_linear_args){.n_rows = ROWS, .x = x});
    for (size_t i = 0; i < sizeof kept_rows / sizeof kept_rows[0]; i++) {
        int64_t row = kept_rows[i];
        float *other = random_values(r, &rnd, ROWS * IN, 1e6f);
        memcpy(other + row * IN, x + row * IN, IN * sizeof *x);
        float *got = run_linear(r, true, &weight, (yoco_linear_args){.n_rows = ROWS, .x = other});
        check_equal(r, "linear_slabs", got + row * OUT, want + row * OUT, OUT * sizeof *got);
    }
    thread_rigs_close(&rigs);
}

static float *step_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    const yoco_retention_args *whole = all;
    yoco_retention_args args = retention_piece(whole, first, n_rows);
    int64_t n_state = retention_state_size(whole);
    float **states = rig_host(r, (size_t)n_rows * sizeof *states);
    for (int64_t i = 0; i < n_rows; i++) {
        states[i] = rig_host(r, (size_t)n_state * sizeof **states);
        for (int64_t j = 0; j < n_state; j++) /* each row's own, the same in every call */
            states[i][j] = whole->edge_in[(j + first + i) % n_state];
    }
    float *out = run_retention_step(r, (yoco_retention_step_args){.n_rows = n_rows,
                                                                  .n_heads = args.n_heads,
                                                                  .head_dim = args.head_dim,
                                                                  .q = args.q,
                                                                  .k = args.k,
                                                                  .v = args.v,
                                                                  .gate = args.gate,
                                                                  .gate_scale = args.gate_scale,
                                                                  .state = states});
    int64_t row = args.n_heads * args.head_dim;
    float *both = rig_host(r, (size_t)(n_rows * (row + n_state)) * sizeof *both);
    for (int64_t i = 0; i < n_rows; i++) {
        memcpy(both + i * (row + n_state), out + i * row, (size_t)row * sizeof *out);
        memcpy(both + i * (row + n_state) + row, states[i], (size_t)n_state * sizeof *out);
    }
    return both;
}

static float *local_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    return run_retention(r, retention_piece(all, first, n_rows), false).local_out;
}

/* Cut into pieces where a block ends, the last piece shorter: the same rows and states. */
static void check_pieces(rig *r, const yoco_retention_args *args, retention_result whole)
{
    static const int64_t cuts[] = {256, 512};
    int64_t row = args->n_heads * args->head_dim;
    size_t state_bytes = (size_t)retention_state_size(args) * sizeof(float);
    for (int i = 0; i < 2; i++) {
        int64_t rest = args->n_rows - cuts[i];
        yoco_retention_args tail = retention_piece(args, cuts[i], rest);
        retention_result first = run_retention(r, retention_piece(args, 0, cuts[i]), true);
        tail.edge_in = first.edge_out;
        retention_result second = run_retention(r, tail, true);
        check_equal(r, "retention, first piece", first.out, whole.out,
                    (size_t)(cuts[i] * row) * sizeof(float));
        check_equal(r, "retention, second piece", second.out, whole.out + cuts[i] * row,
                    (size_t)(rest * row) * sizeof(float));
        check_equal(r, "edge_out", second.edge_out, whole.edge_out, state_bytes);
    }
}

static void retention(const yoco_ops *ops, yoco_device_options options)
{
    static const retention_shape steps = {130, 2, 10, 3},
                                 blocks[] = {{600, 3, 20, 3}, {600, 1, 32, 3}};
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    yoco_retention_args args = make_retention(&rigs.with[0], &rnd, &steps);
    check_invariance(&rigs, "retention_step", step_rows, &args, steps.n_rows,
                     20 + retention_state_size(&args), 1);

    for (size_t shape = 0; shape < sizeof blocks / sizeof *blocks; shape++) {
        args = make_retention(&rigs.with[0], &rnd, &blocks[shape]);
        retention_result whole = run_retention(&rigs.with[0], args, false);
        for (int i = 0; i < N_THREAD_RIGS; i++)
            check_pieces(&rigs.with[i], &args, whole);
        /* A row of a block does not know how many follow. */
        check_invariance(&rigs, "retention_local", local_rows, &args, args.n_rows,
                         args.n_heads * args.head_dim, YOCO_RETENTION_ROWS);
    }
    thread_rigs_close(&rigs);
}

static void test_row_ops(void **state)
{
    (void)state;
    each_backend(row_ops);
}

static void test_linear(void **state)
{
    (void)state;
    each_backend(linear);
    each_backend(slab_content);
}

static void test_retention(void **state)
{
    (void)state;
    each_backend(retention);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_row_ops, seed),
        cmocka_unit_test_setup(test_linear, seed),
        cmocka_unit_test_setup(test_retention, seed),
    };
    return cmocka_run_group_tests_name("kernels_invariance_rows", tests, NULL, NULL);
}
