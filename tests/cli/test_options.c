/* The option table: what parses, what is refused with which line, and the manual page. */
#include "coordinator/cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/configs/fixture.h"

static const yoco_command command = {.name = "try",
                                     .summary = "try options",
                                     .synopsis = "yoco try [OPTION]...",
                                     .description = "A command of this test."};

static struct {
    bool flag;
    const char *file;
    yoco_strings many, others;
    int64_t size;
    double real;
    uint64_t seed;
} values;

static const yoco_option options[] = {
    {"flag", 0, NULL, YOCO_OPTION_FLAG, &values.flag, 0, "A flag."},
    {"file", 'f', "FILE", YOCO_OPTION_STRING, &values.file, 0, "A file."},
    {"file-list", 0, "FILE", YOCO_OPTION_STRINGS, &values.many, 0, "Some files."},
    {"other", 'o', "TEXT", YOCO_OPTION_STRINGS, &values.others, 0, "Some texts."},
    {"size", 'n', "N", YOCO_OPTION_SIZE, &values.size, 2, "At least 2."},
    {"real", 0, "X", YOCO_OPTION_REAL, &values.real, 0.5, "At least 0.5."},
    {"seed", 0, "S", YOCO_OPTION_U64, &values.seed, 0, "A seed."},
};

enum { N_OPTIONS = sizeof options / sizeof *options };

/* Arguments end with NULL. */
static yoco_status parse(const char *const *arguments, bool *help)
{
    char *argv[16] = {(char *)"try"};
    int argc = 1;
    memset(&values, 0, sizeof values);
    for (; arguments[argc - 1]; argc++)
        argv[argc] = (char *)arguments[argc - 1];
    return yoco_options_parse(&command, options, N_OPTIONS, argc, argv, help);
}

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void every_kind_parses(void **state)
{
    (void)state;
    bool help;
    assert_int_equal(parse(ARGUMENTS("--flag", "-f", "a", "--size", "3K", "--real=0.5", "--seed",
                                     "18446744073709551615"),
                           &help),
                     YOCO_OK);
    assert_false(help);
    assert_true(values.flag);
    assert_string_equal(values.file, "a");
    assert_int_equal(values.size, 3072);
    assert_true(values.real == 0.5);
    assert_true(values.seed == UINT64_MAX);
}

static void values_stand_in_the_same_argument_or_the_next(void **state)
{
    (void)state;
    bool help;
    assert_int_equal(parse(ARGUMENTS("-n7", "--file=a"), &help), YOCO_OK);
    assert_int_equal(values.size, 7);
    assert_string_equal(values.file, "a");
    assert_int_equal(parse(ARGUMENTS("--file="), &help), YOCO_ERR_USAGE);
    assert_int_equal(parse(ARGUMENTS("-f", "--flag"), &help), YOCO_OK);
    assert_string_equal(values.file, "--flag");
    assert_false(values.flag);
}

static void repeated_options_keep_order_and_place(void **state)
{
    (void)state;
    bool help;
    assert_int_equal(
        parse(ARGUMENTS("--other", "a", "--file-list", "b", "-o", "c", "--file-list=d"), &help),
        YOCO_OK);
    assert_int_equal(values.others.n, 2);
    assert_int_equal(values.many.n, 2);
    assert_string_equal(values.others.values[0], "a");
    assert_string_equal(values.others.values[1], "c");
    assert_string_equal(values.many.values[1], "d");
    assert_true(values.others.places[0] < values.many.places[0]);
    assert_true(values.many.places[0] < values.others.places[1]);
    assert_true(values.others.places[1] < values.many.places[1]);
    yoco_options_free(options, N_OPTIONS);
    assert_int_equal(values.many.n, 0);
}

static void help_wins_over_errors(void **state)
{
    (void)state;
    bool help;
    assert_int_equal(parse(ARGUMENTS("--nonsense", "--help"), &help), YOCO_OK);
    assert_true(help);
    assert_int_equal(parse(ARGUMENTS("-h"), &help), YOCO_OK);
    assert_true(help);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *arguments[3];
        const char *line;
    } cases[] = {
        {{"--nonsense"}, "'--nonsense' is no option"},
        {{"-x"}, "'-x' is no option"},
        {{"file"}, "'file' is no option"},
        {{"-"}, "'-' is no option"},
        {{"--"}, "'--' is no option"},
        {{""}, "'' is no option"},
        {{"--fil", "a"}, "'--fil' is no option"},
        {{"--flag=yes"}, "'--flag=yes' is no option"},
        {{"--file"}, "--file needs FILE after it"},
        {{"-n"}, "--size needs N after it"},
        {{"--size", "1"}, "not '1'"},
        {{"--size", "-3"}, "not '-3'"},
        {{"--size", "3x"}, "not '3x'"},
        {{"--size", ""}, "not ''"},
        {{"--size", "9223372036854775808"}, "not '9223372036854775808'"},
        {{"--size", "9000000T"}, "not '9000000T'"},
        {{"--real", "0.4"}, "not '0.4'"},
        {{"--real", "nan"}, "not 'nan'"},
        {{"--real", "inf"}, "not 'inf'"},
        {{"--real", "1,5"}, "not '1,5'"},
        {{"--seed", "-1"}, "not '-1'"},
        {{"--seed", "18446744073709551616"}, "not '18446744073709551616'"},
        {{"--seed", "1.5"}, "not '1.5'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool help;
        log_begin();
        yoco_status status = parse(cases[i].arguments, &help);
        log_end(cases[i].line);
        assert_int_equal(status, YOCO_ERR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_parses),
        cmocka_unit_test(values_stand_in_the_same_argument_or_the_next),
        cmocka_unit_test(repeated_options_keep_order_and_place),
        cmocka_unit_test(help_wins_over_errors),
        cmocka_unit_test(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
