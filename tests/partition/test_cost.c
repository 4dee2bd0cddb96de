/* The formula: tables worked out by hand on a machine of round figures, and what must hold of every
 * prediction. */
#include "partition/cost.h"
#include "partition/op_work.h"
#include "worker/tally.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *source_folder;

/* Those that tests asked for; main frees them. */
static yoco_model_shape *shapes[32];
static int n_shapes;

static const yoco_model_shape *shape(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/configs/shapes/%s.json", source_folder, name);
    assert_true(n_shapes < 32);
    assert_int_equal(yoco_model_shape_load(path, &shapes[n_shapes]), YOCO_OK);
    return shapes[n_shapes++];
}

static yoco_hardware machine(void)
{
    yoco_hardware h;
    assert_int_equal(yoco_hardware_load("h100-infiniband", &h), YOCO_OK);
    return h;
}

static yoco_cost cost_of(const yoco_model_shape *model, const yoco_hardware *h, int64_t n_tokens,
                         int64_t chunk, int n_ranks, int n_branches)
{
    yoco_cost cost;
    yoco_cost_input input = {.shape = model,
                             .hardware = h,
                             .grid = {n_tokens, chunk, n_ranks},
                             .n_branches = n_branches,
                             .branch_rows = 256,
                             .dtype = YOCO_BF16,
                             .measure = yoco_worker_tally};
    assert_int_equal(yoco_cost_make(&input, &cost), YOCO_OK);
    return cost;
}

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9 * fabs(b)))
        fail_msg("%.17g is not %.17g", a, b);
}

static void pairs_are_counted_one_by_one(void **state)
{
    (void)state;
    static const int64_t edges[] = {0, 3, 7}, windows[] = {1, 4, 8, 100};
    for (size_t e = 0; e < 3; e++)
        for (size_t w = 0; w < 4; w++)
            for (int64_t begin = 0; begin < 12; begin++) {
                double sum = 0;
                for (int64_t i = begin; i < 12; i++)
                    sum += (double)yoco_i64_min(windows[w], edges[e] + i + 1);
                near(yoco_window_pairs(edges[e], begin, 12, windows[w]), sum);
            }
}

static void work_of_ops(void **state)
{
    (void)state;
    yoco_work slabs = yoco_work_linear(YOCO_WORK_SLABS, 65, 10, 20, 2, false);
    near(slabs.flops, 2.0 * 128 * 10 * 20); /* two slabs of 64 */
    yoco_work rows = yoco_work_linear(YOCO_WORK_ROWS, 3, 10, 20, 2, true);
    near(rows.flops, 2.0 * 3 * 10 * 20);
    near(rows.bytes, 2.0 * 20 * 10 + 2.0 * 20 * 3 + 8.0 * 3 * 10);
    const yoco_widths widths = {.q = 32, .k = 16, .v = 16, .out = 32};
    yoco_work attend = yoco_work_attend(4, 100, &widths, 2, 0);
    near(attend.flops, 4.0 * 32 * 100 * 4);
    near(attend.bytes, 2.0 * 2 * 16 * 100 + 4.0 * 32 * 4);
    const yoco_widths unlike = {.q = 40, .k = 20, .v = 30, .out = 60};
    yoco_work window = yoco_work_window(3, 0, 10, 4, &unlike, 2);
    near(window.flops, 2.0 * (40 + 60) * 4 * 10);
    near(window.bytes, 10.0 * (4 * 40 + 2 * 60) + 2.0 * (20 + 30) * (10 + 4));
    near(yoco_work_attend(4, 100, &unlike, 2, 8).bytes, 2.0 * 50 * 100 + 4.0 * (40 * 4 + 60 * 8));
    near(yoco_work_mamba_local(100, 12, 5).flops, 7.0 * 100 * 12 * 5);
    near(yoco_work_mamba_step(3, 12, 5).bytes, 3.0 * 4 * 3 * 12 * 5);
    /* one block and a rest: 256 * 257 / 2 and 44 * 45 / 2 pairs */
    near(yoco_work_retention_local(300, 8, 4).flops,
         4.0 * 8 * (256 * 257 / 2.0 + 44 * 45 / 2.0) + 2.0 * 300 * 8 * 4);
    /* two heads of 4 x 8, one block and a rest */
    double pairs = 64 * 65 / 2.0 + 6 * 7 / 2.0;
    near(yoco_work_delta_local(70, 2, 4, 8).flops, 2.0 * 2 * pairs * (4 + 4 + 8));
    near(yoco_work_delta_scan(70, 2, 4, 8).flops, 2.0 * 2 * 70 * 2 * 4 * 8);
    near(yoco_work_delta_out(70, 2, 4, 8).flops, 2.0 * 2 * pairs * (4 + 8) + 2.0 * 2 * 70 * 4 * 8);
    near(yoco_work_delta_step(3, 2, 4, 8).bytes, 2.0 * 4 * 3 * 2 * 4 * 8);
}

