/* When edges are saved: the table, and the two limits for many contexts. */
#include "partition/edge_period.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_table(void **state)
{
    (void)state;
    static const struct {
        int64_t n_chunks;
        size_t edge_bytes, kv_bytes;
        int64_t period;
    } cases[] = {
        {0, 100, 400, 1},
        {1, 100, 400, 1},
        {10, 0, 400, 1},
        {10, 100, 400, 1},
        {10, 101, 400, 2},
        {10, 1, 400, 1},
        {10, 1000, 400, 10},
        {10, 5000, 400, 50},
        {17, 1, 400, 1},
        {18, 1, 400, 2},
        {34, 1, 400, 2},
        {35, 1, 400, 3},
        {512, 1, 400, 31},
        /* the 3B shape, chunks of 2048: 13 layers of 1023 rows, or of states, on 8 MiB of K and V
         */
        {512, (size_t)13 * 2 * 1023 * 3072 * 2, 8 << 20, 78},
        {512, (size_t)13 * 24 * 128 * 128 * 4, 8 << 20, 31},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            yoco_edge_period(cases[i].n_chunks, cases[i].edge_bytes, cases[i].kv_bytes),
            cases[i].period);
}

static int64_t count(int64_t n_chunks, int64_t period)
{
    int64_t n = 0;
    for (int64_t chunk = 0; chunk < n_chunks; chunk++)
        n += yoco_edge_is_saved(n_chunks, period, chunk);
    return n;
}

static void test_limits(void **state)
{
    (void)state;
    for (int64_t n_chunks = 1; n_chunks < 200; n_chunks++) {
        for (size_t edge_bytes = 0; edge_bytes < 300; edge_bytes += 7) {
            int64_t period = yoco_edge_period(n_chunks, edge_bytes, 100);
            int64_t n = count(n_chunks, period) - 1; /* besides the last */
            assert_true(n >= 0 && n <= YOCO_EDGES_PER_CONTEXT);
            assert_true(4 * n * (int64_t)edge_bytes <= 100 * n_chunks);
            assert_true(yoco_edge_is_saved(n_chunks, period, n_chunks - 1));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
