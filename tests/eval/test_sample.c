/* Lines of samples.jsonl: the same line after reading and writing; everything hostile refused. */
#include "coordinator/eval/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char line[] =
    "{\"version\":1,\"task\":\"multikey\",\"length\":4096,\"depth\":0.1,\"n\":2,\"trial\":3,"
    "\"question\":0,\"questions\":1,\"seed\":17,\"tokens\":4101,\"question_tokens\":14,"
    "\"needles\":[{\"key\":\"kq-41\",\"value\":\"7391\",\"text\":\"It is 7391.\",\"token\":410,"
    "\"depth\":0.099975615703487,\"wanted\":0.9,\"far\":true},{\"key\":\"Varomiku\",\"value\":"
    "\"55555\",\"text\":\"b\","
    "\"token\":2000,\"depth\":0.5,\"wanted\":null,\"far\":false}],\"asked\":\"\\n\\nQuestion: "
    "Who?\\nAnswer:\","
    "\"expected\":[\"7391\"],\"prediction\":\" 7391\",\"found\":[true],\"score\":1.0,"
    "\"exact\":true,\"prefill_s\":1.25,\"decode_s\":0.5,\"ranks\":2,\"threads\":1,"
    "\"arithmetic\":\"cpu avx2\",\"chunk\":2048,\"max_tokens\":24,"
    "\"model\":\"0123456789abcdef0123456789abcdef\",\"model_name\":\"demo\","
    "\"haystack\":\"0123456789abcdef\",\"yoco\":\"0.1.0\"}\n";

static yoco_status parse(const char *text, yoco_eval_sample *out)
{
    return yoco_eval_sample_parse("samples.jsonl", 1, text, strlen(text), out);
}

static void test_round_trip(void **state)
{
    (void)state;
    yoco_eval_sample s;
    char *text;
    assert_int_equal(parse(line, &s), YOCO_OK);
    assert_int_equal(s.task, YOCO_EVAL_MULTIKEY);
    assert_true(s.depth == 0.1);
    assert_int_equal(s.n_tokens, 4101);
    assert_string_equal(s.needles[1].key, "Varomiku");
    assert_int_equal(s.needles[1].token, 2000);
    assert_true(s.needles[0].wanted == 0.9 && s.needles[0].is_far);
    assert_true(isnan(s.needles[1].wanted) && !s.needles[1].is_far);
    assert_true(yoco_eval_sample_has_far(&s));
    assert_string_equal(s.expected[0], "7391");
    assert_true(s.found[0] && s.exact);
    assert_string_equal(s.yoco, "0.1.0");
    assert_int_equal(yoco_eval_sample_write(&s, &text), YOCO_OK);
    assert_string_equal(text, line);
    free(text);
    yoco_eval_sample_free(&s);
    assert_null(s.owner);
}

/* Lines of versions that did not know how far a needle is from where it was wanted. */
static void test_older(void **state)
{
    (void)state;
    yoco_eval_sample s;
    char text[sizeof line], *first = strstr(line, ",\"wanted\":0.9,\"far\":true");
    assert_non_null(first);
    snprintf(text, sizeof text, "%.*s%s", (int)(first - line), line, strchr(first, '}'));
    assert_int_equal(parse(text, &s), YOCO_OK);
    assert_true(isnan(s.needles[0].wanted));
    assert_false(yoco_eval_sample_has_far(&s));
    yoco_eval_sample_free(&s);
}

static void test_no_depth(void **state)
{
    (void)state;
    yoco_eval_sample s, other;
    char *text;
    assert_int_equal(parse(line, &s), YOCO_OK);
    s.task = YOCO_EVAL_MULTIQUERY;
    s.depth = NAN;
    assert_int_equal(yoco_eval_sample_write(&s, &text), YOCO_OK);
    assert_non_null(strstr(text, "\"depth\":null,\"n\":2"));
    assert_int_equal(parse(text, &other), YOCO_OK);
    assert_true(isnan(other.depth));
    free(text);
    yoco_eval_sample_free(&s);
    yoco_eval_sample_free(&other);
}

