/* Windows, all rows before, partials and the merge of every backend against the reference; the
 * merge to the bit. */
#include "tests/kernels/attend_ops.h"
#include "tests/kernels/causal_ops.h"
#include "tests/kernels/window_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static test_random rnd;

static int seed(void **state)
{
    (void)state;
    rnd.state = 12;
    return 0;
}

/* Of the rms. The cuda backend splits weights into bf16 numbers, 16 bits together, where the output
 * is bf16, which steps by 2^-8. */
static double window_tolerance(const rig *tested, const yoco_window_args *args)
{
    bool split = strcmp(tested->ops->name, "cuda") == 0 && args->out_dtype == YOCO_BF16;
    return split ? 0x1p-16 : 4e-6;
}

static void window_case(rig *tested, rig *reference, const window_shape *shape)
{
    yoco_window_args args = make_window(tested, &rnd, shape);
    int64_t n = shape->n_rows * args.n_heads * args.v_dim;
    check_rounded(tested, "window_attend", run_window_attend(tested, shape->n_rows, args),
                  run_window_attend(reference, shape->n_rows, args), n,
                  window_tolerance(tested, &args), args.out_dtype);
    yoco_window_step_args steps = make_window_steps(tested, &rnd, shape->n_rows, &args);
    check_rounded(tested, "window_step", run_window_step(tested, steps),
                  run_window_step(reference, steps), n, window_tolerance(tested, &args),
                  args.out_dtype);
    rig_reset(tested);
    rig_reset(reference);
}

