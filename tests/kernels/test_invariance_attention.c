/* Attention: a query's bits depend neither on the other queries, nor on threads, nor on how the
 * rows are dealt to ranks or in which order partials merge. */
#include "tests/kernels/attend_ops.h"
#include "tests/kernels/causal_ops.h"
#include "tests/kernels/invariance.h"
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
    rnd.state = 22;
    return 0;
}

enum { WINDOW_ROWS = 130 };

static float *window_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_window_args args = *(const yoco_window_args *)all;
    args.q_begin = first;
    args.q_end = first + n_rows;
    return run_window_attend(r, WINDOW_ROWS, args) + first * args.n_heads * args.v_dim;
}

static float *window_step_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    yoco_window_step_args args = *(const yoco_window_step_args *)all;
    args.n_queries = n_rows;
    args.views += first;
    args.q += first * args.n_heads * args.head_dim;
    return run_window_step(r, args);
}

static void window(const yoco_ops *ops, yoco_device_options options)
{
    static const window_shape shapes[] = {
        {.n_rows = WINDOW_ROWS, .n_edge = 32, .window = 33, .n_heads = 2, .head_dim = 16},
        {.n_rows = WINDOW_ROWS, .n_edge = 5, .window = 200, .n_heads = 3, .head_dim = 10},
        {.n_rows = WINDOW_ROWS, .n_edge = 149, .window = 150, .n_heads = 1, .head_dim = 32},
        {WINDOW_ROWS, 32, 33, 4, 16, .n_kv_heads = 2, .n_v_heads = 1, .v_dim = 32},
    };
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        rig *r = &rigs.with[0];
        yoco_window_args args = make_window(r, &rnd, &shapes[i]);
        int64_t row_size = args.n_heads * args.v_dim;
        check_invariance(&rigs, "window_attend", window_rows, &args, WINDOW_ROWS, row_size, 1);
        args = make_window(r, &rnd, &shapes[i]);
        yoco_window_step_args steps = make_window_steps(r, &rnd, WINDOW_ROWS, &args);
        check_invariance(&rigs, "window_step", window_step_rows, &steps, WINDOW_ROWS, row_size, 1);
    }
    thread_rigs_close(&rigs);
}

static float *causal_rows(rig *r, const void *all, int64_t first, int64_t n_rows)
{
    return run_causal(r, all, first, n_rows).out;
}

static void causal(const yoco_ops *ops, yoco_device_options options)
{
    static const causal_shape shapes[] = {
        {130, {70, 300, 130}, .n_heads = 6, .n_kv_heads = 2, .head_dim = 16},
        {130, {257, 140}, .n_heads = 3, .head_dim = 10},
        {70, {90, 300, 70}, .n_heads = 2, .n_kv_heads = 1, .head_dim = 32},
        {66, {90, 66}, 4, 16, .n_kv_heads = 2, .n_v_heads = 1, .v_dim = 32},
    };
    if (!ops->causal)
        return;
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        causal_case c = make_causal(&rigs.with[0], &rnd, &shapes[i]);
        check_invariance(&rigs, "causal_attend", causal_rows, &c, shapes[i].n_queries,
                         c.args.n_heads * c.args.v_dim, 1);
    }
    thread_rigs_close(&rigs);
}

/* The partials of a run of queries over one segment, a query's together: its max and sum, then its
 * values, of every block. */
static float *attend_rows(rig *r, const void *all, int64_t first, int64_t n_queries)
{
    yoco_attend_args args = *(const yoco_attend_args *)all;
    yoco_kv_segment segment = *args.segments;
    segment.n_queries = n_queries;
    args.segments = &segment;
    args.n_queries = n_queries;
    args.q += first * args.n_heads * args.head_dim;
    run_attend(r, &args);

    int64_t n_blocks = yoco_kv_n_blocks(segment.n_rows, segment.chunk_rows);
    size_t heads = (size_t)args.n_heads, values = heads * (size_t)args.v_dim;
    float *out = rig_host(r, (size_t)(n_queries * n_blocks) * (2 * heads + values) * sizeof *out);
    float *at = out;
    for (int64_t query = 0; query < n_queries; query++) {
        for (int64_t block = 0; block < n_blocks; block++) {
            size_t p = (size_t)(block * n_queries + query);
            memcpy(at, args.max + p * heads, heads * sizeof *at);
            memcpy(at + heads, args.sum + p * heads, heads * sizeof *at);
            memcpy(at + 2 * heads, args.partial + p * values, values * sizeof *at);
            at += 2 * heads + values;
        }
    }
    return out;
}

