/* A growing answer: stop strings that span tokens, text held back while one may be under way, end
 * tokens and lengths. Every character is a token of its own here. */
#include "coordinator/ask/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { VOCAB = 4104, END = 2, MAX_STEPS = 16 };

static const char *source_folder;
static yoco_tokenizer *tokenizer;

static int open_tokenizer(void **state)
{
    (void)state;
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/models/demo-tokenizer", source_folder);
    return yoco_tokenizer_open(folder, VOCAB, &tokenizer) == YOCO_OK && tokenizer ? 0 : 1;
}

static int close_tokenizer(void **state)
{
    (void)state;
    yoco_tokenizer_close(tokenizer);
    return 0;
}

/* The one token of one byte. */
static int32_t id_of(char byte)
{
    int32_t *ids;
    int64_t n;
    assert_int_equal(yoco_tokenizer_encode(tokenizer, &byte, 1, false, &ids, &n), YOCO_OK);
    assert_int_equal(n, 1);
    int32_t id = ids[0];
    yoco_free(ids);
    return id;
}

typedef struct stop_case {
    const char *stops[3];
    const char *bytes;    /* one token each, as long as the answer runs */
    int shown[MAX_STEPS]; /* after each token */
    const char *text;     /* in the end */
    yoco_finish finish;
} stop_case;

static const stop_case stop_cases[] = {
    {{NULL}, "abc", {1, 2, 3}, "abc", YOCO_RUNNING},
    {{"x"}, "abx", {1, 2, 2}, "ab", YOCO_FINISH_STOP},
    {{"x"}, "x", {0}, "", YOCO_FINISH_STOP},
    /* held back while it may go on, given out once it does not */
    {{"END"}, "aENd", {1, 1, 1, 4}, "aENd", YOCO_RUNNING},
    {{"END"}, "aEND", {1, 1, 1, 1}, "a", YOCO_FINISH_STOP},
    {{"END"}, "aEEND", {1, 1, 2, 2, 2}, "aE", YOCO_FINISH_STOP},
    {{"aab"}, "aaab", {0, 0, 1, 1}, "a", YOCO_FINISH_STOP},
    {{"abab"}, "abaabab", {0, 0, 0, 3, 3, 3, 3}, "aba", YOCO_FINISH_STOP},
    /* the first to be complete wins, even inside a longer one under way */
    {{"bcd", "c"}, "abc", {1, 1, 2}, "ab", YOCO_FINISH_STOP},
    {{"abcd", "bcx"}, "abcx", {0, 0, 0, 1}, "a", YOCO_FINISH_STOP},
    {{"b", "ab"}, "ab", {0, 0}, "", YOCO_FINISH_STOP},
    {{"\n\n"}, "a\nb\n\n", {1, 1, 3, 3, 3}, "a\nb", YOCO_FINISH_STOP},
};

static void check_stop_case(const stop_case *c)
{
    yoco_strings stops = {.values = (const char **)c->stops};
    yoco_answer answer;
    while (stops.n < 3 && c->stops[stops.n])
        stops.n++;
    assert_int_equal(yoco_answer_create(MAX_STEPS, VOCAB, false, &answer), YOCO_OK);
    for (int i = 0; c->bytes[i]; i++) {
        assert_int_equal(answer.finish, YOCO_RUNNING);
        assert_int_equal(yoco_answer_add(&answer, tokenizer, &stops, id_of(c->bytes[i])), YOCO_OK);
        if (answer.shown != (size_t)c->shown[i])
            fail_msg("'%s': %zu bytes shown after token %d, not %d", c->bytes, answer.shown, i,
                     c->shown[i]);
    }
    assert_int_equal(answer.finish, c->finish);
    assert_int_equal(answer.n, strlen(c->bytes));
    if (answer.finish == YOCO_RUNNING)
        assert_memory_equal(answer.text, c->text, strlen(c->text));
    else
        assert_int_equal(answer.text_size, strlen(c->text));
    yoco_answer_free(&answer);
}

static void stop_strings_across_tokens(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stop_cases / sizeof *stop_cases; i++)
        check_stop_case(&stop_cases[i]);
}

