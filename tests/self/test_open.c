/* Which transport opens the ranks: MPI only where a launcher has started the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm/comm.h"

static const yoco_comm_options options = {.deadline_s = 5};

static void opens_one_rank_without_a_launcher(void **state)
{
    yoco_comm *comm, *group;
    int64_t sum = 7;
    (void)state;
    assert_int_equal(yoco_comm_open(&options, 0, &comm), YOCO_OK);
    assert_string_equal(comm->ops->name, "self");
    assert_int_equal(comm->n_ranks, 1);
    assert_int_equal(yoco_all_sum_i64(comm, &sum, 1), YOCO_OK);
    assert_int_equal(sum, 7);
    assert_int_equal(yoco_agree(comm, YOCO_ERR_IO), YOCO_ERR_IO);
    assert_int_equal(yoco_comm_split(comm, 3, &group), YOCO_OK);
    assert_int_equal(group->n_ranks, 1);
    yoco_comm_close(group);
    yoco_comm_close(comm);
}

static void expects_one_rank(void **state)
{
    yoco_comm *comm;
    (void)state;
    assert_int_equal(yoco_comm_open(&options, 2, &comm), YOCO_ERR_USAGE);
    assert_int_equal(yoco_comm_open(&options, 1, &comm), YOCO_OK);
    yoco_comm_close(comm);
}

/* A message waits for its other half, and messages of one tag keep their order. */
static void matches_messages_by_tag(void **state)
{
    enum { N = 5 };
    static const yoco_wait_for what = {"a test", -1, -1};
    yoco_comm *comm;
    yoco_request sends[N] = {0}, receives[N] = {0};
    int sent[N], got[N] = {0};
    (void)state;
    assert_int_equal(yoco_comm_open(&options, 0, &comm), YOCO_OK);
    for (int i = 0; i < N; i++) {
        sent[i] = 10 + i;
        yoco_send(comm, 0, i % 2, &sent[i], sizeof sent[i], &sends[i]);
        if (i % 2 == 0)
            yoco_receive(comm, 0, 1, &got[i / 2], sizeof got[0], &receives[i / 2]);
        else
            yoco_receive(comm, 0, 0, &got[2 + (i + 1) / 2], sizeof got[0],
                         &receives[2 + (i + 1) / 2]);
    }
    assert_int_equal(yoco_wait(comm, &receives[0], &what), YOCO_OK);
    assert_int_equal(yoco_wait(comm, &receives[1], &what), YOCO_OK);
    assert_int_equal(got[0], 11);
    assert_int_equal(got[1], 13);
    for (int i = 3; i < N; i++)
        assert_int_equal(yoco_wait(comm, &receives[i], &what), YOCO_OK);
    assert_int_equal(got[3], 10);
    assert_int_equal(got[4], 12);
    for (int i = 0; i < N - 1; i++) /* the last one has no receive */
        assert_int_equal(yoco_wait(comm, &sends[i], &what), YOCO_OK);
    yoco_comm_close(comm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_one_rank_without_a_launcher),
        cmocka_unit_test(expects_one_rank),
        cmocka_unit_test(matches_messages_by_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
