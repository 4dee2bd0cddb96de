/* Ops that choose ids, of every backend against the reference. */
#include "kernels/ops_choose.h"
#include "tests/kernels/ops_testing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static test_random rnd;

static int seed(void **state)
{
    (void)state;
    rnd.state = 11;
    return 0;
}

static void check_argmax(rig *r, const float *x, int64_t n_rows, int n, const int32_t *banned,
                         int n_banned, const int32_t *want)
{
    int32_t got[70];
    assert_true(n_rows <= 70);
    r->ops->choose->argmax(
        r->device, &(yoco_argmax_args){.n_rows = n_rows,
                                       .n = n,
                                       .x = rig_device(r, x, (size_t)(n_rows * n) * sizeof *x),
                                       .n_banned = n_banned,
                                       .banned = banned,
                                       .out = got});
    assert_int_equal(r->ops->synchronize(r->device), YOCO_OK);
    check_equal(r, "argmax", got, want, (size_t)n_rows * sizeof *got);
}

static void argmax_cases(rig *tested, rig *reference)
{
    (void)reference;
    enum { N = 6 };
    const float x[][N] = {{0, 1, -2, 3, 2, -1},       {0, 5, 1, 5, 5, -1},
                          {-9, -8, -7, -9, -9, -9},   {-0.0f, 0.0f, -0.0f, 0, 0, 0},
                          {0, 1, NAN, 3, 2, -1},      {0, 1, 2, 3, 2, INFINITY},
                          {0, 1, 2, -INFINITY, 2, 1}, {0, 9, 1, 9, 8, 8}};
    enum { ROWS = sizeof x / sizeof x[0] };
    const int32_t banned[] = {1, 3}, all[] = {0, 1, 2, 3, 4, 5};
    const int32_t bad = YOCO_ARGMAX_NOT_FINITE, none = YOCO_ARGMAX_NONE;
    const int32_t want[ROWS] = {3, 1, 2, 0, bad, bad, bad, 1};
    const int32_t without[ROWS] = {4, 4, 2, 0, bad, bad, bad, 4};
    const int32_t nothing[ROWS] = {none, none, none, none, bad, bad, bad, none};
    check_argmax(tested, x[0], ROWS, N, NULL, 0, want);
    check_argmax(tested, x[0], ROWS, N, banned, 2, without);
    check_argmax(tested, x[0], ROWS, N, all, N, nothing);
}

/* Few values, so that equals are far apart. */
static void argmax_of_many(rig *tested, rig *reference)
{
    static const int sizes[] = {1, 255, 256, 257, 32000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int n = sizes[i];
        int64_t n_rows = 65;
        float *x = rig_host(tested, (size_t)(n_rows * n) * sizeof *x);
        int32_t want[65];
        const int32_t banned[] = {n - 1, 0};
        int n_banned = n > 2 ? 2 : 0;
        for (int64_t j = 0; j < n_rows * n; j++)
            x[j] = (float)random_below(&rnd, 50);
        reference->ops->choose->argmax(reference->device, &(yoco_argmax_args){.n_rows = n_rows,
                                                                              .n = n,
                                                                              .x = x,
                                                                              .n_banned = n_banned,
                                                                              .banned = banned,
                                                                              .out = want});
        check_argmax(tested, x, n_rows, n, banned, n_banned, want);
        rig_reset(tested);
        rig_reset(reference);
    }
}

/* As the reference draws, cut or not, with equals far apart or everywhere. */
static void draws(rig *tested, rig *reference)
{
    static const int sizes[] = {1, 255, 257, 3000, 9000};
    static const yoco_draw_args hows[] = {{.temperature = 0.7, .top_p = 1.0},
                                          {.temperature = 3.0, .top_p = 0.9},
                                          {.temperature = 0.5, .top_p = 1.0, .top_k = 40},
                                          {.temperature = 1.3, .top_p = 0.5, .top_k = 100},
                                          {.temperature = 1e-9, .top_p = 1.0}};
    enum { ROWS = 70, MOST = 9000 };
    static char scratch[MOST * YOCO_DRAW_SCRATCH];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t how = 0; how < sizeof hows / sizeof hows[0]; how++) {
            int n = sizes[i], n_rows = n == 257 ? ROWS : 9;
            float *x = rig_host(tested, (size_t)(n_rows * n) * sizeof *x);
            int32_t want[ROWS], got[ROWS];
            const int32_t banned[] = {n - 1, 0};
            double units[ROWS];
            for (int64_t j = 0; j < n_rows * n; j++)
                x[j] = j / n == 3   ? 0.0f
                       : j / n == 4 ? (float)random_below(&rnd, 5)
                                    : (float)random_below(&rnd, 1000) * 0.01f - 5.0f;
            if (n > 2)
                x[5 * n + 1] = INFINITY;
            for (int row = 0; row < n_rows; row++)
                units[row] = row == 0 ? 0.0 : (double)random_below(&rnd, 1000) * 0.001;
            yoco_draw_args args = hows[how];
            args.n_rows = n_rows;
            args.n = n;
            args.units = units;
            args.n_banned = n > 2 ? 2 : 0;
            args.banned = banned;
            args.scratch = scratch;
            args.x = x;
            args.out = want;
            reference->ops->choose->draw(reference->device, &args);
            args.x = rig_device(tested, x, (size_t)(n_rows * n) * sizeof *x);
            args.out = got;
            tested->ops->choose->draw(tested->device, &args);
            assert_int_equal(tested->ops->synchronize(tested->device), YOCO_OK);
            check_equal(tested, "draw", got, want, (size_t)n_rows * sizeof *got);
            rig_reset(tested);
            rig_reset(reference);
        }
    }
}

static void test_draw(void **state)
{
    (void)state;
    each_rig(draws);
}

static void test_argmax(void **state)
{
    (void)state;
    each_rig(argmax_cases);
    each_rig(argmax_of_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_draw, seed),
        cmocka_unit_test_setup(test_argmax, seed),
    };
    return cmocka_run_group_tests_name("kernels_ops_choose", tests, NULL, NULL);
}
