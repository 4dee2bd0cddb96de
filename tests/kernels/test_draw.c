/* Draws: which ids they may take, how often, and that nothing but the random number decides. Other
 * backends draw as this code does: test_ops_rows.c. */
#include "kernels/draw.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { VOCAB = 6, MANY = 5000, N_DRAWS = 20000 };

typedef struct sampling {
    double temperature, top_p;
    int64_t top_k;
} sampling;

static const sampling cold = {.temperature = 1e-30, .top_p = 1.0};

/* Evenly spread: multiples of the golden ratio. */
static double unit_at(int64_t index)
{
    double x = (double)(index + 1) * 0.6180339887498949;
    return x - floor(x);
}

static int32_t next(const sampling *how, const float *logits, int32_t n, const int32_t *banned,
                    int n_banned, double unit)
{
    static char scratch[MANY * YOCO_DRAW_SCRATCH];
    const yoco_draw_args args = {.n_rows = 1,
                                 .n = n,
                                 .x = logits,
                                 .temperature = how->temperature,
                                 .top_p = how->top_p,
                                 .top_k = how->top_k,
                                 .units = &unit,
                                 .n_banned = n_banned,
                                 .banned = banned,
                                 .scratch = scratch};
    return yoco_draw_row(&args, 0);
}

/* How often each id comes. */
static void draw(const sampling *how, const float *logits, const int32_t *banned, int n_banned,
                 double share[VOCAB])
{
    int n[VOCAB] = {0};
    for (int64_t i = 0; i < N_DRAWS; i++) {
        int32_t id = next(how, logits, VOCAB, banned, n_banned, unit_at(i));
        assert_in_range(id, 0, VOCAB - 1);
        n[id]++;
    }
    for (int id = 0; id < VOCAB; id++)
        share[id] = (double)n[id] / N_DRAWS;
}

static void check_shares(const double share[VOCAB], const double expected[VOCAB])
{
    for (int id = 0; id < VOCAB; id++) {
        if (expected[id] == 0.0)
            assert_true(share[id] == 0.0);
        assert_float_equal(share[id], expected[id], 0.002);
    }
}

/* Logits of the probabilities .02 .4 .08 .3 .15 .05, out of order and with an offset. */
static void fill(float logits[VOCAB])
{
    static const double p[VOCAB] = {.02, .4, .08, .3, .15, .05};
    for (int i = 0; i < VOCAB; i++)
        logits[i] = (float)(log(p[i]) + 100.0);
}

static void banned_ids_are_never_taken(void **state)
{
    (void)state;
    const int32_t banned[] = {1, 3};
    const sampling sampled = {.temperature = 1.0, .top_p = 1.0};
    const double expected[VOCAB] = {.02 / .3, 0, .08 / .3, 0, .15 / .3, .05 / .3};
    float logits[VOCAB];
    double share[VOCAB];
    fill(logits);
    assert_int_equal(next(&cold, logits, VOCAB, banned, 2, 0.5), 4);
    draw(&sampled, logits, banned, 2, share);
    check_shares(share, expected);
}

static void shares_follow_the_probabilities(void **state)
{
    (void)state;
    const sampling sampled = {.temperature = 1.0, .top_p = 1.0};
    const double expected[VOCAB] = {.02, .4, .08, .3, .15, .05};
    float logits[VOCAB];
    double share[VOCAB];
    fill(logits);
    draw(&sampled, logits, NULL, 0, share);
    check_shares(share, expected);
}

/* At temperature 1/2 probabilities are squared. */
static void temperature_sharpens(void **state)
{
    (void)state;
    const sampling sampled = {.temperature = 0.5, .top_p = 1.0};
    const double p[VOCAB] = {.02, .4, .08, .3, .15, .05};
    double share[VOCAB], expected[VOCAB], sum = 0.0;
    float logits[VOCAB];
    fill(logits);
    for (int i = 0; i < VOCAB; i++)
        sum += p[i] * p[i];
    for (int i = 0; i < VOCAB; i++)
        expected[i] = p[i] * p[i] / sum;
    draw(&sampled, logits, NULL, 0, share);
    check_shares(share, expected);
    draw(&cold, logits, NULL, 0, share);
    assert_true(share[1] == 1.0);
}

