/* What a token and a chunk cost in launches, copies and waits, on one rank, for as many layers as
 * the models of 3B have, with heads of 64; other widths change none of these numbers. Nothing is
 * computed. A figure that changes is changed here too, with a reason in the commit. */
#include "tests/cuda_host/counts.h"
#include "worker/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LAYERS = 26, CHUNK = 256, MAX_BRANCHES = 64, BRANCH_ROWS = 8, WARM_STEPS = 1 };

typedef struct budget {
    const char *what;
    int sliding_window, n_branches;
    cuda_host_counts step, chunk;
} budget;

/* clang-format off */
static const budget budgets[] = {
    /*           window, branches; of a step, of a chunk:
     *           kernels, copies, zeroings, uploads, their bytes, graphs, waits */
    {"window, 1",         64,  1, {295, 6, 14, 4, 812, 27, 4}, {162, 54, 0, 28, 422400, 0, 27}},
    {"window, 8",         64,  8, {295, 6, 14, 4, 3696, 27, 4}, {162, 54, 0, 28, 422400, 0, 27}},
    {"window, 64",        64, 64, {308, 6, 14, 4, 26768, 27, 4}, {162, 54, 0, 28, 422400, 0, 27}},
    {"retention, 1",       0,  1, {308, 6, 14, 4, 812, 27, 4}, {279, 132, 52, 15, 429056, 0, 27}},
    {"retention, 8",       0,  8, {308, 6, 14, 4, 3696, 27, 4}, {279, 132, 52, 15, 429056, 0, 27}},
    {"retention, 64",      0, 64, {308, 6, 14, 4, 26768, 27, 4}, {279, 132, 52, 15, 429056, 0, 27}},
};
/* clang-format on */

static yoco_comm *comm;

static yoco_checkpoint *make_checkpoint(int sliding_window)
{
    const yoco_model_config config = {.dim = 128,
                                      .hidden_dim = 64,
                                      .n_layers = LAYERS,
                                      .n_self_heads = 2,
                                      .n_attn_heads = 2,
                                      .n_attn_kv_heads = 1,
                                      .vocab_size = 50,
                                      .sliding_window = sliding_window,
                                      .max_seq_len = 2000,
                                      .norm_eps = 1e-5f,
                                      .rope_theta = 10000.0};
    yoco_model_shape *shape;
    yoco_checkpoint *checkpoint;
    assert_int_equal(yoco_model_shape_make(&config, &shape), YOCO_OK);
    assert_int_equal(yoco_checkpoint_random(shape, YOCO_BF16, 1, &checkpoint), YOCO_OK);
    yoco_free(shape);
    return checkpoint;
}

static cuda_host_counts since(cuda_host_counts before)
{
    const cuda_host_counts *now = &cuda_host_counted;
    return (cuda_host_counts){.kernels = now->kernels - before.kernels,
                              .copies = now->copies - before.copies,
                              .zeroings = now->zeroings - before.zeroings,
                              .uploads = now->uploads - before.uploads,
                              .upload_bytes = now->upload_bytes - before.upload_bytes,
                              .graphs = now->graphs - before.graphs,
                              .waits = now->waits - before.waits};
}

/* A step and the choice of the next ids, once graphs exist. */
static cuda_host_counts count_step(yoco_worker *worker, int n_branches)
{
    int branches[MAX_BRANCHES];
    int32_t ids[MAX_BRANCHES], next[MAX_BRANCHES];
    cuda_host_counts before = {0};
    for (int i = 0; i < n_branches; i++) {
        branches[i] = i;
        ids[i] = i % 50;
        assert_int_equal(yoco_worker_branch(worker, i, ids, 0), YOCO_OK);
    }
    for (int i = 0; i <= WARM_STEPS; i++) {
        before = cuda_host_counted;
        assert_int_equal(yoco_worker_step(worker, n_branches, branches, ids, NULL), YOCO_OK);
        yoco_worker_likeliest(worker, 0, n_branches, NULL, 0, next); /* of what nobody computed */
    }
    return since(before);
}

/* The second chunk, which takes an edge and passes one on. */
static cuda_host_counts count_chunk(yoco_worker *worker, int n_branches)
{
    int32_t ids[2 * CHUNK + 1] = {0};
    cuda_host_counts chunks[2];
    for (int n = 1; n <= 2; n++) {
        assert_int_equal(yoco_worker_reserve(worker, n * CHUNK, CHUNK, n_branches, BRANCH_ROWS),
                         YOCO_OK);
        cuda_host_counts before = cuda_host_counted;
        assert_int_equal(yoco_worker_prefill(worker, ids, NULL, NULL), YOCO_OK);
        chunks[n - 1] = since(before);
    }
    const int64_t *one = (const int64_t *)&chunks[0];
    int64_t *two = (int64_t *)&chunks[1];
    for (size_t i = 0; i < sizeof chunks[0] / sizeof *two; i++)
        two[i] -= one[i];
    return chunks[1];
}

static void print_counts(const char *what, const cuda_host_counts *c)
{
    printf("%s: {%lld, %lld, %lld, %lld, %lld, %lld, %lld}\n", what, (long long)c->kernels,
           (long long)c->copies, (long long)c->zeroings, (long long)c->uploads,
           (long long)c->upload_bytes, (long long)c->graphs, (long long)c->waits);
}

static void nothing_costs_more(void **state)
{
    (void)state;
    const yoco_device_options options = {.n_threads = 1, .dtype = YOCO_BF16};
    bool same = true;
    cuda_host_only_counts = true;
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        const budget *b = &budgets[i];
        yoco_checkpoint *checkpoint = make_checkpoint(b->sliding_window);
        yoco_worker *worker;
        assert_int_equal(
            yoco_worker_create(comm, yoco_ops_find("cuda"), &options, checkpoint, &worker),
            YOCO_OK);
        cuda_host_counts chunk = count_chunk(worker, b->n_branches);
        cuda_host_counts step = count_step(worker, b->n_branches);
        print_counts(b->what, &step);
        print_counts("  a chunk", &chunk);
        same = same && memcmp(&step, &b->step, sizeof step) == 0 &&
               memcmp(&chunk, &b->chunk, sizeof chunk) == 0;
        yoco_worker_free(worker);
        yoco_checkpoint_close(checkpoint);
    }
    assert_true(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_costs_more)};
    yoco_comm_options options = {.deadline_s = 30};
    yoco_status status = yoco_comm_open_mpi(&options, 0, &comm);
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    comm->ops->close(comm);
    return n_failed;
}