static void window(rig *tested, rig *reference)
{
    static const window_shape shapes[] = {
        {.n_rows = 1, .window = 1, .n_heads = 1, .head_dim = 2},
        {.n_rows = 2, .n_edge = 1, .window = 2, .n_heads = 3, .head_dim = 6},
        {.n_rows = 63, .n_edge = 7, .window = 8, .n_heads = 2, .head_dim = 10},
        {.n_rows = 64, .n_edge = 63, .window = 64, .n_heads = 4, .head_dim = 16},
        {.n_rows = 65, .n_edge = 20, .window = 500, .n_heads = 1, .head_dim = 64},
        {.n_rows = 200, .window = 1, .n_heads = 2, .head_dim = 16},
        {.n_rows = 200, .n_edge = 32, .window = 33, .n_heads = 1, .head_dim = 80},
        {.n_rows = 65, .n_edge = 16, .window = 17, .n_heads = 3, .head_dim = 128},
        {.n_rows = 100, .n_edge = 40, .window = 70, .n_heads = 1, .head_dim = 32},
        {.n_rows = 20, .n_edge = 3, .window = 100, .n_heads = 2, .head_dim = 256},
        {.n_rows = 5, .n_edge = 3, .window = 4, .n_heads = 1, .head_dim = 300},
        /* Heads that share K,V. */
        {.n_rows = 70, .n_edge = 20, .window = 40, .n_heads = 8, .n_kv_heads = 2, .head_dim = 8},
        {.n_rows = 70, .n_edge = 20, .window = 40, .n_heads = 6, .n_kv_heads = 2, .head_dim = 32},
        {.n_rows = 66, .n_edge = 99, .window = 100, .n_heads = 5, .n_kv_heads = 1, .head_dim = 64},
        {.n_rows = 4, .n_edge = 299, .window = 300, .n_heads = 4, .n_kv_heads = 2, .head_dim = 128},
        /* Windows that a decode step cuts into splits of 128 rows. */
        {.n_rows = 4, .n_edge = 299, .window = 300, .n_heads = 2, .head_dim = 128},
        {.n_rows = 3, .n_edge = 400, .window = 401, .n_heads = 1, .head_dim = 64},
        {.n_rows = 3, .n_edge = 150, .window = 500, .n_heads = 1, .head_dim = 32},
        /* Fewer heads of K, and fewer and wider ones of V. */
        {20, 9, 10, 6, 10, .n_kv_heads = 2},
        {150, 63, 64, 4, 64, .n_kv_heads = 2, .n_v_heads = 1, .v_dim = 128},
        {70, 20, 21, 8, 6, .n_kv_heads = 4, .n_v_heads = 2, .v_dim = 12},
        {5, 150, 200, 2, 32, .v_dim = 300},
        {66, 3, 9, 4, 32, .n_v_heads = 2, .v_dim = 10},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        window_case(tested, reference, &shapes[i]);
}

/* Only queries q_begin..q_end-1 are written. */
static void window_part(rig *tested, rig *reference)
{
    window_shape shape = {.n_rows = 70, .n_edge = 9, .window = 10, .n_heads = 2, .head_dim = 6};
    enum { ROW = 12, BEGIN = 9, END = 66 };
    yoco_window_args args = make_window(tested, &rnd, &shape);
    float *want = run_window_attend(reference, shape.n_rows, args);
    args.q_begin = BEGIN;
    args.q_end = END;
    float *got = run_window_attend(tested, shape.n_rows, args);
    check_rounded(tested, "window_attend", got + BEGIN * ROW, want + BEGIN * ROW,
                  (END - BEGIN) * ROW, window_tolerance(tested, &args), args.out_dtype);
    for (int64_t i = 0; i < shape.n_rows * ROW; i++)
        assert_true((i >= BEGIN * ROW && i < END * ROW) || isnan(got[i]));
}

/* Of the rms; a score sums up to 512 channels. As for windows. */
static double causal_tolerance(const rig *tested)
{
    bool split = strcmp(tested->ops->name, "cuda") == 0 && tested->options.dtype == YOCO_BF16;
    return split ? 0x1p-15 : 1e-5;
}

/* What is carried from run to run, each maximum brought to the reference's. */
static void check_carried(rig *r, const yoco_causal_args *args, int64_t n_queries,
                          causal_result got, causal_result want)
{
    int64_t n = n_queries * args->n_heads;
    for (int64_t i = 0; i < n; i++) {
        int shift = (int)(got.max[i] - want.max[i]);
        assert_true(got.max[i] == floorf(got.max[i]));
        assert_in_range(shift + 1, 0, 2);
        got.sum[i] = ldexpf(got.sum[i], shift);
        for (int j = 0; j < args->v_dim; j++)
            got.partial[i * args->v_dim + j] = ldexpf(got.partial[i * args->v_dim + j], shift);
    }
    check_close(r, "causal_attend's sums", got.sum, want.sum, n, causal_tolerance(r));
    check_close(r, "causal_attend's partials", got.partial, want.partial, n * args->v_dim,
                causal_tolerance(r));
}

/* The same rows as one run, and as a window that reaches over all of them. */
static float *as_window(rig *r, const causal_case *c)
{
    int64_t n_rows = 0, n = c->shape.n_queries;
    for (int run = 0; run < CAUSAL_MAX_RUNS; run++)
        n_rows += c->shape.runs[run];
    const yoco_causal_args *args = &c->args;
    return run_window_attend(r, n,
                             (yoco_window_args){.n_edge = n_rows - n,
                                                .q_end = n,
                                                .window = (int)n_rows,
                                                .n_heads = args->n_heads,
                                                .n_kv_heads = args->n_kv_heads,
                                                .n_v_heads = args->n_v_heads,
                                                .head_dim = args->head_dim,
                                                .v_dim = args->v_dim,
                                                .scale_log2 = args->scale_log2,
                                                .q = args->q,
                                                .kv_dtype = args->kv_dtype,
                                                .k = args->k,
                                                .v = args->v,
                                                .out_dtype = args->out_dtype});
}

static void causal(rig *tested, rig *reference)
{
    static const causal_shape shapes[] = {
        {1, {1}, .n_heads = 1, .head_dim = 2},
        {2, {3, 2}, .n_heads = 3, .head_dim = 6},
        {63, {1, 64}, .n_heads = 2, .head_dim = 10},
        {64, {63, 70, 64}, .n_heads = 4, .head_dim = 16},
        {9, {300, 33}, .n_heads = 6, .n_kv_heads = 2, .head_dim = 8},
        {65, {512, 256, 65}, .n_heads = 6, .n_kv_heads = 2, .head_dim = 64},
        {3, {257, 500, 3}, .n_heads = 6, .n_kv_heads = 2, .head_dim = 128},
        {20, {40, 20}, .n_heads = 2, .n_kv_heads = 1, .head_dim = 256},
        {5, {70, 6}, .n_heads = 2, .n_kv_heads = 1, .head_dim = 512},
        {5, {30, 5}, .n_heads = 1, .head_dim = 300},
        {200, {200, 200}, .n_heads = 5, .n_kv_heads = 1, .head_dim = 32},
        /* Fewer heads of K, and fewer and wider ones of V. */
        {70, {90, 70}, 4, 64, .n_kv_heads = 2, .n_v_heads = 1, .v_dim = 128},
        {40, {20, 21, 50}, 8, 6, .n_kv_heads = 4, .n_v_heads = 2, .v_dim = 12},
        {5, {150, 5}, 2, 32, .v_dim = 300},
        {66, {9, 66}, 4, 32, .n_v_heads = 2, .v_dim = 10},
    };
    if (!tested->ops->causal)
        return;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        causal_case c = make_causal(tested, &rnd, &shapes[i]);
        int64_t n_queries = shapes[i].n_queries, n = n_queries * c.args.n_heads * c.args.v_dim;
        causal_result got = run_causal(tested, &c, 0, n_queries);
        causal_result want = run_causal(reference, &c, 0, n_queries);
        check_rounded(tested, "causal_attend", got.out, want.out, n, causal_tolerance(tested),
                      c.args.out_dtype);
        check_rounded(reference, "causal_attend as a window", want.out, as_window(reference, &c), n,
                      causal_tolerance(reference), c.args.out_dtype);
        if (got.max)
            check_carried(tested, &c.args, n_queries, got, want);
        rig_reset(tested);
        rig_reset(reference);
    }
}