static void attend(const yoco_ops *ops, yoco_device_options options)
{
    static const attend_shape shapes[] = {
        {130, 4, 1, 16, 3, {{0, 130, 200, 63}}},
        {66, 6, 2, 10, 30, {{0, 66, 1100, 4096}}},
        {65, 3, 3, 36, 3, {{0, 65, 90, 1024}}},
        {66, 2, 1, 32, 3, {{0, 66, 100, 63}}},
        {66, 3, 1, 64, 3, {{0, 66, 100, 63}}},
        {66, 8, 4, 10, 3, {{0, 66, 100, 63}}, .n_v_heads = 2, .v_dim = 20},
    };
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        yoco_attend_args args = make_attend(&rigs.with[0], &rnd, &shapes[i]);
        int64_t n_blocks = yoco_kv_n_blocks(args.segments->n_rows, args.segments->chunk_rows);
        check_invariance(&rigs, "attend", attend_rows, &args, args.n_queries,
                         n_blocks * args.n_heads * (2 + args.v_dim), 1);
    }
    thread_rigs_close(&rigs);
}

enum { ROWS = 8 * 1100 + 500, CHUNK = 1100, MAX_RANKS = 7 };

/* Rank `rank` of n_ranks holds chunks rank, rank + n_ranks, ... one after the other. */
static yoco_kv_segment shard(rig *r, const yoco_attend_args *args, int rank, int n_ranks)
{
    int64_t kv_size = args->n_kv_heads * args->head_dim, n_rows = 0;
    const float *k = args->segments->k, *v = args->segments->v;
    float *own_k = rig_host(r, (size_t)(ROWS * kv_size) * sizeof *own_k);
    float *own_v = rig_host(r, (size_t)(ROWS * kv_size) * sizeof *own_v);
    for (int64_t chunk = rank; chunk * CHUNK < ROWS; chunk += n_ranks) {
        int64_t first = chunk * CHUNK, n = yoco_i64_min(CHUNK, ROWS - first);
        memcpy(own_k + n_rows * kv_size, k + first * kv_size, (size_t)(n * kv_size) * sizeof *k);
        memcpy(own_v + n_rows * kv_size, v + first * kv_size, (size_t)(n * kv_size) * sizeof *v);
        n_rows += n;
    }
    yoco_kv_segment segment = *args->segments;
    segment.n_rows = n_rows;
    segment.k = own_k;
    segment.v = own_v;
    return segment;
}

/* What the ranks agree on, and the answer. */
typedef struct merged {
    float *global_max;
    int64_t *fixed;
    float *out;
} merged;

static merged merge_ranks(rig *r, yoco_attend_args args, int n_ranks)
{
    int64_t n_heads = args.n_queries * args.n_heads, n_fixed = n_heads * (1 + args.v_dim);
    yoco_attend_args ranks[MAX_RANKS];
    yoco_kv_segment segments[MAX_RANKS];
    int bad;
    merged m = {.global_max = rig_host(r, (size_t)n_heads * sizeof(float)),
                .fixed = rig_host(r, (size_t)n_fixed * sizeof(int64_t))};
    memset(m.fixed, 0, (size_t)n_fixed * sizeof *m.fixed);
    for (int64_t i = 0; i < n_heads; i++)
        m.global_max[i] = -INFINITY;
    for (int rank = 0; rank < n_ranks; rank++) {
        segments[rank] = shard(r, &args, rank, n_ranks);
        ranks[rank] = args;
        ranks[rank].segments = &segments[rank];
        ranks[rank].bad = &bad;
        run_attend(r, &ranks[rank]);
        assert_int_equal(bad, 0);
        for (int64_t i = 0; i < n_heads; i++)
            m.global_max[i] = fmaxf(m.global_max[i], ranks[rank].global_max[i]);
    }
    for (int rank = 0; rank < n_ranks; rank++) {
        ranks[rank].global_max = m.global_max;
        run_merge_sum(r, &ranks[rank]);
        for (int64_t i = 0; i < n_fixed; i++)
            m.fixed[i] += ranks[rank].fixed[i];
    }
    args.n_segments = 0;
    args.global_max = m.global_max;
    args.fixed = m.fixed;
    m.out = run_merge_finish(r, args);
    return m;
}

