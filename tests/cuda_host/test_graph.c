/* Recorded steps: what they compute, whatever comes between record(true) and record(false). */
#include "kernels/kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 1000, STEPS = 5 };

typedef struct graph_test {
    yoco_device *device;
    void *a, *b;
} graph_test;

static int setup(void **state)
{
    static graph_test t;
    yoco_device_options options = {.n_threads = 1, .dtype = YOCO_F32};
    assert_int_equal(yoco_cuda_ops.open(&options, &t.device), YOCO_OK);
    assert_int_equal(yoco_cuda_ops.alloc(t.device, N * sizeof(int), "a", &t.a), YOCO_OK);
    assert_int_equal(yoco_cuda_ops.alloc(t.device, N * sizeof(int), "b", &t.b), YOCO_OK);
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    graph_test *t = *state;
    yoco_cuda_ops.free(t->device, t->a);
    yoco_cuda_ops.free(t->device, t->b);
    yoco_cuda_ops.close(t->device);
    return 0;
}

/* a = values of this step, b = a. */
static void run_section(const graph_test *t, int step)
{
    int values[N];
    for (int i = 0; i < N; i++)
        values[i] = step * N + i;
    yoco_cuda_ops.upload(t->device, t->a, values, sizeof values);
    memset(values, 0, sizeof values); /* the caller's again */
    yoco_cuda_ops.copy(t->device, t->b, t->a, sizeof values);
}

static void expect_b(const graph_test *t, int step)
{
    int values[N];
    yoco_cuda_ops.download(t->device, values, t->b, sizeof values);
    for (int i = 0; i < N; i++)
        assert_int_equal(values[i], step * N + i);
}

/* Other arguments in every step; the download stands outside or inside the recording. */
static void test_other_arguments(void **state)
{
    const graph_test *t = *state;
    for (int step = 0; step < STEPS; step++) {
        yoco_cuda_ops.record(t->device, true);
        run_section(t, step);
        if (step % 2 == 1)
            expect_b(t, step);
        yoco_cuda_ops.record(t->device, false);
        expect_b(t, step);
        assert_int_equal(yoco_cuda_ops.synchronize(t->device), YOCO_OK);
    }
}

/* More work in every step, so that no graph can be updated. */
static void test_other_work(void **state)
{
    const graph_test *t = *state;
    for (int step = 0; step < STEPS; step++) {
        yoco_cuda_ops.record(t->device, true);
        for (int i = 0; i <= step; i++)
            run_section(t, step + i);
        yoco_cuda_ops.record(t->device, false);
        expect_b(t, 2 * step);
    }
}

/* Uploads that go around the ring of pinned memory within a step. */
static void test_around_the_ring(void **state)
{
    const graph_test *t = *state;
    for (int step = 0; step < STEPS; step++) {
        yoco_cuda_ops.record(t->device, true);
        for (int i = 0; i < 1000; i++) /* 4 MB, a half has 1 */
            run_section(t, step + i);
        yoco_cuda_ops.record(t->device, false);
        expect_b(t, step + 999);
    }
}

/* More waits within a step than there are graphs. */
static void test_many_sections(void **state)
{
    const graph_test *t = *state;
    for (int step = 0; step < STEPS; step++) {
        yoco_cuda_ops.record(t->device, true);
        for (int i = 0; i < 300; i++) {
            run_section(t, step + i);
            assert_int_equal(yoco_cuda_ops.synchronize(t->device), YOCO_OK);
        }
        run_section(t, step);
        yoco_cuda_ops.record(t->device, false);
        expect_b(t, step);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_arguments),
        cmocka_unit_test(test_other_work),
        cmocka_unit_test(test_around_the_ring),
        cmocka_unit_test(test_many_sections),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
