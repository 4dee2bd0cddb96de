/* Finding backends and instruction sets by name, and what a backend says about itself. */
#include "kernels/ops_attend.h"
#include "kernels/ops_choose.h"
#include "kernels/ops_dense.h"
#include "kernels/ops_retention.h"
#include "kernels/ops_window.h"
#include "tests/kernels/ops_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_find(void **state)
{
    (void)state;
    assert_ptr_equal(yoco_ops_find("reference"), &yoco_reference_ops);
    assert_ptr_equal(yoco_ops_find("cpu"), &yoco_cpu_ops);
    assert_null(yoco_ops_find("gpu"));
    assert_null(yoco_ops_find(""));
}

/* The first that has a device. */
static void test_auto(void **state)
{
    char line[256];
    int first = 0;
    (void)state;
    while (!yoco_ops_at(first)->device_at(0, line, sizeof line))
        first++;
    assert_ptr_equal(yoco_ops_find("auto"), yoco_ops_at(first));
    assert_true(yoco_cpu_ops.device_at(0, line, sizeof line));
    assert_int_equal(strcmp(line, yoco_isa_name(yoco_isa_detect())), 0);
    assert_false(yoco_cpu_ops.device_at(1, line, sizeof line));
}

static void test_isa_names(void **state)
{
    (void)state;
    for (int isa = 0; isa < YOCO_N_ISA; isa++) {
        yoco_isa found = YOCO_N_ISA;
        assert_true(yoco_isa_find(yoco_isa_name((yoco_isa)isa), &found));
        assert_int_equal(found, isa);
    }
    yoco_isa untouched = YOCO_ISA_AVX2;
    assert_false(yoco_isa_find("avx", &untouched));
    assert_int_equal(untouched, YOCO_ISA_AVX2);
    assert_in_range(yoco_isa_detect(), YOCO_ISA_PORTABLE, YOCO_N_ISA - 1);
}

/* Every other row is written, from the last to the first; rows of 48 bytes on 16-byte boundaries,
 * and rows on none. */
static void check_copy_rows(const yoco_ops *ops, yoco_device_options options)
{
    enum { ROWS = 300, MAX_ROW = 48 };
    static const size_t sizes[] = {3, MAX_ROW, 20};
    rig r;
    rig_open(&r, ops, options);
    unsigned char bytes[ROWS * MAX_ROW], want[2 * ROWS * MAX_ROW];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t row = sizes[s];
        const char *from = rig_device(&r, bytes, ROWS * row);
        char *to = rig_device(&r, NULL, 2 * ROWS * row);
        yoco_row_copy copies[ROWS];
        memset(want, 0xff, sizeof want);
        for (size_t i = 0; i < ROWS; i++) {
            copies[i] = (yoco_row_copy){to + 2 * i * row, from + (ROWS - 1 - i) * row};
            memcpy(want + 2 * i * row, bytes + (ROWS - 1 - i) * row, row);
        }
        ops->copy_rows(r.device, copies, 0, row);
        ops->copy_rows(r.device, copies, ROWS, row);
        memset(copies, 0, sizeof copies); /* the caller's again */
        check_equal(&r, "copy_rows", rig_fetch(&r, to), want, 2 * ROWS * row);
    }
    rig_close(&r);
}

static void check_memory_and_hash(const yoco_ops *ops, yoco_device_options options)
{
    enum { N = 1000 };
    rig r;
    rig_open(&r, ops, options);
    unsigned char bytes[N], got[N], *a = rig_device(&r, NULL, N), *b = rig_device(&r, NULL, N);
    for (int i = 0; i < N; i++)
        bytes[i] = (unsigned char)(i * 7);
    ops->upload(r.device, a, bytes, N);
    ops->copy(r.device, b, a, N);
    check_equal(&r, "copy", rig_fetch(&r, b), bytes, N);
    assert_true(ops->hash(r.device, a, N) == ops->hash(r.device, b, N));
    assert_true(ops->hash(r.device, a, N) != ops->hash(r.device, b, N - 1));
    bytes[N - 1] ^= 1;
    ops->upload(r.device, b, bytes, N);
    assert_true(ops->hash(r.device, a, N) != ops->hash(r.device, b, N));

    ops->zero(r.device, b, N - 1);
    unsigned char *zeroed = rig_fetch(&r, b);
    for (int i = 0; i < N - 1; i++)
        assert_int_equal(zeroed[i], 0);
    assert_int_equal(zeroed[N - 1], bytes[N - 1]);

    void *shared;
    assert_int_equal(ops->alloc_shared(r.device, N, "shared memory", &shared), YOCO_OK);
    ops->copy(r.device, shared, a, N - 1);
    ops->upload(r.device, (char *)shared + N - 1, bytes, 1);
    ops->copy(r.device, b, shared, N);
    assert_int_equal(ops->synchronize(r.device), YOCO_OK);
    assert_int_equal(ops->fetch(r.device, got, b, N), YOCO_OK);
    assert_memory_equal(got, bytes, N - 1);
    assert_memory_equal(shared, got, N);
    ops->free_shared(r.device, shared);
    rig_close(&r);
}

static void check_description(const yoco_ops *ops, yoco_device_options options)
{
    char text[128], cut[8];
    ops->describe(&options, text, sizeof text);
    assert_int_equal(strncmp(text, ops->name, strlen(ops->name)), 0);
    ops->describe(&options, cut, sizeof cut);
    assert_int_equal(strlen(cut), sizeof cut - 1);
    size_t element = options.dtype == YOCO_BF16 ? 2 : 4;
    assert_true(ops->weight_bytes(&options, 100, 60) >= 100 * 60 * element);
}

/* `bytes` of pointers. */
static void expect_full(const void *pointers, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += sizeof(void *)) {
        void *slot;
        memcpy(&slot, (const char *)pointers + i, sizeof slot);
        assert_non_null(slot);
    }
}

#define EXPECT_FULL(table)                                                                         \
    do {                                                                                           \
        if (table)                                                                                 \
            expect_full(table, sizeof *(table));                                                   \
    } while (0)

/* A backend may lack a family, the reference none; no slot of a table is NULL. */
static void test_tables_are_full(void **state)
{
    (void)state;
    const yoco_ops *ops;
    for (int i = 0; (ops = yoco_ops_at(i)); i++) {
        expect_full(&ops->device_at, offsetof(yoco_ops, stream) - offsetof(yoco_ops, device_at));
        EXPECT_FULL(ops->stream);
        EXPECT_FULL(ops->dense);
        EXPECT_FULL(ops->window);
        EXPECT_FULL(ops->retention);
        EXPECT_FULL(ops->attend);
        EXPECT_FULL(ops->choose);
    }
    ops = &yoco_reference_ops;
    expect_full(&ops->dense, sizeof *ops - offsetof(yoco_ops, dense));
}

static void test_memory_and_hash(void **state)
{
    (void)state;
    each_backend(check_memory_and_hash);
    each_backend(check_copy_rows);
}

static void test_description(void **state)
{
    (void)state;
    each_backend(check_description);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_isa_names),   cmocka_unit_test(test_memory_and_hash),
        cmocka_unit_test(test_description), cmocka_unit_test(test_tables_are_full),
    };
    return cmocka_run_group_tests_name("kernels_registry", tests, NULL, NULL);
}