static void ranks(const yoco_ops *ops, yoco_device_options options)
{
    static const attend_shape shape = {3, 4, 2, 10, 8, {{0, 3, ROWS, CHUNK}}};
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    yoco_attend_args args = make_attend(&rigs.with[0], &rnd, &shape);
    size_t n = (size_t)(args.n_queries * args.n_heads), dim = (size_t)args.v_dim;
    merged one = merge_ranks(&rigs.with[0], args, 1);
    for (int n_ranks = 1; n_ranks <= MAX_RANKS; n_ranks++) {
        rig *r = &rigs.with[n_ranks % N_THREAD_RIGS];
        merged many = merge_ranks(r, args, n_ranks);
        check_equal(r, "maxima over ranks", many.global_max, one.global_max, n * sizeof(float));
        check_equal(r, "merge_sum over ranks", many.fixed, one.fixed,
                    n * (1 + dim) * sizeof(int64_t));
        check_equal(r, "merge_finish over ranks", many.out, one.out, n * dim * sizeof(float));
    }
    thread_rigs_close(&rigs);
}

/* The segments in another order, their partials where they were. */
static void merge_order(const yoco_ops *ops, yoco_device_options options)
{
    static const attend_shape shape = {
        6,  4, 2,
        16, 8, {{0, 5, 2600, 1500}, {0, 2, 300, 1024}, {2, 3, 1030, 1 << 20}, {1, 5, 65, 64}}};
    static const int orders[][ATTEND_MAX_SEGMENTS] = {{3, 2, 1, 0}, {1, 3, 0, 2}};
    thread_rigs rigs;
    thread_rigs_open(&rigs, ops, options);
    yoco_attend_args args = make_attend(&rigs.with[0], &rnd, &shape);
    size_t n = (size_t)(args.n_queries * args.n_heads);
    run_attend(&rigs.with[0], &args);
    run_merge_sum(&rigs.with[0], &args);
    for (int i = 0; i < 2 * N_THREAD_RIGS; i++) {
        yoco_kv_segment segments[ATTEND_MAX_SEGMENTS];
        for (int s = 0; s < ATTEND_MAX_SEGMENTS; s++)
            segments[s] = args.segments[orders[i % 2][s]];
        rig *r = &rigs.with[i / 2];
        yoco_attend_args other = args;
        other.segments = segments;
        run_attend(r, &other);
        check_equal(r, "the maxima", other.global_max, args.global_max, n * sizeof(float));
        run_merge_sum(r, &other);
        check_equal(r, "merge_sum", other.fixed, args.fixed,
                    n * (1 + (size_t)args.v_dim) * sizeof(int64_t));
    }
    thread_rigs_close(&rigs);
}

static void test_window(void **state)
{
    (void)state;
    each_backend(window);
}

static void test_causal(void **state)
{
    (void)state;
    each_backend(causal);
}

static void test_attend(void **state)
{
    (void)state;
    each_backend(attend);
}

static void test_ranks(void **state)
{
    (void)state;
    each_backend(ranks);
}

static void test_merge_order(void **state)
{
    (void)state;
    each_backend(merge_order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_window, seed),      cmocka_unit_test_setup(test_causal, seed),
        cmocka_unit_test_setup(test_attend, seed),      cmocka_unit_test_setup(test_ranks, seed),
        cmocka_unit_test_setup(test_merge_order, seed),
    };
    return cmocka_run_group_tests_name("kernels_invariance_attention", tests, NULL, NULL);
}
