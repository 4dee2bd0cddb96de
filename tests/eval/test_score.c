/* Scores on answers made by hand. */
#include "coordinator/eval/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check_one(yoco_eval_task task, const char *prediction, bool found, double score,
                      bool exact)
{
    const char *expected[] = {"7391"};
    bool is_found;
    yoco_eval_score got = yoco_eval_score_answer(task, prediction, expected, 1, &is_found);
    if (is_found != found || got.score != score || got.exact != exact)
        fail_msg("'%s': found %d, score %g, exact %d", prediction, is_found, got.score, got.exact);
}

static void test_one(void **state)
{
    (void)state;
    static const struct {
        const char *prediction;
        bool found, score, exact;
    } cases[] = {
        {"7391", true, true, true},
        {" 7391", true, true, true},
        {"\t7391 \n", true, true, true},
        {" 7391.", true, true, false},
        {" 7391..", true, false, false},
        {" 7391, 7392", true, false, false},
        {" The number is 7391.", true, false, false},
        {"(7391)", true, false, false},
        {"x-7391-y", true, false, false},
        {"17391", false, false, false},
        {"73910", false, false, false},
        {"7391a", false, false, false},
        {"7391\xc3\xa9", false, false, false},
        {"739 1", false, false, false},
        {"7390 7392", false, false, false},
        {"", false, false, false},
        {" ", false, false, false},
        {".", false, false, false},
        /* Beyond ASCII: punctuation, symbols and spaces part words, letters and digits do not. */
        {"\u201c7391\u201d", true, false, false},
        {"\u00ab7391\u00bb", true, false, false},
        {"7391\u3002", true, true, false},
        {"7391\uff0e", true, true, false},
        {"7391\u3002\u3002", true, false, false},
        {"7391\u2026", true, false, false},
        {"7391\uff0c7392", true, false, false},
        {"7391\u00a0", true, true, true},
        {"\u00a07391\u3000", true, true, true},
        {"\ufeff7391", true, true, true},
        {"7391\u2028 or 7392", true, false, false},
        {"7391\u20ac", true, false, false},
        {"\u22127391", true, false, false},
        {"\u2705\ufe0f7391", true, false, false},
        {"7391\u200d", true, true, true},
        {"7391\u0301", false, false, false},
        {"7391\u00b2", false, false, false},
        {"\u65e57391", false, false, false},
        {"1\u00ad7391", false, false, false},
        {"7391\ufffd", false, false, false},
        {"\uff17\uff13\uff19\uff11", false, false, false},
        {"7\u202f391", false, false, false},
    };
    static const yoco_eval_task tasks[] = {YOCO_EVAL_NEEDLE, YOCO_EVAL_MULTIKEY,
                                           YOCO_EVAL_MULTIQUERY};
    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            check_one(tasks[t], cases[i].prediction, cases[i].found, cases[i].score,
                      cases[i].exact);
}

static void check_list(const char *prediction, const char *found, double score, bool exact)
{
    const char *expected[] = {"7391", "abcde", "0f3a9b"};
    bool is_found[3] = {true, true, true};
    yoco_eval_score got =
        yoco_eval_score_answer(YOCO_EVAL_MULTIVALUE, prediction, expected, 3, is_found);
    for (int i = 0; i < 3; i++)
        if (is_found[i] != (found[i] == '1'))
            fail_msg("'%s': value %d found: %d", prediction, i, is_found[i]);
    if (got.score != score || got.exact != exact)
        fail_msg("'%s': score %g, exact %d", prediction, got.score, got.exact);
}

static void test_list(void **state)
{
    (void)state;
    check_list(" 7391, abcde, 0f3a9b", "111", 1.0, true);
    check_list(" 0f3a9b, 7391, abcde.", "111", 1.0, true);
    check_list("7391 abcde and 0f3a9b", "111", 1.0, true);
    check_list("7391, abcde", "110", 2.0 / 3.0, false);
    check_list("abcde", "010", 1.0 / 3.0, false);
    check_list("abcde, abcde, abcde", "010", 1.0 / 3.0, false);
    /* A fourth item does not count, but the first three do. */
    check_list("1111, 7391, abcde, 0f3a9b", "110", 2.0 / 3.0, false);
    check_list("7391, abcde, 0f3a9b, 2222", "111", 1.0, false);
    check_list("7391abcde0f3a9b", "000", 0.0, false);
    check_list("73910, xabcde, 0f3a9bc", "000", 0.0, false);
    check_list("", "000", 0.0, false);
    check_list("7391\uff0cabcde\uff0c0f3a9b", "111", 1.0, true);
    check_list("7391\u3001abcde\u3001\u201c0f3a9b\u201d\u3002", "111", 1.0, true);
    check_list("7391\u00a0abcde\u2009and\u30000f3a9b", "111", 1.0, true);
    check_list("7391\u00e9\uff0cabcde", "010", 1.0 / 3.0, false);
    check_list(" , and, ", "000", 0.0, false);
}

static void test_compat(void **state)
{
    (void)state;
    check_one(YOCO_EVAL_COMPAT, "7391", true, 1.0, true);
    check_one(YOCO_EVAL_COMPAT, "it is 7391, or 1", true, 1.0, false);
    check_one(YOCO_EVAL_COMPAT, "173912", true, 1.0, false); /* the authors' substring */
    check_one(YOCO_EVAL_COMPAT, "7391\u3002", true, 1.0, false);
    check_one(YOCO_EVAL_COMPAT, "\u30007391", true, 1.0, true);
    check_one(YOCO_EVAL_COMPAT, "739 1", false, 0.0, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_compat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
