/* The memory plan: sums, what grows and shrinks with what, the 3B shape at a million tokens. */
#include "partition/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/configs/fixture.h"

static const char *source_folder;

static size_t bf16_bytes(const void *data, int64_t n_out, int64_t n_in)
{
    (void)data;
    return 2 * (size_t)n_out * (size_t)n_in;
}

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

static yoco_plan_input input_of(const yoco_model_shape *model, int64_t n_tokens, int n_ranks)
{
    return (yoco_plan_input){.shape = model,
                             .grid = {n_tokens, 2048, n_ranks},
                             .n_branches = 1,
                             .branch_rows = 256,
                             .dtype = YOCO_BF16,
                             .weight_bytes = bf16_bytes,
                             .file_dtype = YOCO_BF16};
}

static yoco_plan plan_of(yoco_plan_input input, int rank)
{
    yoco_plan plan;
    input.rank = rank;
    assert_int_equal(yoco_plan_make(&input, &plan), YOCO_OK);
    return plan;
}

static size_t context_kv_bytes(const yoco_plan *p)
{
    return p->buffer_bytes[YOCO_BUF_SHARD_K] + p->buffer_bytes[YOCO_BUF_SHARD_V];
}

static void the_total_is_the_sum(void **state)
{
    (void)state;
    const char *const names[] = {"yoco-demo-window", "yoco-demo-retention", "yoco-3b-window"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const yoco_model_shape *model = shape(names[i]);
        for (int rank = 0; rank < 3; rank++) {
            yoco_plan p = plan_of(input_of(model, 100000, 3), rank);
            size_t sum = p.weight_bytes + p.embedding_bytes + p.token_bytes + p.runtime_bytes;
            for (int b = 0; b < YOCO_N_BUFFERS; b++)
                sum += p.buffer_bytes[b];
            assert_int_equal(p.total_bytes, sum);
        }
    }
}

/* 1,048,576 tokens of 2 x 8 heads x 128 channels of 2 bytes are 4 GiB, however many ranks. */
static void the_3b_shape_keeps_4_gib_of_a_million_tokens(void **state)
{
    (void)state;
    const yoco_model_shape *model = shape("yoco-3b-window");
    static const int ranks[] = {1, 2, 3, 64};
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        size_t sum = 0;
        for (int rank = 0; rank < ranks[i]; rank++) {
            yoco_plan p = plan_of(input_of(model, 1 << 20, ranks[i]), rank);
            sum += context_kv_bytes(&p);
            if (rank > 0)
                continue;
            assert_true(context_kv_bytes(&p) < first);
            first = context_kv_bytes(&p);
        }
        assert_int_equal(sum, (size_t)4 << 30);
    }
}

/* Per slot: 13 layers of 2 x 1023 rows of 3072 bf16, or of 24 states of 128 x 128 f32. */
static void edges_of_the_3b_shape(void **state)
{
    (void)state;
    const size_t expected[] = {(size_t)13 * 2 * 1023 * 3072 * 2, (size_t)13 * 24 * 128 * 128 * 4};
    const char *const names[] = {"yoco-3b-window", "yoco-3b-retention"};
    for (int i = 0; i < 2; i++) {
        const yoco_model_shape *model = shape(names[i]);
        yoco_plan p = plan_of(input_of(model, 1 << 20, 64), 0);
        assert_int_equal(p.buffer_bytes[YOCO_BUF_EDGE_IN], expected[i]);
        assert_int_equal(p.buffer_bytes[YOCO_BUF_EDGE_OUT], expected[i]);
        assert_int_equal(p.buffer_bytes[YOCO_BUF_CONTEXT_EDGE], expected[i]);
    }
}

/* 4 layers of 4 heads of 64, a window of 256; chunks of 2048. */
static void work_memory_is_that_of_the_largest_layer(void **state)
{
    (void)state;
    const yoco_model_shape *window = shape("yoco-demo-window"),
                           *retention = shape("yoco-demo-retention");
    yoco_plan w = plan_of(input_of(window, 5000, 2), 0);
    yoco_plan r = plan_of(input_of(retention, 5000, 2), 0);
    const size_t state_bytes = (size_t)4 * 64 * 64 * 4;
    assert_int_equal(w.buffer_bytes[YOCO_BUF_PAST], (size_t)2 * (255 + 2048) * 256 * 2);
    assert_int_equal(r.buffer_bytes[YOCO_BUF_PAST], state_bytes);
    assert_int_equal(w.buffer_bytes[YOCO_BUF_SCRATCH], 0);
    assert_int_equal(r.buffer_bytes[YOCO_BUF_SCRATCH], 8 * state_bytes + (size_t)2 * 2048 * 4 * 4);
    assert_int_equal(w.largest_slot_bytes, (size_t)2 * 255 * 256 * 2);
    assert_int_equal(r.largest_slot_bytes, state_bytes);
    assert_int_equal(w.branch_past_bytes, (size_t)4 * 2 * 256 * 256 * 2);
    assert_int_equal(r.branch_past_bytes, 4 * state_bytes);
}