static void top_k_keeps_the_k_likeliest(void **state)
{
    (void)state;
    const double of_two[VOCAB] = {0, .4 / .7, 0, .3 / .7, 0, 0};
    const double of_all[VOCAB] = {.02, .4, .08, .3, .15, .05};
    sampling sampled = {.temperature = 1.0, .top_p = 1.0, .top_k = 2};
    float logits[VOCAB];
    double share[VOCAB];
    fill(logits);
    draw(&sampled, logits, NULL, 0, share);
    check_shares(share, of_two);
    sampled.top_k = 1000;
    draw(&sampled, logits, NULL, 0, share);
    check_shares(share, of_all);
    sampled.top_k = 1;
    const float tied[VOCAB] = {0, 5, 1, 5, 5, -1}, equal[VOCAB] = {0};
    for (int64_t index = 0; index < 20; index++)
        assert_int_equal(next(&sampled, tied, VOCAB, NULL, 0, unit_at(index)), 1);
    sampled.top_k = 3;
    for (int64_t index = 0; index < 20; index++)
        assert_in_range(next(&sampled, equal, VOCAB, NULL, 0, unit_at(index)), 0, 2);
}

/* Many ids, every logit twice: the seven likeliest are the highest, of the fourth pair the lower
 * id. */
static void top_k_of_a_large_vocabulary(void **state)
{
    (void)state;
    enum { N_PAIRS = MANY / 2, STEP = 1237 }; /* STEP and N_PAIRS have no divisor */
    const sampling sampled = {.temperature = 1.0, .top_p = 1.0, .top_k = 7};
    static float logits[MANY];
    int n_taken[MANY] = {0};
    for (int i = 0; i < MANY; i++)
        logits[i] = (float)(i % N_PAIRS * STEP % N_PAIRS) * 1e-4f;
    for (int64_t index = 0; index < 500; index++)
        n_taken[next(&sampled, logits, MANY, NULL, 0, unit_at(index))]++;
    for (int i = 0; i < MANY; i++) {
        int below_best = N_PAIRS - 1 - i % N_PAIRS * STEP % N_PAIRS;
        assert_true((n_taken[i] > 0) == (below_best < 3 || (below_best == 3 && i < N_PAIRS)));
    }
}

/* .4 + .3 reach 0.6, and .4 + .3 + .15 reach 0.75. */
static void top_p_keeps_the_fewest_that_reach_it(void **state)
{
    (void)state;
    const double of_two[VOCAB] = {0, .4 / .7, 0, .3 / .7, 0, 0};
    const double of_three[VOCAB] = {0, .4 / .85, 0, .3 / .85, .15 / .85, 0};
    sampling sampled = {.temperature = 1.0, .top_p = 0.6};
    float logits[VOCAB];
    double share[VOCAB];
    fill(logits);
    draw(&sampled, logits, NULL, 0, share);
    check_shares(share, of_two);
    sampled.top_p = 0.75;
    draw(&sampled, logits, NULL, 0, share);
    check_shares(share, of_three);
    sampled.top_p = 1e-9;
    draw(&sampled, logits, NULL, 0, share);
    assert_true(share[1] == 1.0);
    /* after top-k: of .4 and .3 alone, .4 is 57 % */
    sampled.top_p = 0.55;
    sampled.top_k = 2;
    draw(&sampled, logits, NULL, 0, share);
    assert_true(share[1] == 1.0);
}

/* The ids share the numbers from 0 to 1 in their order: .02 .4 .08 .3 .15 .05. */
static void the_number_decides(void **state)
{
    (void)state;
    const sampling sampled = {.temperature = 1.0, .top_p = 1.0};
    const double units[] = {0, .0199, .0201, .4199, .4201, .4999, .5001, .9499, .9501, 1 - 0x1p-53};
    const int32_t ids[] = {0, 0, 1, 1, 2, 2, 3, 4, 5, 5};
    float logits[VOCAB];
    fill(logits);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_int_equal(next(&sampled, logits, VOCAB, NULL, 0, units[i]), ids[i]);
}

static void damaged_logits_are_told(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const int32_t all[VOCAB] = {0, 1, 2, 3, 4, 5};
    float logits[VOCAB];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fill(logits);
        logits[4] = bad[i];
        assert_int_equal(next(&cold, logits, VOCAB, NULL, 0, 0.5), YOCO_ARGMAX_NOT_FINITE);
    }
    fill(logits);
    assert_int_equal(next(&cold, logits, VOCAB, all, VOCAB, 0.5), YOCO_ARGMAX_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(banned_ids_are_never_taken),
        cmocka_unit_test(shares_follow_the_probabilities),
        cmocka_unit_test(temperature_sharpens),
        cmocka_unit_test(top_k_keeps_the_k_likeliest),
        cmocka_unit_test(top_k_of_a_large_vocabulary),
        cmocka_unit_test(top_p_keeps_the_fewest_that_reach_it),
        cmocka_unit_test(the_number_decides),
        cmocka_unit_test(damaged_logits_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