/* Only latencies cost anything: what is left are the messages, counted by hand. */
static void messages_by_hand(void **state)
{
    (void)state;
    const yoco_model_shape *model = shape("yoco-3b-window");
    yoco_hardware h = machine();
    h.device.launch_s = h.device.host_s = 0;
    h.device.host_byte_s = h.node.byte_s = h.network.port_byte_s = 1e18;
    for (int kind = 0; kind < YOCO_N_WORK_KINDS; kind++)
        h.device.rate[kind] = (yoco_rate){1e21, 1e18};
    h.node.latency_s = 1;
    h.network.latency_s = 10;
    h.network.hop_s = 100;
    h.network.leaf_nodes = 2;
    static const struct {
        int n_ranks;
        double reduce_s, broadcast_s;
    } table[] = {
        {1, 0, 0},    {2, 1, 2},         {3, 1 + 2, 4},  {8, 3, 6},
        {16, 13, 80}, {24, 13 + 2, 300}, {32, 123, 300},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        yoco_cost cost = cost_of(model, &h, 1 << 20, 2048, table[i].n_ranks, 1);
        if (fabs(cost.merge_s - 13 * 2 * table[i].reduce_s) > 1e-3 ||
            fabs(cost.last_edges_s - 13 * table[i].broadcast_s) > 1e-3)
            fail_msg("%d ranks: merges %g, last edges %g", table[i].n_ranks, cost.merge_s,
                     cost.last_edges_s);
    }
}

static void the_sums_hold(void **state)
{
    (void)state;
    yoco_hardware h = machine();
    static const char *const names[] = {"yoco-3b-window", "yoco-3b-retention", "transformer-3b"};
    static const int ranks[] = {1, 2, 3, 7, 8, 64, 1024};
    for (size_t n = 0; n < 3; n++) {
        const yoco_model_shape *model = shape(names[n]);
        for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
            yoco_cost c = cost_of(model, &h, 1 << 20, 1024, ranks[i], 4);
            near(c.prefill_s, c.compute_s + c.uneven_s + c.chain_s + c.rows_s + c.last_edges_s);
            near(c.step_s, c.repeated_s + c.attention_s + c.merge_s);
            assert_true(n == 2 ? c.rows_s >= 0 : c.rows_s == 0);
            assert_true(c.uneven_s > -1e-12 && c.chain_s >= 0 && c.last_edges_s >= 0);
        }
    }
}

static void limits_are_named(void **state)
{
    (void)state;
    const yoco_model_shape *window = shape("yoco-3b-window"),
                           *retention = shape("yoco-3b-retention");
    yoco_hardware h = machine();
    assert_int_equal(cost_of(window, &h, 1 << 20, 2048, 8, 1).prefill_limit, YOCO_LIMIT_COMPUTE);
    assert_int_equal(cost_of(window, &h, 1 << 20, 1 << 17, 64, 1).prefill_limit,
                     YOCO_LIMIT_FEW_CHUNKS);
    assert_int_equal(cost_of(retention, &h, 1 << 20, 256, 4096, 1).prefill_limit, YOCO_LIMIT_CHAIN);
    assert_int_equal(cost_of(window, &h, 1 << 20, 1024, 1024, 1).prefill_limit,
                     YOCO_LIMIT_LAST_EDGES);
    assert_int_equal(cost_of(window, &h, 1 << 20, 2048, 1, 1).step_limit, YOCO_LIMIT_ATTENTION);
    assert_int_equal(cost_of(window, &h, 1 << 20, 2048, 1024, 1).step_limit, YOCO_LIMIT_WEIGHTS);
    h.network.latency_s = 1e-3;
    assert_int_equal(cost_of(window, &h, 1 << 20, 2048, 1024, 1).step_limit, YOCO_LIMIT_MERGE);
}

/* Chunks that attend over all before take longer one by one: the rank of the last one has the most,
 * and the more rounds of chunks, the less beyond its share. */