/* Each channel of V brought to one size, each maximum to the reference's, so that one tolerance
 * serves all. */
static void check_partials(rig *r, const yoco_attend_args *got, const yoco_attend_args *want,
                           double tolerance)
{
    int64_t n = attend_n_partials(want) * want->n_heads;
    int group = want->n_heads / want->n_v_heads, dim = want->v_dim;
    for (int64_t i = 0; i < n; i++) {
        int shift = (int)(got->max[i] - want->max[i]);
        assert_true(got->max[i] == floorf(got->max[i]));
        assert_true(got->max[i] != 0 || !signbit(got->max[i]));
        assert_in_range(shift + 1, 0, 2);
        got->sum[i] = ldexpf(got->sum[i], shift);
        for (int j = 0; j < dim; j++) {
            int exponent = want->o_exponent[i % want->n_heads / group * dim + j] - want->l_exponent;
            got->partial[i * dim + j] = ldexpf(got->partial[i * dim + j], shift + exponent);
            want->partial[i * dim + j] = ldexpf(want->partial[i * dim + j], exponent);
        }
    }
    check_close(r, "attend's sums", got->sum, want->sum, n, tolerance);
    check_close(r, "attend's partials", got->partial, want->partial, n * dim, tolerance);
}

/* The maximum of the partials' own. */
static float *global_max_of(rig *r, const yoco_attend_args *args)
{
    size_t n = (size_t)(args->n_queries * args->n_heads);
    float *want = rig_host(r, n * sizeof *want);
    for (size_t i = 0; i < n; i++)
        want[i] = -INFINITY;
    for (int s = 0; s < args->n_segments; s++) {
        const yoco_kv_segment *segment = &args->segments[s];
        int64_t n_partials =
            segment->n_queries * yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows);
        for (int64_t i = 0; i < n_partials * args->n_heads; i++) {
            int64_t query = segment->first_query + i / args->n_heads % segment->n_queries;
            float *max = &want[query * args->n_heads + i % args->n_heads];
            *max = fmaxf(*max, args->max[segment->first_partial * args->n_heads + i]);
        }
    }
    return want;
}

static void check_global_max(rig *r, const yoco_attend_args *args)
{
    check_equal(r, "attend's global maxima", args->global_max, global_max_of(r, args),
                (size_t)(args->n_queries * args->n_heads) * sizeof(float));
}

static void attend_case(rig *tested, rig *reference, const attend_shape *shape)
{
    yoco_attend_args got = make_attend(tested, &rnd, shape), want = got;
    int bad;
    got.bad = &bad;
    run_attend(tested, &got);
    run_attend(reference, &want);
    assert_int_equal(bad, 0);
    check_global_max(tested, &got);
    check_global_max(reference, &want);
    check_partials(tested, &got, &want, 4e-6 * (1 + shape->q_scale / 4));
    rig_reset(tested);
    rig_reset(reference);
}

