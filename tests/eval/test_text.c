/* Names, values, sentences and questions: held out, distinct, and a function of the seed and the
 * document alone. */
#include "coordinator/eval/text.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 100, N = 8 };

static bool never(const void *data, const char *word)
{
    (void)data;
    (void)word;
    return false;
}

static void draw(yoco_eval_task task, int n, int64_t trial, int64_t seed, yoco_eval_fact *facts)
{
    yoco_eval_cell cell = {task, 4096, yoco_eval_task_has_depth(task) ? 0.5 : NAN, n, trial};
    yoco_random random = yoco_eval_cell_random(&cell, seed);
    assert_int_equal(yoco_eval_facts_draw(&cell, &random, never, NULL, facts), YOCO_OK);
}

static void check_name(const char *name)
{
    unsigned sum = 0;
    size_t length = strlen(name), n_lower = 0, n_digits = 0;
    for (size_t i = 0; i < length; i++) {
        sum += (unsigned char)name[i];
        n_lower += islower((unsigned char)name[i]) != 0;
        n_digits += isdigit((unsigned char)name[i]) != 0;
    }
    if (sum % 8 != 0)
        fail_msg("the bytes of '%s' sum up to %u", name, sum);
    bool word = length >= 5 && length <= 9 && n_lower == length;
    bool capital =
        length >= 6 && length <= 9 && isupper((unsigned char)name[0]) && n_lower == length - 1;
    const char *hyphen = strchr(name, '-');
    bool mixed = hyphen && n_lower >= 2 && n_lower <= 4 && n_digits >= 2 && n_digits <= 4 &&
                 (size_t)(hyphen - name) == n_lower && n_lower + 1 + n_digits == length;
    if (!word && !capital && !mixed)
        fail_msg("'%s' is no kind of name", name);
}

static void check_value(const char *value)
{
    size_t length = strlen(value);
    bool number =
        length >= 5 && length <= 8 && strspn(value, "0123456789") == length && value[0] != '0';
    bool word = length >= 5 && length <= 8 && strspn(value, "abcdefghijklmnopqrstuvwxyz") == length;
    bool hex = length >= 6 && length <= 8 && strspn(value, "0123456789abcdef") == length;
    if (!number && !word && !hex)
        fail_msg("'%s' is no kind of value", value);
}

static void check_sentence(const yoco_eval_fact *f)
{
    char stated[64];
    snprintf(stated, sizeof stated, " %s.", f->value);
    size_t length = strlen(f->text), n = strlen(stated);
    assert_true(length > n && length + 1 < sizeof f->text);
    assert_string_equal(f->text + length - n, stated);
    assert_non_null(strstr(f->text, f->key));
    assert_null(strchr(f->text, '\n'));
    assert_memory_equal(f->asked, "\n\nQuestion: ", 12);
    assert_string_equal(f->asked + strlen(f->asked) - 8, "\nAnswer:");
    assert_non_null(strstr(f->asked, f->key));
    assert_null(strstr(f->asked, f->value));
}

static void test_facts(void **state)
{
    (void)state;
    yoco_eval_fact facts[N];
    for (int task = 0; task < YOCO_EVAL_COMPAT; task++) {
        for (int trial = 0; trial < MANY; trial++) {
            draw((yoco_eval_task)task, N, trial, 1, facts);
            for (int i = 0; i < N; i++) {
                check_name(facts[i].key);
                check_value(facts[i].value);
                check_sentence(&facts[i]);
                for (int j = 0; j < i; j++) {
                    assert_null(strstr(facts[i].value, facts[j].value));
                    assert_null(strstr(facts[j].value, facts[i].value));
                    if (task == YOCO_EVAL_MULTIVALUE)
                        assert_string_equal(facts[i].key, facts[j].key);
                    else
                        assert_true(!strstr(facts[i].key, facts[j].key) &&
                                    !strstr(facts[j].key, facts[i].key));
                }
            }
        }
    }
}

static void test_seeds(void **state)
{
    (void)state;
    yoco_eval_fact a[N], b[N];
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    draw(YOCO_EVAL_MULTIKEY, N, 3, 7, a);
    draw(YOCO_EVAL_NEEDLE, 1, 0, 7, b);
    draw(YOCO_EVAL_MULTIKEY, N, 3, 7, b);
    assert_memory_equal(a, b, sizeof a);
    draw(YOCO_EVAL_MULTIKEY, N, 3, 8, b);
    assert_string_not_equal(a[0].key, b[0].key);
    draw(YOCO_EVAL_MULTIKEY, N, 4, 7, b);
    assert_string_not_equal(a[0].key, b[0].key);
}

typedef struct forbidden {
    const char *key, *value;
} forbidden;

static bool is_forbidden(const void *data, const char *word)
{
    const forbidden *f = data;
    return strcmp(word, f->key) == 0 || strcmp(word, f->value) == 0;
}

static bool always(const void *data, const char *word)
{
    return !never(data, word);
}

static void test_taken(void **state)
{
    (void)state;
    yoco_eval_fact first, other;
    yoco_eval_cell cell = {YOCO_EVAL_NEEDLE, 4096, 0.5, 1, 0};
    yoco_random random = yoco_eval_cell_random(&cell, 1);
    yoco_random again = random, once_more = random;
    assert_int_equal(yoco_eval_facts_draw(&cell, &random, never, NULL, &first), YOCO_OK);
    forbidden words = {first.key, first.value};
    assert_int_equal(yoco_eval_facts_draw(&cell, &again, is_forbidden, &words, &other), YOCO_OK);
    assert_string_not_equal(first.key, other.key);
    assert_string_not_equal(first.value, other.value);
    assert_int_equal(yoco_eval_facts_draw(&cell, &once_more, always, NULL, &other), YOCO_ERR_DATA);
}

/* All 100 entries of the authors' list, without one twice: 69 names, Chicago four times. */
static void test_cities(void **state)
{
    (void)state;
    static yoco_eval_fact facts[100];
    int n_names = 0, n_chicago = 0;
    draw(YOCO_EVAL_COMPAT, 100, 0, 1, facts);
    for (int i = 0; i < 100; i++) {
        bool is_new = true;
        for (int j = 0; j < i; j++)
            is_new = is_new && strcmp(facts[i].key, facts[j].key) != 0;
        n_names += is_new;
        n_chicago += strcmp(facts[i].key, "Chicago") == 0;
        assert_true(strlen(facts[i].value) <= 5);
    }
    assert_int_equal(n_names, 69);
    assert_int_equal(n_chicago, 4);
    draw(YOCO_EVAL_COMPAT, 1, 0, 1, facts);
    char text[160];
    snprintf(text, sizeof text, "The special magic %s number is %s . ", facts[0].key,
             facts[0].value);
    assert_string_equal(facts[0].text, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_cities),
    };
    yoco_log_set_quiet(true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
