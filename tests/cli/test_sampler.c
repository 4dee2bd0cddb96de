/* The sampler: which ids it may take, how often, and that nothing but seed and index decides. */
#include "coordinator/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/configs/fixture.h"

enum { VOCAB = 6, N_DRAWS = 20000 };

static const yoco_sampling cold = {.temperature = 1e-30, .top_p = 1.0};

static int32_t next(const yoco_sampling *sampling, const float *logits, const int32_t *banned,
                    int n_banned, int64_t index)
{
    yoco_sampler *sampler;
    int32_t id = -1;
    assert_int_equal(yoco_sampler_create(sampling, VOCAB, &sampler), YOCO_OK);
    assert_int_equal(yoco_sampler_next(sampler, logits, banned, n_banned, index, &id), YOCO_OK);
    yoco_sampler_free(sampler);
    return id;
}

/* How often each id comes at indices 0, 1, ... */
static void draw(const yoco_sampling *sampling, const float *logits, const int32_t *banned,
                 int n_banned, double share[VOCAB])
{
    yoco_sampler *sampler;
    int n[VOCAB] = {0};
    assert_int_equal(yoco_sampler_create(sampling, VOCAB, &sampler), YOCO_OK);
    for (int64_t i = 0; i < N_DRAWS; i++) {
        int32_t id = -1;
        assert_int_equal(yoco_sampler_next(sampler, logits, banned, n_banned, i, &id), YOCO_OK);
        assert_in_range(id, 0, VOCAB - 1);
        n[id]++;
    }
    for (int id = 0; id < VOCAB; id++)
        share[id] = (double)n[id] / N_DRAWS;
    yoco_sampler_free(sampler);
}

/* Five standard deviations of a share near 1/2 are 0.018. */
static void check_shares(const double share[VOCAB], const double expected[VOCAB])
{
    for (int id = 0; id < VOCAB; id++) {
        if (expected[id] == 0.0)
            assert_true(share[id] == 0.0);
        assert_float_equal(share[id], expected[id], 0.018);
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
    const yoco_sampling sampled = {.temperature = 1.0, .top_p = 1.0};
    const double expected[VOCAB] = {.02 / .3, 0, .08 / .3, 0, .15 / .3, .05 / .3};
    float logits[VOCAB];
    double share[VOCAB];
    fill(logits);
    assert_int_equal(next(&cold, logits, banned, 2, 0), 4);
    draw(&sampled, logits, banned, 2, share);
    check_shares(share, expected);
}

static void shares_follow_the_probabilities(void **state)
{
    (void)state;
    const yoco_sampling sampled = {.temperature = 1.0, .top_p = 1.0, .seed = 7};
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
    const yoco_sampling sampled = {.temperature = 0.5, .top_p = 1.0, .seed = 7};
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
    yoco_sampling sampled = {.temperature = 1.0, .top_p = 1.0, .top_k = 2, .seed = 7};
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
        assert_int_equal(next(&sampled, tied, NULL, 0, index), 1);
    sampled.top_k = 3;
    for (int64_t index = 0; index < 20; index++)
        assert_in_range(next(&sampled, equal, NULL, 0, index), 0, 2);
}

/* Many ids, every logit twice: the seven likeliest are the highest, of the fourth pair the lower
 * id. */
static void top_k_of_a_large_vocabulary(void **state)
{
    (void)state;
    enum { MANY = 5000, N_PAIRS = MANY / 2, STEP = 1237 }; /* STEP and N_PAIRS have no divisor */
    const yoco_sampling sampled = {.temperature = 1.0, .top_p = 1.0, .top_k = 7, .seed = 7};
    static float logits[MANY];
    yoco_sampler *sampler;
    int n_taken[MANY] = {0};
    for (int i = 0; i < MANY; i++)
        logits[i] = (float)(i % N_PAIRS * STEP % N_PAIRS) * 1e-4f;
    assert_int_equal(yoco_sampler_create(&sampled, MANY, &sampler), YOCO_OK);
    for (int64_t index = 0; index < 500; index++) {
        int32_t id = -1;
        assert_int_equal(yoco_sampler_next(sampler, logits, NULL, 0, index, &id), YOCO_OK);
        n_taken[id]++;
    }
    yoco_sampler_free(sampler);
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
    yoco_sampling sampled = {.temperature = 1.0, .top_p = 0.6, .seed = 7};
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

static void only_seed_and_index_decide(void **state)
{
    (void)state;
    const yoco_sampling seven = {.temperature = 1.0, .top_p = 1.0, .seed = 7};
    const yoco_sampling eight = {.temperature = 1.0, .top_p = 1.0, .seed = 8};
    float logits[VOCAB];
    int32_t forward[100];
    int n_other_seed = 0, n_other_index = 0;
    fill(logits);
    for (int i = 0; i < 100; i++)
        forward[i] = next(&seven, logits, NULL, 0, i);
    for (int i = 99; i >= 0; i--) {
        assert_int_equal(next(&seven, logits, NULL, 0, i), forward[i]);
        n_other_seed += next(&eight, logits, NULL, 0, i) != forward[i];
        n_other_index += i > 0 && forward[i] != forward[i - 1];
    }
    assert_true(n_other_seed > 30);
    assert_true(n_other_index > 30);
}

static void damaged_logits_are_refused(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    float logits[VOCAB];
    int32_t all[VOCAB] = {0, 1, 2, 3, 4, 5}, id = -1;
    yoco_sampler *sampler;
    assert_int_equal(yoco_sampler_create(&cold, VOCAB, &sampler), YOCO_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fill(logits);
        logits[4] = bad[i];
        log_begin();
        yoco_status status = yoco_sampler_next(sampler, logits, NULL, 0, 0, &id);
        log_end("the logit of id 4 is not finite");
        assert_int_equal(status, YOCO_ERR_DATA);
    }
    fill(logits);
    log_begin();
    yoco_status status = yoco_sampler_next(sampler, logits, all, VOCAB, 0, &id);
    log_end("every id of the vocabulary is banned");
    assert_int_equal(status, YOCO_ERR_DATA);
    assert_int_equal(id, -1);
    yoco_sampler_free(sampler);
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
        cmocka_unit_test(only_seed_and_index_decide),
        cmocka_unit_test(damaged_logits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
