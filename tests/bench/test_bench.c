/* yoco bench on tiny shapes: the report is complete, and what does not depend on time is right. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "configs/files/text_file.h"
#include "configs/machine/hardware.h"
#include "configs/model/model_config.h"

enum { N_TOKENS = 300, N_CONTEXT = 700, CHUNK = 256 };

static const char *source, *cuda_host;
static char report_path[64];

/* Runs a bench of two tiny prefills and contexts; the exit code. `program`: with its launcher;
 * `shape`: a folder of tests/reference with a params.json, or a file there. */
static int run_bench(const char *program, const char *shape, const char *more)
{
    char command[4096];
    snprintf(command, sizeof command,
             "%s bench -m %s/tests/reference/%s%s --threads 1 --runs 2 "
             "--tokens 1 --tokens %d --contexts 16 --contexts %d --branches 1 --branches 3 "
             "--chunk %d --json %s %s >%s.out 2>&1",
             program, source, shape, strchr(shape, '/') ? "" : "/params.json", N_TOKENS, N_CONTEXT,
             CHUNK, report_path, more, report_path);
    unlink(report_path);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* "decode/contexts/1/tokens" */
static json_t *at(json_t *value, const char *path)
{
    char name[64];
    for (int length; *path; path += length + (path[length] == '/')) {
        length = (int)strcspn(path, "/");
        snprintf(name, sizeof name, "%.*s", length, path);
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(name))
                                     : json_object_get(value, name);
    }
    return value;
}

static double number(json_t *value, const char *path)
{
    json_t *found = at(value, path);
    if (!json_is_number(found))
        fail_msg("%s is no number", path);
    return json_number_value(found);
}

/* Every number is above 0, every spread in order; only what a difference of times gave may miss. */
static void check_values(const char *key, json_t *value)
{
    const char *name;
    json_t *entry;
    size_t index;
    json_object_foreach(value, name, entry) check_values(name, entry);
    json_array_foreach(value, index, entry) check_values(key, entry);
    static const char *const may_be_0[] = {"window", "n_heads", "hidden_dim", "base_tokens",
                                           "device_bytes"};
    bool is_free = false;
    for (size_t i = 0; i < sizeof may_be_0 / sizeof *may_be_0; i++)
        is_free = is_free || strcmp(key, may_be_0[i]) == 0;
    if (json_is_number(value) && !is_free && json_number_value(value) <= 0)
        fail_msg("%s is %g", key, json_number_value(value));
    if (json_is_null(value) && strncmp(key, "attention_", strlen("attention_")) != 0)
        fail_msg("%s is null", key);
    if (json_object_get(value, "median")) {
        assert_true(number(value, "min") <= number(value, "median"));
        assert_true(number(value, "median") <= number(value, "max"));
    }
}

