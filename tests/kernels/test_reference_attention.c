/* The reference's attention against plain softmax in f64 over the rows a query sees. */
#include "tests/kernels/attend_ops.h"
#include "tests/kernels/window_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static rig r;
static test_random rnd;

static int open_f32(void **state)
{
    (void)state;
    rnd.state = 3;
    rig_open(&r, &yoco_reference_ops, (yoco_device_options){.n_threads = 1, .dtype = YOCO_F32});
    return 0;
}

static int open_bf16(void **state)
{
    (void)state;
    rnd.state = 4;
    rig_open(&r, &yoco_reference_ops, (yoco_device_options){.n_threads = 1, .dtype = YOCO_BF16});
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

/* Rows of one head of K and one of V, already rounded, as f32 on the host. */
typedef struct rows {
    const float *k, *v; /* of the first row's heads */
    int64_t n_rows, k_stride, v_stride;
    int k_dim, v_dim;
} rows;

/* Softmax sums over rows that add to l and o, relative to e^0: fine for scores below 700. */
static double naive_sums(const rows *s, const float *q, double *o)
{
    double l = 0;
    for (int64_t row = 0; row < s->n_rows; row++) {
        double dot = 0;
        for (int i = 0; i < s->k_dim; i++)
            dot += (double)q[i] * s->k[row * s->k_stride + i];
        double weight = exp(dot / sqrt(s->k_dim));
        l += weight;
        for (int i = 0; i < s->v_dim; i++)
            o[i] += weight * s->v[row * s->v_stride + i];
    }
    return l;
}

/* What a query head reads, by tables written out: of 8 query heads, 4 heads of K and 2 of V. */
static int k_head_of(int n_heads, int n_k_heads, int n_v_heads, int head)
{
    static const int k_heads[] = {0, 1, 0, 1, 2, 3, 2, 3};
    if (n_k_heads == n_v_heads)
        return head * n_k_heads / n_heads;
    assert_true(n_heads == 8 && n_k_heads == 4 && n_v_heads == 2);
    return k_heads[head];
}

static float *naive_window(const yoco_window_args *args, int64_t n_rows)
{
    int64_t k_size = args->n_kv_heads * args->head_dim, v_size = args->n_v_heads * args->v_dim;
    int64_t n_seen = args->n_edge + n_rows, n_out = n_rows * args->n_heads * args->v_dim;
    const float *k = rounded(&r, args->k, n_seen * k_size, args->kv_dtype);
    const float *v = rounded(&r, args->v, n_seen * v_size, args->kv_dtype);
    float *out = rig_host(&r, (size_t)n_out * sizeof *out);
    double *o = rig_host(&r, (size_t)args->v_dim * sizeof *o);
    for (int64_t i = 0; i < n_rows; i++) {
        int64_t first = args->n_edge + i - args->window + 1;
        if (first < 0)
            first = 0;
        for (int head = 0; head < args->n_heads; head++) {
            int k_head = k_head_of(args->n_heads, args->n_kv_heads, args->n_v_heads, head);
            int v_head = head * args->n_v_heads / args->n_heads;
            rows seen = {k + first * k_size + k_head * args->head_dim,
                         v + first * v_size + v_head * args->v_dim,
                         args->n_edge + i - first + 1,
                         k_size,
                         v_size,
                         args->head_dim,
                         args->v_dim};
            int64_t index = i * args->n_heads + head;
            memset(o, 0, (size_t)args->v_dim * sizeof *o);
            double l = naive_sums(&seen, args->q + index * args->head_dim, o);
            for (int j = 0; j < args->v_dim; j++)
                out[index * args->v_dim + j] = (float)(o[j] / l);
        }
    }
    return rounded(&r, out, n_out, args->out_dtype);
}

static void check_window(window_shape shape)
{
    yoco_window_args args = make_window(&r, &rnd, &shape);
    int64_t n = shape.n_rows * args.n_heads * args.v_dim;
    float *want = naive_window(&args, shape.n_rows);
    float *got = run_window_attend(&r, shape.n_rows, args);
    check_rounded(&r, "window_attend", got, want, n, 2e-6, args.out_dtype);
    yoco_window_step_args steps = make_window_steps(&r, &rnd, shape.n_rows, &args);
    check_equal(&r, "window_step", run_window_step(&r, steps), got, (size_t)n * sizeof *got);
    rig_reset(&r);
}

static void test_window(void **state)
{
    (void)state;
    check_window((window_shape){.n_rows = 1, .window = 1, .n_heads = 1, .head_dim = 2});
    check_window((window_shape){.n_rows = 20, .window = 1, .n_heads = 3, .head_dim = 6});
    check_window(
        (window_shape){.n_rows = 20, .n_edge = 4, .window = 5, .n_heads = 3, .head_dim = 6});
    check_window(
        (window_shape){.n_rows = 3, .n_edge = 7, .window = 8, .n_heads = 1, .head_dim = 16});
    check_window(
        (window_shape){.n_rows = 70, .n_edge = 2, .window = 500, .n_heads = 2, .head_dim = 10});
    check_window((window_shape){.n_rows = 9, .window = 4, .n_heads = 2, .head_dim = 300});
    check_window((window_shape){9, 3, 4, 6, 4, .n_kv_heads = 3, .v_dim = 10});
    check_window((window_shape){30, 9, 10, 8, 6, .n_kv_heads = 4, .n_v_heads = 2, .v_dim = 12});
}

static void test_window_writes_its_queries_only(void **state)
{
    (void)state;
    window_shape shape = {.n_rows = 10, .n_edge = 3, .window = 4, .n_heads = 2, .head_dim = 4};
    yoco_window_args args = make_window(&r, &rnd, &shape);
    float *all = run_window_attend(&r, shape.n_rows, args);
    args.q_begin = 2;
    args.q_end = 7;
    float *some = run_window_attend(&r, shape.n_rows, args);
    for (int i = 0; i < 10 * 8; i++) {
        if (i >= 2 * 8 && i < 7 * 8)
            assert_true(some[i] == all[i]);
        else
            assert_true(isnan(some[i]));
    }
}

/* Every row that `query` sees in any segment adds to l and o. */
static double naive_query(const yoco_attend_args *args, int64_t query, int head, double *o)
{
    int64_t k_size = args->n_kv_heads * args->head_dim, v_size = args->n_v_heads * args->v_dim;
    int k_head = k_head_of(args->n_heads, args->n_kv_heads, args->n_v_heads, head);
    int v_head = head * args->n_v_heads / args->n_heads;
    const float *q = args->q + (query * args->n_heads + head) * args->head_dim;
    double l = 0;
    memset(o, 0, (size_t)args->v_dim * sizeof *o);
    for (int i = 0; i < args->n_segments; i++) {
        const yoco_kv_segment *s = &args->segments[i];
        if (query < s->first_query || query >= s->first_query + s->n_queries)
            continue;
        const float *k = rounded(&r, s->k, s->n_rows * k_size, args->kv_dtype);
        const float *v = rounded(&r, s->v, s->n_rows * v_size, args->kv_dtype);
        rows seen = {k + k_head * args->head_dim,
                     v + v_head * args->v_dim,
                     s->n_rows,
                     k_size,
                     v_size,
                     args->head_dim,
                     args->v_dim};
        l += naive_sums(&seen, q, o);
    }
    return l;
}

static void check_attention(const attend_shape *shape)
{
    yoco_attend_args args = make_attend(&r, &rnd, shape);
    int64_t n = args.n_queries * args.n_heads * args.v_dim;
    float *want = rig_host(&r, (size_t)n * sizeof *want);
    double *o = rig_host(&r, (size_t)args.v_dim * sizeof *o);
    for (int64_t query = 0; query < args.n_queries; query++) {
        for (int head = 0; head < args.n_heads; head++) {
            double l = naive_query(&args, query, head, o);
            for (int j = 0; j < args.v_dim; j++)
                want[(query * args.n_heads + head) * args.v_dim + j] =
                    l > 0 ? (float)(o[j] / l) : 0.0f;
        }
    }
    check_rounded(&r, "attention", run_attention(&r, args), rounded(&r, want, n, args.out_dtype), n,
                  4e-6, args.out_dtype);
    rig_reset(&r);
}

static void test_attention(void **state)
{
    (void)state;
    /* Blocks of 1024 and 476 rows per chunk; query 5 sees nothing at all. */
    attend_shape several = {
        .n_queries = 6,
        .n_heads = 4,
        .n_kv_heads = 2,
        .head_dim = 16,
        .q_scale = 3,
        .segments = {
            {0, 5, 2600, 1500}, {0, 2, 300, 1024}, {2, 3, 1030, 1 << 20}, {4, 2, 0, 1024}}};
    check_attention(&several);
    several.q_scale = 30;
    check_attention(&several);
    attend_shape one_row = {.n_queries = 1,
                            .n_heads = 3,
                            .n_kv_heads = 1,
                            .head_dim = 2,
                            .q_scale = 3,
                            .segments = {{0, 1, 1, 1}}};
    check_attention(&one_row);
    attend_shape short_chunks = {.n_queries = 2,
                                 .n_heads = 3,
                                 .n_kv_heads = 3,
                                 .head_dim = 6,
                                 .q_scale = 3,
                                 .segments = {{0, 2, 50, 7}}};
    check_attention(&short_chunks);
    attend_shape wide = {.n_queries = 3,
                         .n_heads = 8,
                         .n_kv_heads = 4,
                         .head_dim = 6,
                         .q_scale = 3,
                         .segments = {{0, 3, 50, 7}, {1, 2, 1030, 1024}},
                         .n_v_heads = 2,
                         .v_dim = 12};
    check_attention(&wide);
}

/* Each partial alone: the rows of its block, an integer maximum just above the scores. */
static void test_partials(void **state)
{
    (void)state;
    enum { HEADS = 2, DIM = 10, ROWS = 2100, CHUNK = 1030, QUERIES = 2, BLOCKS = 5 };
    const int64_t first_row[BLOCKS + 1] = {0, 1024, 1030, 2054, 2060, 2100};
    attend_shape shape = {.n_queries = QUERIES,
                          .n_heads = HEADS,
                          .n_kv_heads = 1,
                          .head_dim = DIM,
                          .q_scale = 8,
                          .segments = {{0, QUERIES, ROWS, CHUNK}}};
    yoco_attend_args args = make_attend(&r, &rnd, &shape);
    const yoco_kv_segment *s = args.segments;
    float *k = rounded(&r, s->k, ROWS * DIM, args.kv_dtype);
    float *v = rounded(&r, s->v, ROWS * DIM, args.kv_dtype);
    run_attend(&r, &args);
    assert_int_equal(attend_n_partials(&args), BLOCKS * QUERIES);
    for (int at = 0; at < BLOCKS * QUERIES * HEADS; at++) {
        int block = at / HEADS / QUERIES;
        rows seen = {k + first_row[block] * DIM,
                     v + first_row[block] * DIM,
                     first_row[block + 1] - first_row[block],
                     DIM,
                     DIM,
                     DIM,
                     DIM};
        const float *q = args.q + at % (QUERIES * HEADS) * DIM;
        double o[DIM] = {0}, l = naive_sums(&seen, q, o), max = -INFINITY;
        for (int64_t row = 0; row < seen.n_rows; row++) {
            rows one = {seen.k + row * DIM, seen.v, 1, DIM, DIM, DIM, DIM};
            double ignored[DIM] = {0};
            max = fmax(max, log2(naive_sums(&one, q, ignored)));
        }
        assert_true(args.max[at] == (float)ceil(max));
        assert_true(fabs(args.sum[at] * exp2(args.max[at]) / l - 1) < 2e-6);
        for (int j = 0; j < DIM; j++)
            assert_true(fabs(args.partial[at * DIM + j] * exp2(args.max[at]) - o[j]) < 2e-6 * l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_window, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_window, open_bf16, close_rig),
        cmocka_unit_test_setup_teardown(test_window_writes_its_queries_only, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_attention, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_attention, open_bf16, close_rig),
        cmocka_unit_test_setup_teardown(test_partials, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_partials, open_bf16, close_rig),
    };
    return cmocka_run_group_tests_name("kernels_reference_attention", tests, NULL, NULL);
}
