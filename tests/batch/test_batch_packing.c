/* The plan of a batch: every job once, long ones together, bins that are even. */
#include "coordinator/batch/packing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CHUNK = 100, MAX_JOBS = 200 };

static yoco_batch_packing plan_of(const yoco_batch_size *sizes, int64_t n, int n_ranks)
{
    yoco_batch_packing plan;
    assert_int_equal(yoco_batch_packing_make(sizes, n, CHUNK, n_ranks, true, &plan), YOCO_OK);
    return plan;
}

static int64_t tokens_of(const yoco_batch_size *size)
{
    return size->n_context + size->n_own;
}

/* Whatever the sizes: each job stands in the plan once; rounds and ranks are in order; no bin holds
 * more than the longest job that was left, or a chunk. */
static void check(const yoco_batch_size *sizes, int64_t n, int n_ranks)
{
    yoco_batch_packing plan = plan_of(sizes, n, n_ranks);
    int seen[MAX_JOBS] = {0};
    int64_t last_round = 0, load = 0, limit = 0, total = 0;
    int last_rank = 0;
    for (int64_t i = 0; i < plan.n_together; i++) {
        seen[plan.together[i]]++;
        total += tokens_of(&sizes[plan.together[i]]);
        assert_true(i == 0 || plan.together[i] > plan.together[i - 1]);
    }
    assert_int_equal(total, plan.tokens_together);
    for (int64_t i = 0; i < plan.n_packed; i++) {
        const yoco_batch_slot *slot = &plan.packed[i];
        bool new_round = i == 0 || slot->round != last_round;
        bool new_bin = new_round || slot->rank != last_rank;
        assert_true(slot->rank >= 0 && slot->rank < n_ranks && slot->round < plan.n_rounds);
        assert_true(new_round ? slot->round == last_round + (i > 0) : slot->rank >= last_rank);
        if (new_round) { /* rank 0 has the longest */
            assert_int_equal(slot->rank, 0);
            limit = yoco_i64_max(tokens_of(&sizes[slot->job]), CHUNK);
        }
        load = (new_bin ? 0 : load) + tokens_of(&sizes[slot->job]);
        assert_true(load <= limit);
        seen[slot->job]++;
        last_round = slot->round;
        last_rank = slot->rank;
    }
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(seen[i], 1);
    assert_true(plan.busy > 0.0 && plan.busy <= 1.0);
    yoco_batch_packing_free(&plan);
}

static void holds_every_job_once(void **state)
{
    (void)state;
    yoco_batch_size sizes[MAX_JOBS];
    uint32_t random = 1;
    for (int n_ranks = 1; n_ranks <= 7; n_ranks++)
        for (int64_t n = 0; n <= MAX_JOBS; n += n < 10 ? 1 : 19) {
            for (int64_t i = 0; i < n; i++) {
                random = random * 1664525u + 1013904223u;
                int64_t scale = random % 5 == 0 ? 40 * CHUNK : CHUNK / 2;
                sizes[i] = (yoco_batch_size){(random >> 8) % scale, 1 + (random >> 16) % 40};
            }
            check(sizes, n, n_ranks);
        }
}

static void one_rank_takes_all_in_order(void **state)
{
    (void)state;
    yoco_batch_size sizes[] = {{5, 1}, {5000, 1}, {0, 3}};
    yoco_batch_packing plan = plan_of(sizes, 3, 1);
    assert_int_equal(plan.n_together, 3);
    assert_int_equal(plan.n_rounds, 0);
    yoco_batch_packing_free(&plan);
}

static void long_documents_keep_all_ranks(void **state)
{
    (void)state;
    yoco_batch_size sizes[] = {{8 * CHUNK, 1}, {10, 1},        {7 * CHUNK + 1, 1},
                               {10, 1},        {7 * CHUNK, 1}, {10, 1},
                               {20, 1},        {30, 1}};
    yoco_batch_packing plan = plan_of(sizes, 8, 4);
    assert_int_equal(plan.n_together, 2);
    assert_int_equal(plan.together[0], 0);
    assert_int_equal(plan.together[1], 2);
    assert_int_equal(plan.packed[0].job, 4);
    yoco_batch_packing_free(&plan);
}

/* Fewer short jobs than ranks: what has two chunks is better shared. */
static void few_jobs_are_shared(void **state)
{
    (void)state;
    yoco_batch_size sizes[] = {{3 * CHUNK, 1}, {CHUNK, 1}};
    yoco_batch_packing plan = plan_of(sizes, 2, 4);
    assert_int_equal(plan.n_together, 1);
    assert_int_equal(plan.together[0], 0);
    assert_int_equal(plan.n_packed, 1);
    yoco_batch_packing_free(&plan);
}

static void jobs_on_a_context_are_never_packed(void **state)
{
    (void)state;
    yoco_batch_size sizes[] = {{10, 1}, {10, 1}, {10, 5}};
    yoco_batch_packing plan;
    assert_int_equal(yoco_batch_packing_make(sizes, 3, CHUNK, 2, false, &plan), YOCO_OK);
    assert_int_equal(plan.n_together, 3);
    assert_int_equal(plan.n_rounds, 0);
    yoco_batch_packing_free(&plan);
}

static void equal_jobs_leave_no_rank_idle(void **state)
{
    (void)state;
    yoco_batch_size sizes[80];
    char text[256];
    for (int i = 0; i < 80; i++)
        sizes[i] = (yoco_batch_size){20, 5};
    yoco_batch_packing plan = plan_of(sizes, 80, 4);
    assert_int_equal(plan.n_rounds, 5); /* 4 jobs of 25 in a chunk of 100, 4 ranks */
    assert_true(plan.busy == 1.0);
    yoco_batch_packing_print(&plan, text, sizeof text);
    assert_non_null(strstr(text, "80 short jobs of 2000 tokens in 5 rounds"));
    assert_non_null(strstr(text, "busy 100 %"));
    yoco_batch_packing_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_every_job_once),
        cmocka_unit_test(one_rank_takes_all_in_order),
        cmocka_unit_test(long_documents_keep_all_ranks),
        cmocka_unit_test(few_jobs_are_shared),
        cmocka_unit_test(jobs_on_a_context_are_never_packed),
        cmocka_unit_test(equal_jobs_leave_no_rank_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
