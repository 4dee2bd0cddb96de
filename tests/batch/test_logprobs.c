/* Log-probabilities against the formula, and the order of the likeliest ids. */
#include "coordinator/ask/logprobs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void follows_the_formula(void **state)
{
    (void)state;
    const float logits[] = {0.5f, -1.0f, 2.0f, 2.0f, -30.0f, 1.0f};
    double sum = 0.0;
    yoco_logprob out[7];
    for (int i = 0; i < 6; i++)
        sum += exp((double)logits[i]);
    for (int id = 0; id < 6; id++) {
        yoco_logprobs_of(logits, 6, id, 3, out);
        assert_int_equal(out[0].id, id);
        assert_true(fabs(out[0].logprob - (logits[id] - log(sum))) < 1e-5);
        const int likeliest[] = {2, 3, 5};
        for (int i = 0; i < 3; i++) {
            assert_int_equal(out[1 + i].id, likeliest[i]);
            assert_true(fabs(out[1 + i].logprob - (logits[likeliest[i]] - log(sum))) < 1e-5);
        }
    }
}

static void ties_go_to_the_lower_id(void **state)
{
    (void)state;
    const float logits[] = {1.0f, 3.0f, 3.0f, 3.0f};
    yoco_logprob out[3];
    yoco_logprobs_of(logits, 4, 0, 2, out);
    assert_int_equal(out[1].id, 1);
    assert_int_equal(out[2].id, 2);
}

static void stays_finite_where_exp_does_not(void **state)
{
    (void)state;
    const float logits[] = {1e4f, -1e4f};
    yoco_logprob out[1];
    yoco_logprobs_of(logits, 2, 0, 0, out);
    assert_true(out[0].logprob == 0.0f);
    yoco_logprobs_of(logits, 2, 1, 0, out);
    assert_true(out[0].logprob == -2e4f);
}

static void a_small_vocabulary_leaves_gaps(void **state)
{
    (void)state;
    const float logits[] = {-5.0f, -4.0f};
    yoco_logprob out[5];
    yoco_logprobs_of(logits, 2, 0, 4, out);
    assert_int_equal(out[1].id, 1);
    assert_int_equal(out[2].id, 0);
    assert_int_equal(out[3].id, -1);
    assert_int_equal(out[4].id, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_formula),
        cmocka_unit_test(ties_go_to_the_lower_id),
        cmocka_unit_test(stays_finite_where_exp_does_not),
        cmocka_unit_test(a_small_vocabulary_leaves_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
