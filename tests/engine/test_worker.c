/* The worker's own promises, under mpiexec: ranks that disagree stop, a context replaces an earlier
 * one, an empty one is legal. Bits and numbers are the drivers' part. */
#include "worker/worker.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/configs/fixture.h"

#ifndef YOCO_TEST_TRANSPORT
#define YOCO_TEST_TRANSPORT "mpi"
#endif

enum { VOCAB = 50, CHUNK = 4, MAX_TOKENS = 64, MOST_TOKENS = 1000 };

static yoco_comm *comm;

static yoco_worker *open_worker(const yoco_checkpoint *checkpoint)
{
    const yoco_device_options options = {.n_threads = 1, .isa = YOCO_ISA_PORTABLE};
    yoco_worker *worker;
    assert_int_equal(yoco_worker_create(comm, yoco_ops_find("auto"), &options, checkpoint, &worker),
                     YOCO_OK);
    return worker;
}

static void fill_ids(int32_t *ids, int n)
{
    for (int i = 0; i < n; i++)
        ids[i] = i * 17 % VOCAB;
}

static void prefill(yoco_worker *worker, int64_t n_tokens, int64_t chunk_rows)
{
    int32_t ids[MOST_TOKENS];
    fill_ids(ids, MOST_TOKENS);
    assert_int_equal(yoco_worker_reserve(worker, n_tokens, chunk_rows, 1, 3), YOCO_OK);
    assert_int_equal(yoco_worker_prefill(worker, ids, NULL, NULL), YOCO_OK);
    assert_int_equal(yoco_worker_branch(worker, 0, ids, 1), YOCO_OK);
    assert_int_equal(yoco_worker_position(worker, 0), n_tokens + 1);
}

static yoco_status step(yoco_worker *worker, int32_t id, float logits[VOCAB])
{
    return yoco_worker_step(worker, 1, &(int){0}, &id, comm->rank == 0 ? logits : NULL);
}

