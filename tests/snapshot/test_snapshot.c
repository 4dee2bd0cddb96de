/* The worker's part of snapshots, under mpiexec: contexts without tokens, a stop that comes before
 * the first chunk, a prefill that finds everything done. */
#include "worker/snapshot/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "configs/context/document.h"
#include "tests/configs/fixture.h"

enum { VOCAB = 50, CHUNK = 4, N_TOKENS = 62, MOST_TOKENS = 900 };

static yoco_comm *comm;
static int32_t ids[MOST_TOKENS];
static char folder[64];

static yoco_worker *worker;
static yoco_checkpoint *checkpoint;

static int64_t chunk_rows;

static void open_worker(yoco_checkpoint *opened)
{
    const yoco_device_options options = {.n_threads = 1, .isa = YOCO_ISA_PORTABLE};
    checkpoint = opened;
    chunk_rows = yoco_shape_chunk_multiple(checkpoint->shape) > 1 ? YOCO_RETENTION_ROWS : CHUNK;
    assert_int_equal(yoco_worker_create(comm, yoco_ops_find("auto"), &options, checkpoint, &worker),
                     YOCO_OK);
}

static void close_worker(void)
{
    if (comm->rank == 0)
        assert_int_equal(yoco_snapshot_remove(worker, folder), YOCO_OK);
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
    assert_int_equal(comm->ops->agree(comm, YOCO_OK), YOCO_OK);
}

static yoco_status prefill(int64_t n_tokens, const volatile sig_atomic_t *stop,
                           yoco_snapshot_result *result)
{
    const yoco_snapshot_target target = {.folder = folder, .stop = stop, .temporary = true};
    assert_int_equal(yoco_worker_reserve_durable(worker, n_tokens, chunk_rows, 1, 2), YOCO_OK);
    return yoco_worker_prefill_durable(worker, ids, &target, NULL, NULL, result);
}

static void load(int64_t n_tokens)
{
    const yoco_snapshot_target target = {.folder = folder};
    assert_int_equal(yoco_worker_reserve(worker, n_tokens, chunk_rows, 1, 2), YOCO_OK);
    assert_int_equal(yoco_worker_load(worker, &target), YOCO_OK);
}

/* All files are as they were written, until one byte is not. */
static void verify(void)
{
    yoco_context_manifest manifest;
    char path[128];
    assert_int_equal(comm->ops->agree(comm, YOCO_OK), YOCO_OK);
    if (comm->rank != 0)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, yoco_context_manifest_name);
    assert_int_equal(yoco_context_manifest_load(path, false, &manifest), YOCO_OK);
    assert_int_equal(yoco_context_verify(folder, &manifest), YOCO_OK);
    snprintf(path, sizeof path, "%s/chunk-000001.safetensors", folder);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, -1, SEEK_END); /* V of the last layer that keeps rows */
    int last = fgetc(file);
    fseek(file, -1, SEEK_END);
    fputc(last ^ 1, file);
    fclose(file);
    log_begin();
    yoco_status status = yoco_context_verify(folder, &manifest);
    log_end("not what its checksum says");
    assert_int_equal(status, YOCO_ERR_DATA);
    yoco_context_manifest_free(&manifest);
}

static void step(float logits[VOCAB])
{
    assert_int_equal(yoco_worker_branch(worker, 0, ids, 1), YOCO_OK);
    assert_int_equal(
        yoco_worker_step(worker, 1, &(int){0}, &(int32_t){5}, comm->rank == 0 ? logits : NULL),
        YOCO_OK);
}

static void check_without_tokens(int sliding_window)
{
    float made[VOCAB] = {0}, loaded[VOCAB] = {0};
    yoco_snapshot_result result;
    open_worker(checkpoint_tiny(sliding_window));
    assert_int_equal(prefill(0, NULL, &result), YOCO_OK);
    assert_int_equal(result.durable, YOCO_OK);
    step(made);
    load(0);
    step(loaded);
    assert_memory_equal(made, loaded, sizeof made);
    close_worker();
}

static void a_context_without_tokens(void **state)
{
    (void)state;
    check_without_tokens(8);
    check_without_tokens(0);
}