/* `line` with the first `from` replaced. */
static void refuse(const char *from, const char *to)
{
    char text[2 * sizeof line];
    yoco_eval_sample s;
    const char *at = strstr(line, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - line), line, to, at + strlen(from));
    if (parse(text, &s) != YOCO_ERR_DATA)
        fail_msg("accepted with '%s' for '%s'", to, from);
}

static void test_hostile(void **state)
{
    (void)state;
    yoco_eval_sample s;
    assert_int_equal(parse("", &s), YOCO_ERR_DATA);
    assert_int_equal(parse("[]", &s), YOCO_ERR_DATA);
    assert_int_equal(parse("{\"version\":1}", &s), YOCO_ERR_DATA);
    for (size_t size = 0; size + 2 < sizeof line; size++)
        assert_int_equal(yoco_eval_sample_parse("samples.jsonl", 1, line, size, &s), YOCO_ERR_DATA);
    static const char *const changes[][2] = {
        {"\"version\":1", "\"version\":2"},
        {"multikey", "multikeys"},
        {"\"task\"", "\"tusk\""},
        {"\"length\":4096", "\"length\":0"},
        {"\"length\":4096", "\"length\":1e300"},
        {"\"length\":4096", "\"length\":4096,\"length\":4096"},
        {"\"length\":4096", "\"length\":4096,\"extra\":1"},
        {"\"depth\":0.1", "\"depth\":1.5"},
        {"\"depth\":0.1", "\"depth\":null"},
        {"\"depth\":0.1", "\"depth\":\"0.1\""},
        {"\"n\":2", "\"n\":1"},
        {"\"n\":2", "\"n\":1000000000000"},
        {"\"n\":2", "\"n\":-1"},
        {"\"trial\":3", "\"trial\":-3"},
        {"\"question\":0", "\"question\":1"},
        {"\"questions\":1", "\"questions\":3"},
        {"\"seed\":17", "\"seed\":-17"},
        {"\"tokens\":4101", "\"tokens\":400"},
        {"\"token\":410", "\"token\":-1"},
        {"\"token\":410", "\"tok\":410"},
        {"\"depth\":0.5,", "\"depth\":2,"},
        {"\"wanted\":0.9", "\"wanted\":1.1"},
        {"\"wanted\":0.9", "\"wanted\":\"0.9\""},
        {"\"far\":true", "\"far\":1"},
        {"\"far\":true", "\"far\":true,\"near\":false"},
        {"[\"7391\"]", "[]"},
        {"[\"7391\"]", "[7391]"},
        {"[\"7391\"]", "[\"1\",\"2\",\"3\"]"},
        {"[true]", "[]"},
        {"[true]", "[1]"},
        {"[true]", "true"},
        {"\"score\":1.0", "\"score\":1.1"},
        {"\"score\":1.0", "\"score\":null"},
        {"\"prefill_s\":1.25", "\"prefill_s\":-1"},
        {"\"ranks\":2", "\"ranks\":0"},
        {"\"max_tokens\":24", "\"max_tokens\":0"},
        {"\"chunk\":2048,", ""},
        {"0123456789abcdef0", "../../../etc/passwd"},
        {"\"0123456789abcdef\"", "\"0123\""},
        {"demo", "de\\u0000mo"},
        {"demo", "de\xffmo"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        refuse(changes[i][0], changes[i][1]);
}

static void test_tasks(void **state)
{
    (void)state;
    yoco_eval_task task;
    for (int i = 0; i < YOCO_EVAL_N_TASKS; i++) {
        assert_true(yoco_eval_task_find(yoco_eval_task_name((yoco_eval_task)i), &task));
        assert_int_equal(task, i);
    }
    assert_false(yoco_eval_task_find("needles", &task));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_no_depth),
        cmocka_unit_test(test_older),      cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_tasks),
    };
    yoco_log_set_quiet(true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
