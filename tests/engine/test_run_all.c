/* A prefill of every layer for every row keeps what a prefill that ends early keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "configs/files/safetensors.h"
#include "tests/configs/fixture.h"
#include "worker/worker.h"

static yoco_comm *comm;
static const char *source_folder;

enum { CHUNK = 37, N_STEPS = 3, MAX_VOCAB = 1024, N_TOKENS = 200 };

static yoco_worker *open_worker(const yoco_ops *ops, const yoco_checkpoint *checkpoint)
{
    const yoco_device_options device = {.n_threads = 1, .isa = yoco_isa_detect()};
    yoco_worker *worker;
    assert_int_equal(yoco_worker_create(comm, ops, &device, checkpoint, &worker), YOCO_OK);
    return worker;
}

static void run(yoco_worker *worker, int vocab, float logits[N_STEPS][MAX_VOCAB])
{
    const int branch = 0;
    int32_t ids[N_TOKENS];
    for (int i = 0; i < N_TOKENS; i++)
        ids[i] = (i * 7919 + 13) % vocab;
    assert_int_equal(yoco_worker_reserve(worker, N_TOKENS, CHUNK, 1, N_STEPS), YOCO_OK);
    assert_int_equal(yoco_worker_prefill(worker, ids, NULL, NULL), YOCO_OK);
    assert_int_equal(yoco_worker_branch(worker, 0, NULL, 0), YOCO_OK);
    for (int i = 0; i < N_STEPS; i++)
        assert_int_equal(yoco_worker_step(worker, 1, &branch, &ids[i], logits[i]), YOCO_OK);
}

static void check_model(const char *model, const yoco_ops *ops)
{
    static float exits[N_STEPS][MAX_VOCAB], all[N_STEPS][MAX_VOCAB];
    char path[4096];
    yoco_checkpoint *checkpoint;
    snprintf(path, sizeof path, "%s/tests/reference/%s", source_folder, model);
    assert_int_equal(yoco_checkpoint_open(path, &checkpoint), YOCO_OK);
    int vocab = checkpoint->shape->vocab_size;
    yoco_worker *worker = open_worker(ops, checkpoint);
    run(worker, vocab, exits);
    assert_int_equal(yoco_worker_run_all_layers(worker), YOCO_OK);
    run(worker, vocab, all);
    assert_true(yoco_worker_plan(worker)->input.runs_all);
    for (int i = 0; i < N_STEPS; i++)
        assert_memory_equal(exits[i], all[i], (size_t)vocab * sizeof(float));
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

static void test_models(void **state)
{
    (void)state;
    static const char *const models[] = {"gemma4-text", "gemma4-mm-bf16", "swa-tiny",
                                         "fla-yoco-gret"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        check_model(models[i], &yoco_cpu_ops);
        check_model(models[i], &yoco_reference_ops);
    }
}

static void test_refused(void **state)
{
    (void)state;
    char path[4096];
    yoco_checkpoint *checkpoint;
    snprintf(path, sizeof path, "%s/tests/reference/phi4flash-tiny", source_folder);
    assert_int_equal(yoco_checkpoint_open(path, &checkpoint), YOCO_OK);
    yoco_worker *worker = open_worker(&yoco_cpu_ops, checkpoint);
    log_begin();
    yoco_status status = yoco_worker_run_all_layers(worker);
    log_end("layer 7 (gated memory unit) runs for the last row only");
    assert_int_equal(status, YOCO_ERR_USAGE);
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models),
                                       cmocka_unit_test(test_refused)};
    source_folder = argc > 1 ? argv[1] : ".";
    const yoco_comm_options options = {.deadline_s = 60};
    if (yoco_comm_open_self(&options, &comm) != YOCO_OK)
        return 1;
    int result = cmocka_run_group_tests_name("run_all", tests, NULL, NULL);
    yoco_comm_close(comm);
    return result;
}