/* Asked from the start: each rank runs two chunks at most, and the next prefill takes them up. */
static void a_stop_is_taken_up(void **state)
{
    (void)state;
    volatile sig_atomic_t stop = comm->rank == comm->n_ranks - 1;
    float made[VOCAB] = {0}, loaded[VOCAB] = {0};
    yoco_snapshot_result result;
    open_worker(checkpoint_tiny(8));
    yoco_log_set_quiet(true);
    assert_int_equal(prefill(N_TOKENS, &stop, &result), YOCO_ERR_STOPPED);
    stop = 0;
    assert_int_equal(prefill(N_TOKENS, &stop, &result), YOCO_OK);
    yoco_log_set_quiet(false);
    /* The last rank's first chunk is n_ranks - 1. */
    assert_int_equal(result.n_restored, CHUNK * 2 * comm->n_ranks);
    step(made);
    load(N_TOKENS);
    step(loaded);
    assert_memory_equal(made, loaded, sizeof made);
    close_worker();
}

static void nothing_is_computed_twice(void **state)
{
    (void)state;
    float made[VOCAB] = {0}, again[VOCAB] = {0};
    yoco_snapshot_result result;
    open_worker(checkpoint_tiny(8));
    assert_int_equal(prefill(N_TOKENS, NULL, &result), YOCO_OK);
    assert_int_equal(result.n_restored, 0);
    step(made);
    yoco_log_set_quiet(true);
    assert_int_equal(prefill(N_TOKENS, NULL, &result), YOCO_OK);
    yoco_log_set_quiet(false);
    assert_int_equal(result.n_restored, N_TOKENS);
    step(again);
    assert_memory_equal(made, again, sizeof made);
    close_worker();
}

/* Edges of different forms in one file, rows of different widths in another. */
static void check_kinds(yoco_checkpoint *(*make)(void), int64_t n_tokens, int64_t rows)
{
    volatile sig_atomic_t stop = 1;
    float made[VOCAB] = {0}, loaded[VOCAB] = {0};
    yoco_snapshot_result result;
    open_worker(make());
    chunk_rows = rows;
    yoco_log_set_quiet(true);
    yoco_status status = prefill(n_tokens, &stop, &result);
    assert_true(status == YOCO_ERR_STOPPED || comm->n_ranks > 1);
    stop = 0;
    assert_int_equal(prefill(n_tokens, &stop, &result), YOCO_OK);
    yoco_log_set_quiet(false);
    assert_true(result.n_restored > 0);
    step(made);
    load(n_tokens);
    step(loaded);
    assert_memory_equal(made, loaded, sizeof made);
    close_worker();

    open_worker(make());
    chunk_rows = rows;
    assert_int_equal(prefill(n_tokens, NULL, &result), YOCO_OK);
    assert_int_equal(result.n_restored, 0);
    verify();
    step(loaded);
    assert_memory_equal(made, loaded, sizeof made);
    close_worker();
}

/* Of the delta rule, also chunks shorter than its convolution. */
static void layers_of_several_kinds(void **state)
{
    (void)state;
    check_kinds(checkpoint_mixed, MOST_TOKENS, YOCO_RETENTION_ROWS);
    check_kinds(checkpoint_delta, N_TOKENS, CHUNK);
    check_kinds(checkpoint_delta, N_TOKENS / 2, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_without_tokens),
        cmocka_unit_test(a_stop_is_taken_up),
        cmocka_unit_test(nothing_is_computed_twice),
        cmocka_unit_test(layers_of_several_kinds),
    };
    yoco_comm_options options = {.deadline_s = 30};
    yoco_status status = yoco_comm_open_mpi(&options, 0, &comm);
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    for (int i = 0; i < MOST_TOKENS; i++)
        ids[i] = i * 17 % VOCAB;
    snprintf(folder, sizeof folder, "/tmp/yoco-test-%ld", (long)getpid());
    status = comm->ops->broadcast(comm, 0, folder, sizeof folder);
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    /* The ranks are not in step any more: others may wait for what this one did not send. */
    if (n_failed > 0 || status != YOCO_OK)
        comm->ops->abort(comm, 1);
    comm->ops->close(comm);
    return 0;
}
