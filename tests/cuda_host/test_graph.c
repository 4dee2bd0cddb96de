/* Recorded steps: what they compute, whatever comes between record(true) and record(false). */
#include "kernels/ops_window.h"

#include <cuda_runtime_api.h>
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
        yoco_cuda_ops.stream->record(t->device, true);
        run_section(t, step);
        if (step % 2 == 1)
            expect_b(t, step);
        yoco_cuda_ops.stream->record(t->device, false);
        expect_b(t, step);
        assert_int_equal(yoco_cuda_ops.synchronize(t->device), YOCO_OK);
    }
}

/* More work in every step, so that no graph can be updated. */
static void test_other_work(void **state)
{
    const graph_test *t = *state;
    for (int step = 0; step < STEPS; step++) {
        yoco_cuda_ops.stream->record(t->device, true);
        for (int i = 0; i <= step; i++)
            run_section(t, step + i);
        yoco_cuda_ops.stream->record(t->device, false);
        expect_b(t, 2 * step);
    }
}

/* Uploads that go around the ring of pinned memory within a step. */
static void test_around_the_ring(void **state)
{
    const graph_test *t = *state;
    for (int step = 0; step < STEPS; step++) {
        yoco_cuda_ops.stream->record(t->device, true);
        for (int i = 0; i < 2500; i++) /* 10 MB, a half has 8 */
            run_section(t, step + i);
        yoco_cuda_ops.stream->record(t->device, false);
        expect_b(t, step + 2499);
    }
}

/* More waits within a step than there are graphs. */
static void test_many_sections(void **state)
{
    const graph_test *t = *state;
    for (int step = 0; step < STEPS; step++) {
        yoco_cuda_ops.stream->record(t->device, true);
        for (int i = 0; i < 300; i++) {
            run_section(t, step + i);
            assert_int_equal(yoco_cuda_ops.synchronize(t->device), YOCO_OK);
        }
        run_section(t, step);
        yoco_cuda_ops.stream->record(t->device, false);
        expect_b(t, step);
    }
}

/* A launch that the device refuses, as its grid has too many heads. */
static void launch_too_many(const graph_test *t)
{
    yoco_cuda_ops.window->attend(t->device, &(yoco_window_args){.q_begin = 0,
                                                                .q_end = 1,
                                                                .n_heads = 70000,
                                                                .n_kv_heads = 70000,
                                                                .n_v_heads = 70000,
                                                                .head_dim = 32,
                                                                .v_dim = 32,
                                                                .window = 1,
                                                                .q = t->a,
                                                                .kv_dtype = YOCO_BF16,
                                                                .k = t->b,
                                                                .v = t->b,
                                                                .out_dtype = YOCO_F32,
                                                                .out = t->a});
}

/* It is reported wherever it stands: also in the first recording of a section, and before memory
 * that cannot be had. */
static void test_refused_launch(void **state)
{
    const graph_test *t = *state;
    void *too_much;
    for (int step = 0; step < STEPS; step++) {
        yoco_cuda_ops.stream->record(t->device, true);
        for (int i = 0; i < step; i++) /* other work than in the step before */
            run_section(t, i);
        launch_too_many(t);
        yoco_cuda_ops.stream->record(t->device, false);
        assert_int_equal(yoco_cuda_ops.synchronize(t->device), YOCO_ERR_INTERNAL);
    }
    launch_too_many(t);
    yoco_cuda_ops.stream->hold(t->device,
                               true); /* from here on a transport asks events, and clears */
    assert_int_equal(cudaGetLastError(), cudaSuccess);
    yoco_cuda_ops.stream->hold(t->device, false);
    assert_int_equal(yoco_cuda_ops.synchronize(t->device), YOCO_ERR_INTERNAL);
    launch_too_many(t);
    assert_int_equal(yoco_cuda_ops.alloc(t->device, (size_t)1 << 50, "too much", &too_much),
                     YOCO_ERR_MEMORY);
    assert_int_equal(yoco_cuda_ops.synchronize(t->device), YOCO_ERR_INTERNAL);
    launch_too_many(t);
    assert_int_equal(yoco_cuda_ops.alloc_shared(t->device, SIZE_MAX / 2, "too much", &too_much),
                     YOCO_ERR_MEMORY);
    assert_int_equal(yoco_cuda_ops.synchronize(t->device), YOCO_ERR_INTERNAL);
    assert_int_equal(yoco_cuda_ops.synchronize(t->device), YOCO_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_arguments), cmocka_unit_test(test_other_work),
        cmocka_unit_test(test_around_the_ring), cmocka_unit_test(test_many_sections),
        cmocka_unit_test(test_refused_launch),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
