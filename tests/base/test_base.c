#include "base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_status_table(void **state)
{
    (void)state;
    static const int exit_codes[YOCO_N_STATUS] = {0, 2, 65, 66, 70, 70, 74, 75};
    for (int s = 0; s < YOCO_N_STATUS; s++) {
        assert_int_equal(yoco_status_exit_code((yoco_status)s), exit_codes[s]);
        assert_non_null(yoco_status_text((yoco_status)s));
    }
    assert_int_equal(yoco_status_exit_code((yoco_status)99), 70);
    assert_string_equal(yoco_status_text((yoco_status)99), "unknown status");
}

static void test_dtype_table(void **state)
{
    (void)state;
    static const struct {
        yoco_dtype dtype;
        const char *name;
        size_t bytes;
    } rows[] = {{YOCO_F32, "F32", 4},
                {YOCO_BF16, "BF16", 2},
                {YOCO_F16, "F16", 2},
                {YOCO_F64, "F64", 8},
                {YOCO_I64, "I64", 8}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(yoco_dtype_name(rows[i].dtype), rows[i].name);
        assert_int_equal(yoco_dtype_bytes(rows[i].dtype), rows[i].bytes);
    }
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    static const struct {
        uint32_t f32;
        uint16_t bf16;
    } rows[] = {
        {0x00000000, 0x0000}, {0x80000000, 0x8000},
        {0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, /* a tie, down to even */
        {0x3f818000, 0x3f82},                       /* a tie, up to even */
        {0x3f808001, 0x3f81}, {0x3f807fff, 0x3f80},
        {0xbf808001, 0xbf81}, {0x7f7fffff, 0x7f80}, /* the largest finite becomes infinity */
        {0x7f800000, 0x7f80}, {0xff800000, 0xff80},
        {0x00000001, 0x0000}, {0x00008001, 0x0001}, /* denormals */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(yoco_f32_to_bf16(from_bits(rows[i].f32)), rows[i].bf16);
    static const uint32_t nans[] = {0x7f800001, 0x7fc00000, 0xff800001, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < sizeof nans / sizeof *nans; i++)
        assert_true(isnan(yoco_bf16_to_f32(yoco_f32_to_bf16(from_bits(nans[i])))));
}

static void test_bf16_round_trip(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits <= 0xffff; bits++)
        if (!isnan(yoco_bf16_to_f32((uint16_t)bits)))
            assert_int_equal(yoco_f32_to_bf16(yoco_bf16_to_f32((uint16_t)bits)), bits);
}

static void test_f16(void **state)
{
    (void)state;
    static const struct {
        uint16_t f16;
        float f32;
    } rows[] = {{0x0000, 0},        {0x3c00, 1},         {0xc000, -2},       {0x3555, 0x1.554p-2f},
                {0x7bff, 65504},    {0x0400, 0x1p-14f},  {0x0001, 0x1p-24f}, {0x03ff, 0x1.ff8p-15f},
                {0x7c00, INFINITY}, {0xfc00, -INFINITY}, {0x8001, -0x1p-24f}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(yoco_f16_to_f32(rows[i].f16) == rows[i].f32);
    assert_true(signbit(yoco_f16_to_f32(0x8000)));
    assert_true(isnan(yoco_f16_to_f32(0x7c01)) && isnan(yoco_f16_to_f32(0xfe00)));
}

static void test_checked_arithmetic(void **state)
{
    (void)state;
    size_t out = 7;
    assert_true(yoco_size_mul(SIZE_MAX / 2, 2, &out));
    assert_int_equal(out, SIZE_MAX - 1);
    assert_false(yoco_size_mul(SIZE_MAX / 2 + 1, 2, &out));
    assert_false(yoco_size_add(SIZE_MAX, 1, &out));
    assert_int_equal(out, SIZE_MAX - 1);
    assert_true(yoco_size_add(SIZE_MAX - 1, 1, &out));
    assert_int_equal(out, SIZE_MAX);
    assert_int_equal(yoco_div_up(0, 5), 0);
    assert_int_equal(yoco_div_up(11, 5), 3);
    assert_int_equal(yoco_round_up(10, 5), 10);
    assert_int_equal(yoco_round_up(11, 5), 15);
}

static void test_parse_size(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value; /* -1: refused */
    } rows[] = {{"0", 0},
                {"1048576", 1048576},
                {"128K", 131072},
                {"1m", 1 << 20},
                {"80G", INT64_C(80) << 30},
                {"2T", INT64_C(2) << 40},
                {"9223372036854775807", INT64_MAX},
                {"8388607T", INT64_C(8388607) << 40},
                {"8388608T", -1},
                {"9223372036854775808", -1},
                {"", -1},
                {"-1", -1},
                {"+1", -1},
                {" 1", -1},
                {"K", -1},
                {"1KB", -1},
                {"1.5M", -1},
                {"1P", -1},
                {"0x10", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t value = -1;
        assert_int_equal(yoco_parse_size(rows[i].text, &value), rows[i].value >= 0);
        assert_int_equal(value, rows[i].value);
    }
}

static void test_alloc(void **state)
{
    (void)state;
    void *ptr;
    assert_int_equal(yoco_alloc(1, "a test", &ptr), YOCO_OK);
    assert_int_equal((uintptr_t)ptr % 64, 0);
    yoco_free(ptr);
    assert_int_equal(yoco_alloc(0, "a test", &ptr), YOCO_OK);
    assert_null(ptr);
    assert_int_equal(yoco_alloc(SIZE_MAX, "a test", &ptr), YOCO_ERR_MEMORY);
}

static void test_map(void **state)
{
    (void)state;
    char path[] = "/tmp/yoco-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    yoco_map map = {.size = 7};
    assert_int_equal(yoco_map_open("/tmp/yoco-test-no-such-file", &map), YOCO_ERR_OPEN);
    assert_int_equal(yoco_map_open("/tmp", &map), YOCO_ERR_OPEN);
    assert_int_equal(map.size, 7);

    assert_int_equal(yoco_map_open(path, &map), YOCO_OK);
    assert_null(map.data);
    assert_int_equal(map.size, 0);
    yoco_map_close(&map);

    assert_int_equal(write(fd, "bytes", 5), 5);
    assert_int_equal(yoco_map_open(path, &map), YOCO_OK);
    assert_int_equal(map.size, 5);
    assert_memory_equal(map.data, "bytes", 5);
    yoco_map_close(&map);
    assert_null(map.data);
    close(fd);
    unlink(path);
}

/* What one call logs, caught from stderr. */
static void log_catch(char *text, size_t size, const char *message)
{
    FILE *caught = tmpfile();
    assert_non_null(caught);
    int real_stderr = dup(STDERR_FILENO);
    dup2(fileno(caught), STDERR_FILENO);
    yoco_log_error("%s", message);
    fflush(stderr);
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    rewind(caught);
    text[fread(text, 1, size - 1, caught)] = '\0';
    fclose(caught);
}

static void test_log_is_one_line(void **state)
{
    (void)state;
    char text[8192], message[4096];
    log_catch(text, sizeof text, "a tensor\nerror: \x1b[2J forged");
    assert_string_equal(text, "error: a tensor?error: ?[2J forged\n");
    yoco_log_set_rank(3, 4);
    log_catch(text, sizeof text, "cause");
    assert_string_equal(text, "rank 3: error: cause\n");
    yoco_log_set_rank(0, 1);
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    log_catch(text, sizeof text, message);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_table),
        cmocka_unit_test(test_dtype_table),
        cmocka_unit_test(test_bf16_rounds_to_nearest_even),
        cmocka_unit_test(test_bf16_round_trip),
        cmocka_unit_test(test_f16),
        cmocka_unit_test(test_checked_arithmetic),
        cmocka_unit_test(test_parse_size),
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_log_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
