/* Statistics of answers against figures worked out by hand. */
#include "coordinator/eval/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char path[64];
static FILE *file;

/* The right ones of `n_expected` values come first. */
static void add(yoco_eval_task task, int64_t length, double depth, int64_t n, int64_t trial,
                int64_t n_expected, int64_t n_right)
{
    yoco_eval_needle needles[8];
    const char *expected[8];
    bool found[8];
    for (int i = 0; i < 8; i++) {
        needles[i] = (yoco_eval_needle){.key = "k", .value = "v", .text = "t"};
        expected[i] = "v";
        found[i] = i < n_right;
    }
    yoco_eval_sample sample = {.task = task,
                               .length = length,
                               .depth = depth,
                               .n = n,
                               .trial = trial,
                               .n_questions = 1,
                               .n_tokens = length + trial,
                               .n_question_tokens = 1,
                               .needles = needles,
                               .asked = "?",
                               .expected = expected,
                               .n_expected = n_expected,
                               .prediction = "v",
                               .found = found,
                               .score = (double)n_right / (double)n_expected,
                               .exact = n_right == n_expected,
                               .ranks = 1,
                               .threads = 1,
                               .arithmetic = "a",
                               .chunk = 1,
                               .max_tokens = 1,
                               .model = "0123456789abcdef",
                               .model_name = "m",
                               .haystack = "0123456789abcdef",
                               .yoco = "1"};
    char *line;
    assert_int_equal(yoco_eval_sample_write(&sample, &line), YOCO_OK);
    fputs(line, file);
    free(line);
}

static void begin(void)
{
    snprintf(path, sizeof path, "/tmp/yoco-stats-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    file = fdopen(fd, "w");
}

static void finish(yoco_eval_set *set, yoco_eval_stats *stats)
{
    fclose(file);
    assert_int_equal(yoco_eval_set_read(path, set), YOCO_OK);
    assert_int_equal(yoco_eval_stats_make(set, stats), YOCO_OK);
    remove(path);
}

static void release(yoco_eval_set *set, yoco_eval_stats *stats)
{
    yoco_eval_stats_free(stats);
    yoco_eval_set_free(set);
}

static void check_interval(double mean, int64_t n, double low, double high)
{
    yoco_eval_interval interval = yoco_eval_wilson(mean, n);
    if (fabs(interval.low - low) > 5e-5 || fabs(interval.high - high) > 5e-5)
        fail_msg("%g of %d: %.5f to %.5f", mean, (int)n, interval.low, interval.high);
}

/* 10/(10 + z^2), z^2/(1 + z^2); the others worked out in Python. */
static void test_wilson(void **state)
{
    (void)state;
    check_interval(1, 10, 0.7225, 1);
    check_interval(0, 1, 0, 0.7935);
    check_interval(0.5, 10, 0.2366, 0.7634);
    check_interval(0.9, 10, 0.5958, 0.9821);
    check_interval(0.85, 100, 0.7672, 0.9069);
    for (int64_t n = 1; n < 2000; n += 7) {
        assert_true(yoco_eval_wilson(0, n).low == 0);
        assert_true(yoco_eval_wilson(1, n).high == 1);
    }
}

static void test_groups(void **state)
{
    (void)state;
    yoco_eval_set set;
    yoco_eval_stats stats;
    begin(); /* not in the order of the groups */
    add(YOCO_EVAL_MULTIKEY, 200, 0.5, 4, 0, 1, 1);
    add(YOCO_EVAL_MULTIKEY, 100, 1.0, 2, 0, 1, 1);
    add(YOCO_EVAL_MULTIKEY, 100, 0.0, 4, 0, 1, 0);
    add(YOCO_EVAL_MULTIKEY, 100, 0.0, 2, 1, 1, 0);
    add(YOCO_EVAL_MULTIKEY, 100, 0.0, 2, 0, 1, 1);
    finish(&set, &stats);
    const yoco_eval_task_stats *task = &stats.tasks[YOCO_EVAL_MULTIKEY];
    assert_int_equal(task->all.n_samples, 5);
    assert_int_equal(task->all.n_exact, 3);
    assert_int_equal(task->by_length.n, 2);
    assert_int_equal(task->by_length.items[0].n_trials, 4);
    assert_true(task->by_length.items[0].hits == 2);
    assert_true(task->by_length.items[0].n_tokens == 401);
    assert_int_equal(task->by_n.n, 3);
    assert_int_equal(task->by_n.items[0].n_needles, 2);
    assert_int_equal(task->by_n.items[0].n_trials, 3);
    assert_int_equal(task->by_n.items[1].n_needles, 4);
    assert_int_equal(task->by_cell.n, 4);
    assert_true(task->by_cell.items[0].depth == 0.0 && task->by_cell.items[1].depth == 1.0);
    assert_true(yoco_eval_group_mean(&task->by_cell.items[0]) == 0.5);
    assert_int_equal(stats.tasks[YOCO_EVAL_NEEDLE].all.n_samples, 0);
    release(&set, &stats);
}

/* Each value is a trial, so a mean of values and not of answers. */
static void test_multivalue(void **state)
{
    (void)state;
    yoco_eval_set set;
    yoco_eval_stats stats;
    begin();
    add(YOCO_EVAL_MULTIVALUE, 100, NAN, 2, 0, 2, 2);
    add(YOCO_EVAL_MULTIVALUE, 100, NAN, 8, 0, 8, 2);
    finish(&set, &stats);
    const yoco_eval_task_stats *task = &stats.tasks[YOCO_EVAL_MULTIVALUE];
    assert_int_equal(task->all.n_samples, 2);
    assert_int_equal(task->all.n_trials, 10);
    assert_true(yoco_eval_group_mean(&task->all) == 0.4);
    assert_int_equal(task->by_cell.n, 0);
    assert_int_equal(task->by_n.n, 2);
    release(&set, &stats);
}

/* n_right of 20 answers at each of three lengths. */
static int64_t effective(int at_100, int at_200, int at_300)
{
    yoco_eval_set set;
    yoco_eval_stats stats;
    const int n_right[] = {at_100, at_200, at_300};
    begin();
    for (int i = 0; i < 3; i++)
        for (int trial = 0; trial < 20; trial++)
            add(YOCO_EVAL_NEEDLE, 100 * (i + 1), 0.5, 1, trial, 1, trial < n_right[i]);
    finish(&set, &stats);
    int64_t length = stats.tasks[YOCO_EVAL_NEEDLE].effective_length;
    release(&set, &stats);
    return length;
}

static void test_effective_length(void **state)
{
    (void)state;
    assert_int_equal(effective(20, 20, 17), 300); /* 0.85 is enough */
    assert_int_equal(effective(20, 20, 16), 200);
    assert_int_equal(effective(20, 16, 20), 100); /* a longer one does not make up for it */
    assert_int_equal(effective(16, 20, 20), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_multivalue),
        cmocka_unit_test(test_effective_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