static void a_causal_triangle_round_robin(void **state)
{
    (void)state;
    const yoco_model_shape *model = shape("transformer-3b");
    yoco_hardware h = machine();
    enum { N_RANKS = 8, CHUNK = 1024 };
    static const int64_t rounds[] = {1, 2, 3, 5, 10, 20, 40};
    double one = cost_of(model, &h, CHUNK, CHUNK, 1, 1).prefill_s;
    double two = cost_of(model, &h, 2 * CHUNK, CHUNK, 1, 1).prefill_s;
    double earlier = two - 2 * one;
    assert_true(earlier > 0);
    for (size_t i = 0; i < sizeof rounds / sizeof *rounds; i++) {
        int64_t m = rounds[i];
        double chunks = (double)(m * N_RANKS);
        yoco_cost c = cost_of(model, &h, m * N_RANKS * CHUNK, CHUNK, N_RANKS, 1);
        double all = chunks * one + earlier * chunks * (chunks - 1) / 2, last = 0;
        for (int64_t chunk = N_RANKS - 1; chunk < m * N_RANKS; chunk += N_RANKS)
            last += one + earlier * (double)chunk;
        near(c.compute_s, all / N_RANKS);
        near(c.compute_s + c.uneven_s, last);
        assert_true(c.uneven_s <= c.compute_s / (double)m && c.rows_s > 0);
    }
    /* A last chunk that is shorter takes its part, and another rank has the most. */
    yoco_cost c = cost_of(model, &h, N_RANKS * CHUNK + CHUNK / 4, CHUNK, N_RANKS, 1);
    near(c.compute_s + c.uneven_s, one + earlier * (N_RANKS - 1));
}

/* The convolutions' inputs leave before the layer's work and wait for nobody; the state leaves once
 * the one that enters was taken, before the layer's last products. */
static void edges_of_the_delta_rule(void **state)
{
    (void)state;
    char path[4096];
    yoco_hardware h = machine();
    yoco_cost_account account;
    snprintf(path, sizeof path, "%s/tests/reference/fla-yoco-gdn/config.json", source_folder);
    assert_int_equal(yoco_model_shape_load(path, &shapes[n_shapes]), YOCO_OK);
    yoco_cost_input input = {.shape = shapes[n_shapes++],
                             .hardware = &h,
                             .grid = {4096, 256, 4},
                             .n_branches = 1,
                             .branch_rows = 16,
                             .dtype = YOCO_BF16};
    assert_int_equal(yoco_worker_tally(&input, &account), YOCO_OK);
    assert_int_equal(account.n_edges, 4);
    for (int i = 0; i < 4; i += 2) {
        const yoco_cost_edge *inputs = &account.edges[i], *rule = &account.edges[i + 1];
        near(inputs->bytes, 3 * (24 + 24 + 96) * 2.0);
        near(rule->bytes, 4 * 12 * 24 * 4.0);
        assert_false(inputs->is_chained);
        assert_true(rule->is_chained);
        assert_true(inputs->give_s < inputs->take_s && inputs->take_s < rule->take_s);
        assert_true(rule->take_s < rule->give_s);
        assert_true(rule->give_s < (i == 0 ? account.edges[2].give_s : account.chunk_s));
    }
    yoco_free(account.edges);
}

static void recommendations_keep_their_word(void **state)
{
    (void)state;
    const yoco_model_shape *model = shape("yoco-3b-window");
    yoco_hardware h = machine();
    yoco_cost_input input = {.shape = model,
                             .hardware = &h,
                             .grid = {1 << 20, 2048, 1},
                             .n_branches = 1,
                             .branch_rows = 256,
                             .dtype = YOCO_BF16,
                             .measure = yoco_worker_tally};
    yoco_grid grid;
    yoco_cost cost;
    assert_int_equal(yoco_cost_recommend(&input, 0.5, &grid, &cost), YOCO_OK);
    assert_true(cost.prefill_s <= 0.5 && cost.fits);
    yoco_cost fewer = cost_of(model, &h, 1 << 20, grid.chunk_rows, grid.n_ranks / 2, 1);
    assert_true(fewer.prefill_s > 0.5);
    assert_int_equal(yoco_cost_recommend(&input, 1e-6, &grid, &cost), YOCO_ERR_DATA);
    assert_int_equal(yoco_cost_recommend(&input, 0, &grid, &cost), YOCO_OK);
    yoco_cost one = cost_of(model, &h, 1 << 20, 8192, 1, 1);
    assert_true(one.prefill_s >= 0.5 * grid.n_ranks * cost.prefill_s);
    int64_t chunk;
    input.grid.n_ranks = 64;
    assert_int_equal(yoco_cost_best_chunk(&input, &chunk, &cost), YOCO_OK);
    for (int64_t rows = 256; rows <= 8192; rows *= 2)
        assert_true(cost_of(model, &h, 1 << 20, rows, 64, 1).prefill_s >= cost.prefill_s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_counted_one_by_one),
        cmocka_unit_test(work_of_ops),
        cmocka_unit_test(messages_by_hand),
        cmocka_unit_test(the_sums_hold),
        cmocka_unit_test(limits_are_named),
        cmocka_unit_test(a_causal_triangle_round_robin),
        cmocka_unit_test(edges_of_the_delta_rule),
        cmocka_unit_test(recommendations_keep_their_word),
    };
    if (argc != 2)
        return 2;
    source_folder = argv[1];
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    while (n_shapes > 0)
        yoco_free(shapes[--n_shapes]);
    return n_failed;
}