static void the_end_gives_out_what_was_held_back(void **state)
{
    (void)state;
    yoco_strings stops = {.values = (const char *[]){"END"}, .n = 1};
    for (int by_length = 0; by_length < 2; by_length++) {
        yoco_answer answer;
        assert_int_equal(yoco_answer_create(by_length ? 3 : MAX_STEPS, VOCAB, false, &answer),
                         YOCO_OK);
        for (const char *byte = "aEN"; *byte; byte++)
            assert_int_equal(yoco_answer_add(&answer, tokenizer, &stops, id_of(*byte)), YOCO_OK);
        if (!by_length) {
            assert_int_equal(answer.shown, 1);
            assert_int_equal(yoco_answer_add(&answer, tokenizer, &stops, END), YOCO_OK);
        }
        assert_int_equal(answer.finish, by_length ? YOCO_FINISH_LENGTH : YOCO_FINISH_STOP);
        assert_int_equal(answer.n, by_length ? 3 : 4);
        assert_int_equal(answer.shown, 3);
        assert_memory_equal(answer.text, "aEN", 3);
        yoco_answer_free(&answer);
    }
}

/* A token of several bytes is cut where the stop string starts in it. */
static void a_stop_string_inside_a_token(void **state)
{
    (void)state;
    yoco_strings stops = {.values = (const char *[]){"e"}, .n = 1};
    yoco_answer answer;
    int32_t *ids;
    int64_t n;
    assert_int_equal(yoco_tokenizer_encode(tokenizer, " the", 4, false, &ids, &n), YOCO_OK);
    assert_int_equal(n, 1);
    assert_int_equal(yoco_answer_create(4, VOCAB, false, &answer), YOCO_OK);
    assert_int_equal(yoco_answer_add(&answer, tokenizer, &stops, ids[0]), YOCO_OK);
    assert_int_equal(answer.finish, YOCO_FINISH_STOP);
    assert_int_equal(answer.text_size, 3);
    assert_int_equal(answer.n, 1);
    yoco_answer_free(&answer);
    yoco_free(ids);
}

static void without_a_tokenizer_only_the_length_ends(void **state)
{
    (void)state;
    yoco_strings stops = {0};
    yoco_answer answer;
    assert_int_equal(yoco_answer_create(2, 10, true, &answer), YOCO_OK);
    assert_non_null(answer.logits);
    assert_int_equal(yoco_answer_add(&answer, NULL, &stops, END), YOCO_OK);
    assert_int_equal(answer.finish, YOCO_RUNNING);
    assert_int_equal(yoco_answer_add(&answer, NULL, &stops, 9), YOCO_OK);
    assert_int_equal(answer.finish, YOCO_FINISH_LENGTH);
    assert_int_equal(answer.ids[0], END);
    assert_int_equal(answer.text_size, 0);
    yoco_answer_free(&answer);
}

static void ids_of_the_model_end_it_too(void **state)
{
    (void)state;
    static const int32_t ends[] = {9, 7};
    yoco_strings stops = {0};
    for (int i = 0; i < 2; i++) {
        yoco_answer answer;
        assert_int_equal(yoco_answer_create(4, VOCAB, false, &answer), YOCO_OK);
        memcpy(answer.ends, ends, sizeof ends);
        answer.n_ends = 2;
        assert_int_equal(yoco_answer_add(&answer, i == 0 ? tokenizer : NULL, &stops, 8), YOCO_OK);
        assert_int_equal(answer.finish, YOCO_RUNNING);
        assert_int_equal(yoco_answer_add(&answer, i == 0 ? tokenizer : NULL, &stops, 7), YOCO_OK);
        assert_int_equal(answer.finish, YOCO_FINISH_STOP);
        assert_int_equal(answer.n, 2);
        yoco_answer_free(&answer);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_strings_across_tokens),
        cmocka_unit_test(the_end_gives_out_what_was_held_back),
        cmocka_unit_test(a_stop_string_inside_a_token),
        cmocka_unit_test(without_a_tokenizer_only_the_length_ends),
        cmocka_unit_test(ids_of_the_model_end_it_too),
    };
    if (argc != 2)
        return 2;
    source_folder = argv[1];
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