static void check_complete(json_t *report, int n_ranks)
{
    static const char *const paths[] = {"version",
                                        "arithmetic",
                                        "machine/cpu",
                                        "machine/cores",
                                        "machine/cpu_share",
                                        "model/dim",
                                        "library/name",
                                        "library/products/3/flop_s/median",
                                        "library/token_flop_s/median",
                                        "large_read/bytes",
                                        "large_read/byte_s/median",
                                        "prefill/1/seconds/median",
                                        "prefill/1/tokens_s",
                                        "prefill/1/flop_s",
                                        "prefill/1/of_library",
                                        "decode/contexts/1/kv_byte_s/median",
                                        "decode/contexts/1/kv_and_weights_byte_s/median",
                                        "decode/contexts/1/steps/1/step_s/median",
                                        "decode/contexts/1/steps/1/base_step_s/median",
                                        "decode/contexts/1/steps/1/tokens_s",
                                        "decode/contexts/1/steps/1/step_of_reading",
                                        "decode/contexts/1/steps/1/attention_s",
                                        "decode/contexts/1/steps/1/attention_byte_s",
                                        "decode/contexts/1/steps/1/attention_of_memory",
                                        "decode/contexts/1/steps/1/attention_of_reading",
                                        "decode/contexts/1/steps/1/attention_flop_s"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (!at(report, paths[i]))
            fail_msg("%s is missing", paths[i]);
    check_values("report", report);
    assert_int_equal(number(report, "ranks"), n_ranks);
    assert_int_equal(number(report, "threads"), 1);
    assert_int_equal(number(report, "chunk"), CHUNK);
}

/* Weights that one token of a prefill goes through. */
static double count_weights(const yoco_model_config *c)
{
    double dim = c->dim, mixer = yoco_config_is_retention(c) ? 5 * dim * dim + dim * c->n_self_heads
                                                             : 4 * dim * dim;
    return yoco_config_n_self_layers(c) * (mixer + 3 * dim * c->hidden_dim) +
           2 * dim * yoco_config_kv_dim(c);
}

static double count_attention(const yoco_model_config *c, int64_t n)
{
    double flops = 0;
    for (int64_t t = 0; t < n; t++)
        flops += yoco_config_is_retention(c) ? t % 256 + 1 + yoco_config_self_head_dim(c)
                                             : yoco_i64_min(c->sliding_window, t + 1);
    return 4.0 * c->dim * flops * yoco_config_n_self_layers(c);
}

static void check_counts(json_t *report, const yoco_model_config *c)
{
    double kv_row = 2.0 * yoco_config_kv_dim(c) * 2, n_cross = yoco_config_n_self_layers(c);
    double weights = number(report, "decode/weight_bytes");
    double base = number(report, "decode/base_tokens");
    double token_flops = 2 * count_weights(c), attention = count_attention(c, N_TOKENS);
    assert_true(number(report, "library/token_flops") == token_flops);
    assert_true(number(report, "prefill/1/attention_flops") == attention);
    assert_true(number(report, "prefill/1/flops") == N_TOKENS * token_flops + attention);
    assert_true(base == c->sliding_window);
    assert_true(number(report, "decode/contexts/1/kv_bytes") == N_CONTEXT * kv_row);
    assert_true(number(report, "decode/contexts/1/steps/0/step_bytes") ==
                n_cross * N_CONTEXT * kv_row + weights);
    assert_true(number(report, "decode/contexts/1/steps/0/attention_bytes") ==
                n_cross * (N_CONTEXT - base) * kv_row);
}

static json_t *load_report(void)
{
    json_error_t error;
    json_t *report = json_load_file(report_path, 0, &error);
    if (!report)
        fail_msg("the report is no JSON: line %d: %s", error.line, error.text);
    return report;
}

static void check_shape(const char *program, const char *shape, int n_ranks)
{
    char path[4096];
    yoco_model_config config;
    snprintf(path, sizeof path, "%s/tests/reference/%s/params.json", source, shape);
    yoco_text text;
    assert_int_equal(yoco_text_read(path, YOCO_FILE_DATA, &text), YOCO_OK);
    assert_int_equal(yoco_model_config_parse(path, text.data, text.size, &config), YOCO_OK);
    yoco_text_free(&text);
    assert_int_equal(run_bench(program, shape, ""), 0);
    json_t *report = load_report();
    check_complete(report, n_ranks);
    check_counts(report, &config);
    json_decref(report);
    unlink(report_path);
}

static void test_window(void **state)
{
    (void)state;
    check_shape(YOCO_PROGRAM, "swa-tiny", 1);
}

static void test_retention(void **state)
{
    (void)state;
    check_shape(YOCO_PROGRAM, "gret-tiny", 1);
}

/* Each rank holds a part of K,V; the report speaks of all. */
static void test_ranks(void **state)
{
    (void)state;
    check_shape(MPIEXEC " -n 2 " YOCO_PROGRAM, "swa-tiny", 2);
}

/* --profile: a hardware file, with rates of the work that the shape does. */
static void check_profile(const char *program, const char *shape, yoco_work_kind mixer)
{
    yoco_hardware h;
    char profile[128], more[256];
    snprintf(profile, sizeof profile, "%s.profile", report_path);
    snprintf(more, sizeof more, "--profile %s", profile);
    assert_int_equal(run_bench(program, shape, more), 0);
    assert_int_equal(yoco_hardware_load(profile, &h), YOCO_OK);
    unlink(profile);
    assert_true(h.device.measured);
    assert_true(h.device.rate[YOCO_WORK_ATTEND].byte_s > 0);
    assert_true(h.device.rate[mixer].flop_s != h.device.rate[YOCO_WORK_SLABS].flop_s);
}

static void test_profile(void **state)
{
    (void)state;
    check_profile(YOCO_PROGRAM, "swa-tiny", YOCO_WORK_WINDOW);
    check_profile(MPIEXEC " -n 2 " YOCO_PROGRAM, "gret-tiny", YOCO_WORK_RETENTION);
    check_profile(YOCO_PROGRAM, "fla-yoco-gdn/config.json",
                  YOCO_WORK_ROWS); /* its products are wider than the stream */
    check_profile(YOCO_PROGRAM, "phi4flash-bf16/config.json",
                  YOCO_WORK_WINDOW); /* what its heads give, too */
}

/* On the GPU's host build: the ceilings are the device's, and its memory is told. */
static void test_device(void **state)
{
    (void)state;
    assert_int_equal(run_bench(cuda_host, "swa-tiny", "--backend cuda --transport mpi"), 0);
    json_t *report = load_report();
    const char *device = json_string_value(at(report, "machine/device"));
    assert_true(device && device[0]);
    assert_string_equal(json_string_value(at(report, "library/name")), "the backend's products");
    assert_int_equal(json_array_size(at(report, "library/products")), 1);
    assert_true(number(report, "library/rows") ==
                json_integer_value(json_object_get(
                    json_array_get(json_object_get(json_object_get(report, "model"), "layers"), 0),
                    "hidden_dim")));
    assert_true(number(report, "library/products/0/flop_s/median") > 0);
    assert_true(number(report, "prefill/1/of_library") > 0);
    assert_true(number(report, "large_read/byte_s/median") > 0);
    assert_true(number(report, "decode/contexts/1/device_bytes") >
                number(report, "decode/contexts/1/kv_bytes") +
                    number(report, "decode/weight_bytes"));
    json_decref(report);
    unlink(report_path);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_int_equal(run_bench(YOCO_PROGRAM, "swa-tiny", "--branches 0"), 2);
    assert_int_equal(run_bench(YOCO_PROGRAM, "swa-tiny", "--runs 1000"), 2);
    assert_int_equal(run_bench(YOCO_PROGRAM, "gret-tiny", "--chunk 100"), 2);
    assert_int_equal(run_bench(YOCO_PROGRAM, "swa-tiny", "--contexts 1M"), 65);
    assert_int_equal(run_bench(YOCO_PROGRAM, "swa-tiny", "--json /no/such/folder/report"), 66);
    assert_int_not_equal(access(report_path, F_OK), 0);
}

static int remove_output(void **state)
{
    (void)state;
    char path[128];
    unlink(report_path);
    snprintf(path, sizeof path, "%s.out", report_path);
    return unlink(path);
}

/* test_bench SOURCE [CUDA_HOST]: the cpu backend, or with a program that has the GPU's on the host
 * that one. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_window),
                                       cmocka_unit_test(test_retention),
                                       cmocka_unit_test(test_ranks), cmocka_unit_test(test_profile),
                                       cmocka_unit_test(test_refusals)};
    const struct CMUnitTest device_tests[] = {cmocka_unit_test(test_device)};
    source = argc > 1 ? argv[1] : ".";
    cuda_host = argc > 2 ? argv[2] : NULL;
    snprintf(report_path, sizeof report_path, "/tmp/yoco-bench-%ld.json", (long)getpid());
    return cuda_host ? cmocka_run_group_tests(device_tests, NULL, remove_output)
                     : cmocka_run_group_tests(tests, NULL, remove_output);
}
