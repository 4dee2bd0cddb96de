/* The report from rows made by hand: bases, efficiencies, texts that would break markup, rows that
 * lack something. */
#include "coordinator/scale/report.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/configs/fixture.h"

static json_t *phase(double compute_s)
{
    return json_pack("{s:[f,f], s:[f,f], s:[f,f], s:[f,f], s:[f,f], s:[i,i]}", "compute_s",
                     compute_s, compute_s, "edge_wait_s", 0.1, 0.3, "reduce_s", 0.0, 0.0, "wait_s",
                     0.0, 0.0, "idle_s", 0.0, 0.0, "bytes", 100, 300);
}

static json_t *row(const char *kind, const char *scaling, int ranks, int tokens, double seconds)
{
    json_t *run = json_pack("{s:i, s:i, s:i, s:i, s:[f,f,f], s:[f], s:[i,i], s:o, s:o}", "ranks",
                            ranks, "tokens", tokens, "chunk", 256, "branches", 1, "prefill_s",
                            seconds, 2 * seconds, seconds / 2, "step_s", 0.5, "memory_bytes",
                            1 << 20, 3 << 20, "prefill", phase(seconds), "decode", phase(0.1));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "key", "k", "kind", kind,
                     "scaling", scaling, "model", "shapes/<b>.json", "hardware", "a \"b\" & c",
                     "what_if", "", "machine", "<script>", "commit", "abc", "time", "now", "run",
                     run);
}

static json_t *rows(void)
{
    json_t *array = json_array();
    json_array_append_new(array, row("measured", "strong", 4, 1024, 2.5));
    json_array_append_new(array, row("measured", "strong", 2, 1024, 4.0));
    json_array_append_new(array, row("measured", "weak", 1, 512, 1.0));
    json_array_append_new(array, row("measured", "weak", 8, 4096, 1.25));
    json_array_append_new(array, row("predicted", "strong", 4, 1024, 2.0));
    return array;
}

static void close_to(double a, double b)
{
    if (!(fabs(a - b) <= 1e-12))
        fail_msg("%g is not %g", a, b);
}

static void rows_are_sorted_and_compared_with_their_base(void **state)
{
    (void)state;
    json_t *array = rows();
    yoco_scale_results results;
    assert_int_equal(yoco_scale_results_make("x", array, &results), YOCO_OK);
    assert_int_equal(results.n, 5);
    assert_int_equal(results.items[0].n_ranks, 2);
    assert_int_equal(results.items[1].n_ranks, 4);
    assert_int_equal(results.items[1].base_ranks, 2);
    close_to(results.items[0].prefill_s.median, 4.0);
    close_to(results.items[0].prefill_s.min, 2.0);
    close_to(results.items[0].prefill_s.max, 8.0);
    close_to(results.items[1].prefill_efficiency, 4.0 / (2 * 2.5));
    close_to(results.items[1].step_efficiency, 0.5);
    assert_int_equal(results.items[2].base_ranks, 4); /* predicted: a series of its own */
    close_to(results.items[2].prefill_efficiency, 1);
    close_to(results.items[4].prefill_efficiency, 1 / 1.25); /* weak */
    close_to(results.items[0].prefill_part_s[YOCO_PART_EDGE_WAIT], 0.2);
    close_to(results.items[0].sent_bytes, 200);
    close_to(results.items[0].memory_bytes, 3 << 20);
    assert_int_equal(yoco_scale_run_end(&results, 0, yoco_scale_same_series), 2);
    assert_int_equal(yoco_scale_run_end(&results, 0, yoco_scale_same_experiment), 3);
    yoco_scale_results_free(&results);
    json_decref(array);
}

static void files_are_whole_and_texts_are_escaped(void **state)
{
    (void)state;
    char *folder = folder_create(), *text;
    json_t *array = rows();
    size_t size;
    assert_int_equal(yoco_scale_report_write(folder, array), YOCO_OK);
    text = file_read(path_in(folder, "report.html"), &size);
    assert_non_null(strstr(text, "</html>"));
    assert_null(strstr(text, "<script>"));
    assert_null(strstr(text, "<b>.json"));
    assert_null(strstr(text, "nan"));
    assert_non_null(strstr(text, "Efficiency is against 2 ranks"));
    assert_non_null(strstr(text, "Commit: abc"));
    assert_non_null(strstr(text, "a &quot;b&quot; &amp; c"));
    free(text);
    text = file_read(path_in(folder, "scale.csv"), &size);
    assert_non_null(strstr(text, "\"a \"\"b\"\" & c\",\"\",2,1024,1,256,3,4,2,8,1,"));
    free(text);
    text = file_read(path_in(folder, "scale.json"), &size);
    json_t *again = json_loadb(text, size, 0, NULL);
    assert_true(json_equal(again, array));
    json_decref(again);
    free(text);
    json_decref(array);
    folder_remove(folder);
}

static void one_point_has_no_efficiency(void **state)
{
    (void)state;
    char *folder = folder_create(), *text;
    json_t *array = json_array();
    size_t size;
    json_array_append_new(array, row("measured", "strong", 4, 1024, 2.5));
    json_array_append_new(array, row("predicted", "strong", 4, 1024, 2.0));
    assert_int_equal(yoco_scale_report_write(folder, array), YOCO_OK);
    text = file_read(path_in(folder, "report.html"), &size);
    assert_non_null(strstr(text, "<title>Prefill time</title>"));
    assert_null(strstr(text, "<title>Prefill efficiency</title>"));
    assert_null(strstr(text, "ideal"));
    assert_null(strstr(text, "100.0&#160;%</td><td>409")); /* before tokens per second and rank */
    assert_null(strstr(text, "Efficiency is against"));
    free(text);
    json_decref(array);
    folder_remove(folder);
}

static void refuse(const char *field, json_t *value, const char *expected)
{
    json_t *array = rows(), *run = json_object_get(json_array_get(array, 3), "run");
    yoco_scale_results results;
    json_object_set_new(run, field, value);
    log_begin();
    yoco_status status = yoco_scale_results_make("x", array, &results);
    log_end(expected);
    assert_int_equal(status, YOCO_ERR_DATA);
    json_decref(array);
}

static void rows_that_lack_something_are_refused(void **state)
{
    (void)state;
    refuse("ranks", json_integer(0), "x, line 4: ranks is missing");
    refuse("prefill_s", json_array(), "x, line 4: prefill_s is missing");
    refuse("step_s", json_pack("[s]", "1"), "x, line 4: step_s is missing");
    refuse("step_s", json_pack("[f]", 0.0), "x, line 4: step_s is missing");
    refuse("decode", json_null(), "x, line 4: compute_s is missing");
}

static void no_rows_are_a_report(void **state)
{
    (void)state;
    char *folder = folder_create(), *text;
    json_t *array = json_array();
    size_t size;
    assert_int_equal(yoco_scale_report_write(folder, array), YOCO_OK);
    text = file_read(path_in(folder, "report.html"), &size);
    assert_non_null(strstr(text, "No run has finished yet"));
    free(text);
    json_decref(array);
    folder_remove(folder);
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sorted_and_compared_with_their_base),
        cmocka_unit_test(files_are_whole_and_texts_are_escaped),
        cmocka_unit_test(one_point_has_no_efficiency),
        cmocka_unit_test(rows_that_lack_something_are_refused),
        cmocka_unit_test(no_rows_are_a_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
