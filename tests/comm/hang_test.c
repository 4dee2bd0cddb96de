/* hang.h: files of ranks, written and read, and which rank the comparison names. */
#include "comm/watch/hang.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 4 };

static const yoco_hang_place places[N] = {{10, "a"}, {11, "a"}, {12, "b"}, {13, "b"}};

static yoco_hang_state in(const char *what, int64_t number, bool collective)
{
    yoco_hang_state s = {
        .heard = true,
        .waiting = true,
        .seconds = 7,
        .op = {.chunk = -1, .layer = -1, .peer = -1, .number = number, .collective = collective}};
    snprintf(s.op.what, sizeof s.op.what, "%s", what);
    return s;
}

static void expect_first(const yoco_hang_state *states, int first, const char *part)
{
    char text[YOCO_HANG_TEXT_BYTES];
    assert_int_equal(yoco_hang_judge(states, places, N, text), first);
    if (!strstr(text, part))
        fail_msg("'%s' is not in '%s'", part, text);
}

static void names_the_first_that_differs(void **state)
{
    (void)state;
    yoco_hang_state s[N];
    for (int i = 0; i < N; i++)
        s[i] = in("the sum", 5, true);
    expect_first(s, -1, "all ranks wait in the sum, collective 5");
    s[3] = in("a broadcast", 5, true);
    expect_first(s, 3, "rank 3 (b, pid 13) differs: it waits in a broadcast, collective 5; rank 0");
    s[0] = in("the sum", 4, true);
    expect_first(s, 0, "rank 0 (a, pid 10) differs");
    s[2].waiting = false;
    expect_first(s, 2, "rank 2 (b, pid 12) waits for nobody");
    s[1].heard = s[3].heard = false;
    expect_first(s, 1, "rank 1 (a, pid 11), rank 3 (b, pid 13) wrote no file");
}

static void a_message_differs_by_what_it_is(void **state)
{
    (void)state;
    yoco_hang_state s[N];
    for (int i = 0; i < N; i++) {
        s[i] = in("edge", 5, false);
        s[i].op.chunk = i; /* each waits for its own chunk */
    }
    expect_first(s, -1, "all ranks wait in edge");
    s[1] = in("edge", 5, true);
    expect_first(s, 1, "rank 1");
}

static const yoco_hang_op ops[] = {
    {"edge", 17, 2, 1, true, false, false, 8, 4096, 100, 101},
    {"the \"sum\"", -1, -1, -1, false, true, true, 9, 64, 103, 0},
};

static yoco_hang_report make_report(int n_ops)
{
    return (yoco_hang_report){.job = 0xfedcba9876543210u,
                              .rank = 2,
                              .n_ranks = N,
                              .place = places[2],
                              .mpi = "MPI",
                              .deadline_s = 5,
                              .now_s = 110,
                              .ops = ops,
                              .n_ops = n_ops};
}

static void reads_what_it_wrote(void **state)
{
    const char *folder = *state;
    yoco_hang_report report = make_report(2);
    yoco_hang_state s;
    assert_true(yoco_hang_save(folder, &report));
    yoco_hang_load(folder, report.job, 2, &s);
    assert_true(s.heard && s.waiting && s.op.collective && s.op.group && !s.op.incoming);
    assert_string_equal(s.op.what, ops[1].what);
    assert_int_equal(s.op.number, 9);
    assert_true(s.seconds == 7);
    report.n_ops = 1;
    assert_true(yoco_hang_save(folder, &report));
    yoco_hang_load(folder, report.job, 2, &s);
    assert_true(s.heard && !s.waiting && s.op.incoming);
    assert_int_equal(s.op.chunk, 17);
    assert_int_equal(s.op.layer, 2);
    assert_int_equal(s.op.peer, 1);
    assert_true(s.seconds == 9);
    assert_false(yoco_hang_save("/no/such/folder", &report));
}

static void keeps_a_link(void **state)
{
    const char *folder = *state;
    char path[512], far[512], found[512];
    yoco_hang_report report = make_report(2);
    yoco_hang_state s;
    snprintf(path, sizeof path, "%s/hang-2.json", folder);
    snprintf(far, sizeof far, "%s/far", folder);
    FILE *file = fopen(far, "w");
    assert_non_null(file);
    fclose(file);
    unlink(path);
    assert_int_equal(symlink(far, path), 0);
    assert_true(yoco_hang_save(folder, &report));
    ssize_t n = readlink(path, found, sizeof found);
    assert_int_equal(n, strlen(far));
    yoco_hang_load(folder, report.job, 2, &s);
    assert_true(s.heard);
    unlink(path);
    unlink(far);
}

static void hears_no_other_file(void **state)
{
    const char *folder = *state;
    char path[512];
    yoco_hang_report report = make_report(2);
    yoco_hang_state s;
    assert_true(yoco_hang_save(folder, &report));
    yoco_hang_load(folder, report.job + 1, 2, &s); /* an older job's */
    assert_false(s.heard);
    yoco_hang_load(folder, report.job, 3, &s);
    assert_false(s.heard);
    static const char *const damaged[] = {"",
                                          "{",
                                          "[]",
                                          "{\"job\": 3}",
                                          "{\"job\": \"fedcba9876543210\", \"rank\": \"2\"}",
                                          "{\"job\": \"fedcba9876543210\", \"rank\": 2}"};
    snprintf(path, sizeof path, "%s/hang-2.json", folder);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(damaged[i], file);
        fclose(file);
        yoco_hang_load(folder, report.job, 2, &s);
        assert_false(s.heard);
    }
    unlink(path);
}

int main(void)
{
    static char folder[] = "/tmp/yoco-hang-XXXXXX";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_first_that_differs),
        cmocka_unit_test(a_message_differs_by_what_it_is),
        cmocka_unit_test_prestate(reads_what_it_wrote, folder),
        cmocka_unit_test_prestate(keeps_a_link, folder),
        cmocka_unit_test_prestate(hears_no_other_file, folder),
    };
    if (!mkdtemp(folder))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) != 0 || failed != 0;
}
