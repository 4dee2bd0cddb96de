/* --dump of a model with two layers that keep rows, which no family has yet: all of their rows,
 * under names of their own. */
#include "coordinator/ask/dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "configs/files/safetensors.h"
#include "tests/configs/fixture.h"

enum { VOCAB = 50, N_TOKENS = 300, N_QUESTIONS = 2, N_QUESTION_IDS = 3 };

static yoco_comm *comm;
static int32_t ids[N_TOKENS];

static void open_session(yoco_session *s)
{
    *s =
        (yoco_session){.comm = comm, .checkpoint = checkpoint_mixed(), .ops = yoco_ops_find("cpu")};
    s->device = (yoco_device_options){.n_threads = 1, .isa = YOCO_ISA_PORTABLE};
    assert_int_equal(yoco_worker_create(comm, s->ops, &s->device, s->checkpoint, &s->worker),
                     YOCO_OK);
    assert_int_equal(
        yoco_worker_reserve(s->worker, N_TOKENS, YOCO_RETENTION_ROWS, N_QUESTIONS, N_QUESTION_IDS),
        YOCO_OK);
    assert_int_equal(yoco_worker_prefill(s->worker, ids, NULL, NULL), YOCO_OK);
    for (int i = 0; i < N_QUESTIONS; i++)
        assert_int_equal(yoco_worker_branch(s->worker, i, ids + i, N_QUESTION_IDS), YOCO_OK);
}

/* The first row, of 8 for each head. */
static const float *check_rows(const yoco_safetensors *file, const char *name, int64_t n_heads)
{
    const yoco_tensor *tensor = yoco_safetensors_find(file, name);
    if (!tensor) {
        fail_msg("no tensor %s", name);
        return NULL;
    }
    assert_int_equal(tensor->dtype, YOCO_F32);
    assert_int_equal(tensor->shape[0], N_TOKENS + N_QUESTION_IDS);
    assert_int_equal(tensor->shape[1], n_heads);
    assert_int_equal(tensor->shape[2], 8);
    int64_t n_zeros = 0, n = tensor->shape[0] * tensor->shape[1] * tensor->shape[2];
    for (int64_t i = 0; i < n; i++)
        n_zeros += ((const float *)tensor->data)[i] == 0;
    assert_true(n_zeros < n / 100);
    return (const float *)tensor->data;
}

static void all_layers_are_written(void **state)
{
    (void)state;
    yoco_session session;
    float logits[VOCAB] = {0};
    char *folder = folder_create();
    const char *path = path_in(folder, "dump");
    yoco_prompt prompt = {.context = {ids, N_TOKENS}, .n_questions = N_QUESTIONS};
    yoco_question questions[N_QUESTIONS] = {{.tokens = {ids, N_QUESTION_IDS}},
                                            {.tokens = {ids + 1, N_QUESTION_IDS}}};
    yoco_answer answers[N_QUESTIONS] = {{.n = 1, .ids = ids, .logits = logits},
                                        {.n = 1, .ids = ids, .logits = logits}};
    prompt.questions = questions;
    open_session(&session);
    assert_int_equal(yoco_dump_write(&session, path, &prompt, answers), YOCO_OK);
    if (comm->rank == 0) {
        yoco_safetensors *file;
        assert_int_equal(yoco_safetensors_open(path, &file), YOCO_OK);
        assert_int_equal(yoco_safetensors_count(file), N_QUESTIONS * 7);
        const float *first = check_rows(file, "key_cache.0", 4);
        assert_memory_not_equal(check_rows(file, "key_cache.layer3.0", 2), first,
                                8 * sizeof *first);
        first = check_rows(file, "value_cache.1", 4);
        assert_memory_not_equal(check_rows(file, "value_cache.layer3.1", 2), first,
                                8 * sizeof *first);
        yoco_safetensors_close(file);
    }
    yoco_worker_free(session.worker);
    yoco_checkpoint_close(session.checkpoint);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_layers_are_written)};
    yoco_comm_options options = {.deadline_s = 30};
    yoco_status status = yoco_comm_open_mpi(&options, 0, &comm);
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    for (int i = 0; i < N_TOKENS; i++)
        ids[i] = i * 17 % VOCAB;
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (n_failed > 0)
        comm->ops->abort(comm, 1);
    comm->ops->close(comm);
    return 0;
}