static const attend_shape attend_shapes[] = {
    {1, 1, 1, 2, 3, {{0, 1, 1, 1}}},
    {2, 3, 1, 6, 3, {{0, 2, 63, 7}}},
    {3, 4, 1, 10, 30, {{0, 3, 200, 64}, {1, 1, 65, 1024}}},
    {6,
     4,
     2,
     16,
     3,
     {{0, 5, 2600, 1500}, {0, 2, 300, 1024}, {2, 3, 1030, 1 << 20}, {4, 2, 0, 1024}}},
    {64, 3, 1, 16, 30, {{0, 64, 200, 100}}},
    {65, 8, 1, 10, 3, {{0, 60, 65, 1024}, {60, 5, 64, 64}}},
    {5, 8, 8, 64, 3, {{0, 5, 1100, 4096}}},
    {2, 8, 2, 80, 30, {{0, 2, 1025, 2048}}},
    {20, 4, 2, 32, 3, {{0, 20, 300, 200}, {3, 1, 90, 1024}}},
    {7, 6, 2, 128, 3, {{0, 7, 200, 63}}},
    /* More rows of a K,V head than a tile of queries has, more than its half, and a whole block. */
    {67, 3, 1, 64, 3, {{2, 65, 130, 66}, {5, 20, 63, 1024}, {0, 1, 1, 1024}, {1, 1, 0, 64}}},
    {2, 3, 1, 128, 3, {{0, 1, 1100, 4096}, {1, 1, 40, 1024}}},
    {3, 2, 1, 256, 3, {{0, 3, 63, 64}}},
    {2, 2, 2, 300, 3, {{0, 2, 33, 64}}},
    /* Fewer and wider heads of V. */
    {2, 8, 4, 64, 3, {{0, 2, 1100, 1050}, {1, 1, 40, 1024}}, .n_v_heads = 2, .v_dim = 128},
    {30, 8, 4, 10, 3, {{0, 30, 200, 64}}, .n_v_heads = 1, .v_dim = 20},
    {1, 4, 4, 6, 30, {{0, 1, 70, 64}}, .n_v_heads = 2, .v_dim = 300},
    {3, 4, 2, 32, 3, {{0, 3, 70, 64}}, .v_dim = 6},
};
enum { N_ATTEND_SHAPES = sizeof attend_shapes / sizeof attend_shapes[0] };

static void attend(rig *tested, rig *reference)
{
    for (size_t i = 0; i < N_ATTEND_SHAPES; i++)
        attend_case(tested, reference, &attend_shapes[i]);
}

/* From the same partials to the same bits. */
static void check_merge(rig *tested, rig *reference, yoco_attend_args args)
{
    size_t n = (size_t)(args.n_queries * args.n_heads), dim = (size_t)args.v_dim;
    yoco_attend_args got = args, want = args;
    run_merge_sum(tested, &got);
    run_merge_sum(reference, &want);
    check_equal(tested, "merge_sum", got.fixed, want.fixed, n * (1 + dim) * sizeof(int64_t));
    for (int bf16 = 0; bf16 <= 1; bf16++) {
        got.out_dtype = want.out_dtype = bf16 ? YOCO_BF16 : YOCO_F32;
        check_equal(tested, "merge_finish", run_merge_finish(tested, got),
                    run_merge_finish(reference, want), n * dim * sizeof(float));
    }
}

static void merge(rig *tested, rig *reference)
{
    for (size_t i = 0; i < N_ATTEND_SHAPES; i++) {
        yoco_attend_args args = make_attend(tested, &rnd, &attend_shapes[i]);
        run_attend(reference, &args);
        check_merge(tested, reference, args);
        rig_reset(tested);
        rig_reset(reference);
    }
}