/* A window wider than everything it could see costs only what it sees. */
static void a_window_is_bounded_by_the_prompt(void **state)
{
    (void)state;
    const yoco_model_shape *model = shape("yoco-demo-window");
    yoco_plan_input input = input_of(model, 10, 1);
    input.branch_rows = 4;
    yoco_plan p = plan_of(input, 0);
    assert_int_equal(p.largest_slot_bytes, (size_t)2 * 14 * 256 * 2);
    assert_int_equal(p.branch_past_bytes, (size_t)4 * 2 * 4 * 256 * 2);
    assert_int_equal(p.piece_rows, 10);
    assert_int_equal(p.buffer_bytes[YOCO_BUF_PAST], (size_t)2 * (14 + 10) * 256 * 2);
}

static void only_rank_0_computes_logits(void **state)
{
    (void)state;
    const yoco_model_shape *model = shape("yoco-demo-window");
    yoco_plan first = plan_of(input_of(model, 4096, 2), 0);
    yoco_plan second = plan_of(input_of(model, 4096, 2), 1);
    size_t output = bf16_bytes(NULL, model->vocab_size, model->dim);
    size_t logits = (size_t)model->vocab_size * sizeof(float);
    assert_int_equal(first.weight_bytes - second.weight_bytes, output);
    assert_int_equal(first.buffer_bytes[YOCO_BUF_LOGITS], logits);
    assert_int_equal(second.buffer_bytes[YOCO_BUF_LOGITS], 0);
}

/* Blocks restart at every chunk: chunks of 2048, 2048 and 904 rows are 2 + 2 + 1 blocks. */
static void partials_cover_blocks_of_context_and_branches(void **state)
{
    (void)state;
    const yoco_model_shape *model = shape("yoco-demo-window");
    yoco_plan_input input = input_of(model, 5000, 1);
    input.n_branches = 3;
    input.branch_rows = 1025;
    assert_int_equal(plan_of(input, 0).n_partials, 5 * 3 + 3 * 2);
    input.grid.n_ranks = 2;
    /* rank 0 has chunks 0 and 2, and blocks 0, 1 and 0 of branches 0, 1 and 2 */
    assert_int_equal(plan_of(input, 0).n_partials, 3 * 3 + 3);
    assert_int_equal(plan_of(input, 0).branch_shard_rows, 1024 + 1 + 1024);
}

static void an_empty_context_is_legal(void **state)
{
    (void)state;
    const yoco_model_shape *model = shape("yoco-demo-retention");
    yoco_plan p = plan_of(input_of(model, 0, 5), 4);
    assert_int_equal(context_kv_bytes(&p), 0);
    assert_int_equal(p.shard_rows, 0);
    assert_int_equal(p.piece_rows, 256);
}

static void overflow_is_refused(void **state)
{
    (void)state;
    const yoco_model_shape *model = shape("yoco-demo-window");
    yoco_plan_input input = input_of(model, INT64_C(1) << 36, 1);
    yoco_plan plan;
    input.grid.chunk_rows = 1;
    input.n_branches = 1 << 20;
    log_begin();
    yoco_status status = yoco_plan_make(&input, &plan);
    log_end("overflows");
    assert_int_equal(status, YOCO_ERR_DATA);
}

static void the_printout_names_every_part(void **state)
{
    (void)state;
    static const char *const parts[] = {"weights",  "shared K,V",        "edges",
                                        "branches", "work: activations", "total"};
    const yoco_model_shape *model = shape("yoco-demo-window");
    yoco_plan p = plan_of(input_of(model, 1 << 20, 1), 0);
    char text[2048], total[64], cut[40];
    yoco_plan_print(&p, text, sizeof text);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_non_null(strstr(text, parts[i]));
    snprintf(total, sizeof total, "%.1f MiB", (double)p.total_bytes / (1 << 20));
    assert_non_null(strstr(text, total));
    yoco_plan_print(&p, cut, sizeof cut);
    assert_int_equal(strlen(cut), sizeof cut - 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_total_is_the_sum),
        cmocka_unit_test(the_3b_shape_keeps_4_gib_of_a_million_tokens),
        cmocka_unit_test(edges_of_the_3b_shape),
        cmocka_unit_test(work_memory_is_that_of_the_largest_layer),
        cmocka_unit_test(a_window_is_bounded_by_the_prompt),
        cmocka_unit_test(only_rank_0_computes_logits),
        cmocka_unit_test(partials_cover_blocks_of_context_and_branches),
        cmocka_unit_test(an_empty_context_is_legal),
        cmocka_unit_test(overflow_is_refused),
        cmocka_unit_test(the_printout_names_every_part),
    };
    if (argc != 2)
        return 2;
    source_folder = argv[1];
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    while (n_shapes > 0)
        yoco_free(shapes[--n_shapes]);
    return n_failed;
}
