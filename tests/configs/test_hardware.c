/* Hardware files: those of the source tree, what is refused, and the way back to text. */
#include "configs/machine/hardware.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/configs/fixture.h"

static void example(char **text)
{
    yoco_hardware h;
    assert_int_equal(yoco_hardware_load("h100-infiniband", &h), YOCO_OK);
    assert_int_equal(yoco_hardware_print(&h, text), YOCO_OK);
}

static void the_files_of_the_source_tree_are_good(void **state)
{
    (void)state;
    static const char *const names[] = {"h100-infiniband", "h100-ethernet", "epyc-infiniband"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        yoco_hardware h;
        assert_int_equal(yoco_hardware_load(names[i], &h), YOCO_OK);
        assert_string_equal(h.name, names[i]);
        assert_false(h.device.measured);
        assert_non_null(strstr(h.device.source, "data sheet"));
    }
}

static void printed_text_is_read_back(void **state)
{
    (void)state;
    yoco_hardware h, again;
    char *text;
    example(&text);
    memset(&h, 0, sizeof h);
    memset(&again, 0, sizeof again);
    assert_int_equal(yoco_hardware_load("h100-infiniband", &h), YOCO_OK);
    assert_int_equal(yoco_hardware_parse("text", text, strlen(text), &again), YOCO_OK);
    assert_memory_equal(&h, &again, sizeof h);
    yoco_free(text);
}

static void refuse(const char *from, const char *to, const char *expected)
{
    char *text, changed[8192];
    yoco_hardware h;
    example(&text);
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    log_begin();
    yoco_status status = yoco_hardware_parse("bad.json", changed, strlen(changed), &h);
    log_end(expected);
    assert_int_equal(status, YOCO_ERR_DATA);
    yoco_free(text);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    refuse("\"launch_s\"", "\"launch\"", "bad.json: device.launch_s is missing");
    refuse("\"launch_s\": 3e-6", "\"launch_s\": -1", "device.launch_s is -1");
    refuse("\"launch_s\": 3e-6", "\"launch_s\": \"3\"", "device.launch_s is \"3\"");
    refuse("\"devices\": 8", "\"devices\": 0", "node.devices is 0");
    refuse("\"devices\": 8", "\"devices\": 1.5", "node.devices is 1.5");
    refuse("\"taper\": 1.0", "\"taper\": 2", "network.taper is 2");
    refuse("\"measured\": false", "\"measured\": 0", "device.measured is missing");
    refuse("\"rows\"", "\"lines\"", "device.rates.rows.flop_s is missing");
    refuse("\"name\": \"h100-infiniband\"", "\"name\": \"\"", "name is missing");
    refuse("{", "[", "not valid JSON");
}

static void an_unknown_name_is_one_line(void **state)
{
    (void)state;
    yoco_hardware h;
    log_begin();
    yoco_status status = yoco_hardware_load("no-such-machine", &h);
    log_end("no-such-machine");
    assert_int_equal(status, YOCO_ERR_OPEN);
}

static void an_op_takes_the_larger_of_its_times(void **state)
{
    (void)state;
    yoco_hardware h = {.device = {.launch_s = 1}};
    h.device.rate[YOCO_WORK_ROWS] = (yoco_rate){.flop_s = 10, .byte_s = 100};
    assert_true(yoco_hardware_op_s(&h, YOCO_WORK_ROWS, 20, 100) == 3);
    assert_true(yoco_hardware_op_s(&h, YOCO_WORK_ROWS, 20, 500) == 6);
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_files_of_the_source_tree_are_good),
        cmocka_unit_test(printed_text_is_read_back),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(an_unknown_name_is_one_line),
        cmocka_unit_test(an_op_takes_the_larger_of_its_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