/* Partials in halves of the fixed point's unit, so that ties are common; maxima far apart. */
static void merge_ties(rig *tested, rig *reference)
{
    static const attend_shape shape = {5, 6, 3, 21, 1, {{0, 5, 9, 1}, {2, 3, 4, 1}}};
    enum { PARTIALS = 5 * 9 + 3 * 4, HEADS = 6, DIM = 21 };
    yoco_attend_args args = make_attend(tested, &rnd, &shape);
    float max[PARTIALS * HEADS], sum[PARTIALS * HEADS], partial[PARTIALS * HEADS * DIM];
    int o_exponent[3 * DIM];
    assert_int_equal(attend_n_partials(&args), PARTIALS);
    args.l_exponent = 5;
    for (int j = 0; j < 3 * DIM; j++)
        o_exponent[j] = random_below(&rnd, 12) - 2;
    for (int i = 0; i < PARTIALS * HEADS; i++) {
        static const float far[] = {-1e30f, -3000, -1100, -200, -70};
        int pick = random_below(&rnd, 20);
        max[i] = pick < 5 ? far[pick] : (float)(random_below(&rnd, 6) - 3);
        sum[i] = ldexpf((float)random_below(&rnd, 1 << 12), -args.l_exponent - 1);
        for (int j = 0; j < DIM; j++)
            partial[i * DIM + j] = ldexpf((float)(random_below(&rnd, 1 << 12) - (1 << 11)), -4);
    }
    args.max = max;
    args.sum = sum;
    args.partial = partial;
    args.o_exponent = o_exponent;
    args.global_max = global_max_of(tested, &args);
    check_merge(tested, reference, args);

    /* Sums near the top of 64 bits, past what a double holds exactly. */
    args.l_exponent = 62 - 20;
    for (int j = 0; j < 3 * DIM; j++)
        o_exponent[j] = 62 - 20;
    for (int i = 0; i < PARTIALS * HEADS; i++) {
        sum[i] = (float)(random_unit(&rnd) * 0x1p16);
        for (int j = 0; j < DIM; j++)
            partial[i * DIM + j] = (float)((2 * random_unit(&rnd) - 1) * 0x1p16);
    }
    check_merge(tested, reference, args);
}

/* One input that is not finite, anywhere, is found; none is imagined. Infinities of V alone: times
 * K or q they give -inf, which no score need show. */
static void attend_bad(rig *tested, rig *reference)
{
    static const attend_shape shapes[] = {
        {3, 2, 1, 38, 1, {{0, 3, 20, 4}}},
        {2, 2, 1, 10, 3, {{0, 2, 100, 64}}},
        {3, 4, 2, 32, 3, {{0, 3, 100, 64}, {1, 1, 70, 1024}}},
    };
    (void)reference;
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        for (int i = 0; i < 15; i++) {
            yoco_attend_args args = make_attend(tested, &rnd, &shapes[s]);
            const yoco_kv_segment *segment = &args.segments[args.n_segments - 1];
            int bad, kv_size = (int)segment->n_rows * args.n_kv_heads * args.head_dim;
            int which = i % 3, n = which == 0 ? args.n_heads * args.head_dim : kv_size;
            const float *in[] = {args.q + segment->first_query * n, segment->k, segment->v};
            args.bad = &bad;
            run_attend(tested, &args);
            assert_int_equal(bad, 0);
            ((float *)in[which])[random_below(&rnd, n)] = which < 2 || i < 6 ? NAN
                                                          : i < 9            ? INFINITY
                                                                             : -INFINITY;
            run_attend(tested, &args);
            assert_int_equal(bad, 1);
            rig_reset(tested);
        }
    }
}

/* An attend that comes before the host waits does not hide what the one before it found. */
static void attend_bad_first(rig *tested, rig *reference)
{
    static const attend_shape shape = {3, 2, 1, 38, 1, {{0, 3, 20, 4}}};
    yoco_attend_args args = make_attend(tested, &rnd, &shape);
    yoco_attend_args first = make_attend(tested, &rnd, &shape);
    int bad;
    (void)reference;
    args.bad = first.bad = &bad;
    ((float *)first.q)[1] = NAN;
    run_attend_after(tested, &first, &args);
    assert_int_equal(bad, 1);
    run_attend(tested, &args);
    assert_int_equal(bad, 0);
}

static void test_window(void **state)
{
    (void)state;
    each_rig(window);
    each_rig(window_part);
}

static void test_causal(void **state)
{
    (void)state;
    each_rig(causal);
}

static void test_attend(void **state)
{
    (void)state;
    each_rig(attend);
    each_rig(attend_bad);
    each_rig(attend_bad_first);
}

static void test_merge(void **state)
{
    (void)state;
    each_rig(merge);
    each_rig(merge_ties);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_window, seed),
        cmocka_unit_test_setup(test_causal, seed),
        cmocka_unit_test_setup(test_attend, seed),
        cmocka_unit_test_setup(test_merge, seed),
    };
    return cmocka_run_group_tests_name("kernels_ops_attention", tests, NULL, NULL);
}