static void ranks_that_diverge_stop(void **state)
{
    (void)state;
    yoco_checkpoint *checkpoint = checkpoint_tiny(8);
    yoco_worker *worker = open_worker(checkpoint);
    float logits[VOCAB];
    for (int other = 0; other < comm->n_ranks; other++) {
        prefill(worker, 3 * CHUNK, CHUNK);
        assert_int_equal(step(worker, 5, logits), YOCO_OK);
        log_begin();
        yoco_status status = step(worker, comm->rank == other ? 6 : 5, logits);
        log_end("computed other queries than the rest");
        assert_int_equal(status, YOCO_ERR_INTERNAL);
    }
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

static void other_arithmetic_is_refused(void **state)
{
    (void)state;
    yoco_checkpoint *checkpoint = checkpoint_tiny(8);
    yoco_device_options options = {.n_threads = 1, .isa = YOCO_ISA_PORTABLE};
    yoco_worker *worker;
    options.dtype = comm->rank == 0 ? YOCO_F32 : YOCO_BF16;
    log_begin();
    yoco_status status =
        yoco_worker_create(comm, yoco_ops_find("auto"), &options, checkpoint, &worker);
    log_end(comm->rank == 0 ? NULL : "this rank would compute with");
    assert_int_equal(status, YOCO_ERR_USAGE);
    yoco_checkpoint_close(checkpoint);
}

static void check_refused(const yoco_ops *ops, int sliding_window, const char *line)
{
    const yoco_device_options options = {.n_threads = 1};
    yoco_checkpoint *checkpoint = checkpoint_tiny(sliding_window);
    yoco_worker *worker = NULL;
    log_begin();
    yoco_status status = yoco_worker_create(comm, ops, &options, checkpoint, &worker);
    log_end(comm->rank == 0 ? line : NULL);
    assert_int_equal(status, line ? YOCO_ERR_USAGE : YOCO_OK);
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

/* One rank says so, of the first layer that needs it; other models run. */
static void a_backend_without_a_family_is_refused(void **state)
{
    (void)state;
    yoco_ops ops = yoco_reference_ops;
    ops.window = NULL;
    check_refused(&ops, 8, "the reference backend has no window ops, which layer 0 (window");
    check_refused(&ops, 0, NULL);
    ops.retention = NULL;
    check_refused(&ops, 0, "the reference backend has no retention ops, which layer 0 (gated");
    ops = yoco_reference_ops;
    ops.attend = NULL;
    check_refused(&ops, 8, "the reference backend has no attend ops, which layer 3 (cross");
    ops = yoco_reference_ops;
    ops.choose = NULL;
    check_refused(&ops, 8, "the reference backend has no choose ops, which every model needs");
}

static void the_smallest_instruction_set_counts(void **state)
{
    (void)state;
    yoco_checkpoint *checkpoint = checkpoint_tiny(8);
    yoco_device_options options = {.n_threads = 1, .isa = yoco_isa_detect()};
    yoco_worker *worker;
    if (comm->rank == comm->n_ranks - 1)
        options.isa = YOCO_ISA_PORTABLE;
    assert_int_equal(yoco_worker_create(comm, yoco_ops_find("cpu"), &options, checkpoint, &worker),
                     YOCO_OK);
    assert_non_null(strstr(yoco_worker_arithmetic(worker), yoco_isa_name(YOCO_ISA_PORTABLE)));
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

/* Every rank meets it; one says so. */
static void weights_that_are_not_finite_stop(void **state)
{
    (void)state;
    yoco_checkpoint *checkpoint = checkpoint_tiny(8);
    float *q = (float *)(uintptr_t)checkpoint->layers[4]
                   .role[YOCO_ROLE_Q]
                   ->data; /* made here, so writable */
    float logits[VOCAB];
    q[7] = NAN;
    yoco_worker *worker = open_worker(checkpoint);
    prefill(worker, 3 * CHUNK, CHUNK);
    log_begin();
    yoco_status status = step(worker, 5, logits);
    log_end(comm->rank == 0 ? "not finite" : NULL);
    assert_int_equal(status, YOCO_ERR_DATA);
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

static void check_replaced(int sliding_window, int64_t chunk_rows)
{
    yoco_checkpoint *checkpoint = checkpoint_tiny(sliding_window);
    yoco_worker *worker = open_worker(checkpoint);
    static const int64_t n_tokens[] = {0, 1, 30, MAX_TOKENS, 7};
    float first[5][VOCAB] = {0}, again[VOCAB] = {0};
    for (int i = 0; i < 10; i++) {
        float *logits = i < 5 ? first[i] : again;
        prefill(worker, n_tokens[i % 5], chunk_rows);
        assert_int_equal(step(worker, 5, logits), YOCO_OK);
        if (i >= 5)
            assert_memory_equal(again, first[i % 5], sizeof again);
    }
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

static void a_context_replaces_an_earlier_one(void **state)
{
    (void)state;
    check_replaced(8, CHUNK);
    check_replaced(1, CHUNK);
    check_replaced(0, YOCO_RETENTION_ROWS);
}

/* Every rank alone computes what all of them compute together, and they can meet again. */
static void check_groups(yoco_checkpoint *checkpoint, int64_t n_tokens, int64_t chunk_rows)
{
    yoco_worker *worker = open_worker(checkpoint);
    yoco_comm *world = comm, *alone;
    float together[VOCAB] = {0}, mine[VOCAB] = {0};
    prefill(worker, n_tokens, chunk_rows);
    assert_int_equal(step(worker, 5, together), YOCO_OK);
    assert_int_equal(world->ops->broadcast(world, 0, together, sizeof together), YOCO_OK);

    assert_int_equal(world->ops->split(world, world->rank, &alone), YOCO_OK);
    assert_int_equal(yoco_worker_regroup(worker, alone), YOCO_OK);
    comm = alone;
    prefill(worker, n_tokens, chunk_rows);
    assert_int_equal(step(worker, 5, mine), YOCO_OK);
    assert_memory_equal(mine, together, sizeof mine);
    comm = world;

    assert_int_equal(yoco_worker_regroup(worker, world), YOCO_OK);
    alone->ops->close(alone);
    memset(mine, 0, sizeof mine);
    prefill(worker, n_tokens, chunk_rows);
    assert_int_equal(step(worker, 5, mine), YOCO_OK);
    if (world->rank == 0)
        assert_memory_equal(mine, together, sizeof mine);
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

static void groups_give_the_same_bits(void **state)
{
    (void)state;
    check_groups(checkpoint_tiny(8), 30, CHUNK);
}

/* Pasts of different forms and widths in one model, which no family has yet. */
static void layers_of_several_kinds(void **state)
{
    (void)state;
    check_groups(checkpoint_mixed(), 0, YOCO_RETENTION_ROWS);
    check_groups(checkpoint_mixed(), MAX_TOKENS, YOCO_RETENTION_ROWS);
    check_groups(checkpoint_mixed(), 4 * YOCO_RETENTION_ROWS - 100, YOCO_RETENTION_ROWS);
}

/* Logits after n_tokens + 1 tokens and another one: n_prefilled come by the ring, n_asked as a
 * branch's question, the others in steps. */
static void delta_logits(yoco_worker *worker, const int64_t n[3], int64_t chunk_rows,
                         float logits[VOCAB])
{
    int32_t ids[MOST_TOKENS];
    fill_ids(ids, MOST_TOKENS);
    assert_int_equal(yoco_worker_reserve(worker, n[0], chunk_rows, 1, n[1] + n[2] + 1), YOCO_OK);
    assert_int_equal(yoco_worker_prefill(worker, ids, NULL, NULL), YOCO_OK);
    assert_int_equal(yoco_worker_branch(worker, 0, ids + n[0], n[1]), YOCO_OK);
    for (int64_t i = n[0] + n[1]; i < n[0] + n[1] + n[2]; i++)
        assert_int_equal(step(worker, ids[i], logits), YOCO_OK);
    assert_int_equal(step(worker, 5, logits), YOCO_OK);
    assert_int_equal(comm->ops->broadcast(comm, 0, logits, VOCAB * sizeof *logits), YOCO_OK);
}

/* In blocks and pieces of any size, shorter than the convolution too, the rule is what it is step
 * by step. */
static void delta_in_pieces_and_in_steps(void **state)
{
    (void)state;
    static const int64_t n_tokens[] = {1, 2, 5, 66}, chunks[] = {1, 3, 64};
    yoco_checkpoint *checkpoint = checkpoint_delta();
    yoco_worker *worker = open_worker(checkpoint);
    for (size_t i = 0; i < sizeof n_tokens / sizeof *n_tokens; i++) {
        const int64_t n = n_tokens[i], half = n / 2;
        const int64_t ways[][3] = {{n, 1, 0}, {half, n + 1 - half, 0}, {half, 1, n - half}};
        float steps[VOCAB], other[VOCAB];
        delta_logits(worker, (const int64_t[3]){0, 1, n}, 1, steps);
        for (size_t j = 0; j < sizeof chunks / sizeof *chunks; j++) {
            if (n / chunks[j] > 30) /* as many pieces, and nothing new */
                continue;
            for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
                delta_logits(worker, ways[way], chunks[j], other);
                for (int id = 0; id < VOCAB; id++)
                    assert_true(fabsf(other[id] - steps[id]) < 2e-5f);
            }
        }
    }
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
    for (int64_t chunk = 1; chunk <= 4; chunk++)
        check_groups(checkpoint_delta(), 11, chunk);
    check_groups(checkpoint_delta(), 300, YOCO_DELTA_ROWS);
}

/* Rows of one layer's K or V. */
typedef struct gathered {
    int64_t n, width;
    float rows[MAX_TOKENS * 32];
} gathered;

/* A yoco_row_sink. */
static yoco_status add_rows(void *data, const void *rows, int64_t n_rows)
{
    gathered *to = data;
    assert_true(to->n + n_rows <= MAX_TOKENS);
    memcpy(to->rows + to->n * to->width, rows, (size_t)(n_rows * to->width) * sizeof(float));
    to->n += n_rows;
    return YOCO_OK;
}

/* Of the layers of checkpoint_mixed that keep rows: K and V. */
enum { N_KEPT = 2 };
static const int kept[N_KEPT] = {2, 3};

static void gather_all(yoco_worker *worker, const yoco_model_shape *shape, int64_t n_tokens,
                       int64_t n_own, gathered out[N_KEPT][2])
{
    int32_t ids[MAX_TOKENS];
    fill_ids(ids, MAX_TOKENS);
    assert_int_equal(yoco_worker_reserve(worker, n_tokens, YOCO_RETENTION_ROWS, 2, 1 + n_own),
                     YOCO_OK);
    assert_int_equal(yoco_worker_prefill(worker, ids, NULL, NULL), YOCO_OK);
    for (int branch = 0; branch < 2; branch++)
        assert_int_equal(yoco_worker_branch(worker, branch, ids + n_tokens, n_own), YOCO_OK);
    for (int i = 0; i < 2 * N_KEPT; i++) {
        gathered *to = &out[i / 2][i % 2];
        const yoco_layer_shape *layer = &shape->layers[kept[i / 2]];
        assert_true(yoco_layer_keeps_rows(layer));
        to->n = 0;
        to->width = i % 2 ? yoco_layer_v_width(layer) : yoco_layer_k_width(layer);
        assert_int_equal(yoco_worker_gather(worker, kept[i / 2], 1, i % 2, add_rows, to), YOCO_OK);
    }
}

/* Rows that two layers keep, of a context and of branches, do not lie on each other. */
static void rows_of_a_branch_are_those_of_a_context(void **state)
{
    (void)state;
    static gathered of_branch[N_KEPT][2], of_context[N_KEPT][2];
    yoco_checkpoint *checkpoint = checkpoint_mixed();
    yoco_worker *worker = open_worker(checkpoint);
    gather_all(worker, checkpoint->shape, 40, 20, of_branch);
    gather_all(worker, checkpoint->shape, 60, 0, of_context);
    assert_int_not_equal(of_context[0]->width, of_context[1]->width);
    for (int i = 0; i < 2 * N_KEPT && comm->rank == 0; i++) {
        const gathered *a = &of_branch[i / 2][i % 2], *b = &of_context[i / 2][i % 2];
        double sum = 0;
        assert_int_equal(a->n, 60);
        assert_int_equal(b->n, 60);
        for (int j = 0; j < 60 * a->width; j++) {
            assert_true(fabsf(a->rows[j] - b->rows[j]) < 1e-4f);
            sum += fabs((double)b->rows[j]);
        }
        assert_true(sum > 0);
    }
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

/* A question, token by token and in one piece, where rounding differs: the same answer, nearly. */
static void pieces_and_steps_agree(void **state)
{
    (void)state;
    enum { N_QUESTION = 20 };
    yoco_checkpoint *checkpoint = checkpoint_mixed();
    yoco_worker *worker = open_worker(checkpoint);
    int32_t ids[MAX_TOKENS];
    float piece[VOCAB] = {0}, steps[VOCAB] = {0};
    fill_ids(ids, MAX_TOKENS);
    assert_int_equal(
        yoco_worker_reserve(worker, MAX_TOKENS, YOCO_RETENTION_ROWS, 1, N_QUESTION + 1), YOCO_OK);
    assert_int_equal(yoco_worker_prefill(worker, ids, NULL, NULL), YOCO_OK);
    assert_int_equal(yoco_worker_branch(worker, 0, ids, N_QUESTION), YOCO_OK);
    assert_int_equal(step(worker, 5, piece), YOCO_OK);
    assert_int_equal(yoco_worker_branch(worker, 0, ids, 0), YOCO_OK);
    for (int i = 0; i < N_QUESTION; i++)
        assert_int_equal(step(worker, ids[i], steps), YOCO_OK);
    assert_int_equal(step(worker, 5, steps), YOCO_OK);
    for (int i = 0; i < VOCAB; i++)
        assert_true(fabsf(piece[i] - steps[i]) < 1e-4f);
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_that_diverge_stop),
        cmocka_unit_test(other_arithmetic_is_refused),
        cmocka_unit_test(a_backend_without_a_family_is_refused),
        cmocka_unit_test(the_smallest_instruction_set_counts),
        cmocka_unit_test(weights_that_are_not_finite_stop),
        cmocka_unit_test(a_context_replaces_an_earlier_one),
        cmocka_unit_test(groups_give_the_same_bits),
        cmocka_unit_test(layers_of_several_kinds),
        cmocka_unit_test(delta_in_pieces_and_in_steps),
        cmocka_unit_test(rows_of_a_branch_are_those_of_a_context),
        cmocka_unit_test(pieces_and_steps_agree),
    };
    yoco_comm_options options = {.deadline_s = 30};
    yoco_comm *control;
    yoco_status status = yoco_comm_open_mpi(&options, 0, &control);
    if (status == YOCO_OK)
        status = yoco_transport_open(YOCO_TEST_TRANSPORT, true, control, &comm);
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    /* The ranks are not in step any more: others may wait for what this one did not send. */
    if (n_failed > 0)
        comm->ops->abort(comm, 1);
    comm->ops->close(comm);
    return 0;
}
