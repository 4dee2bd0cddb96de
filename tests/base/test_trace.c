/* Spans and sums of a trace. */
#include "trace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void is_off_at_first(void **state)
{
    (void)state;
    yoco_trace_end(yoco_trace_begin(), YOCO_SPAN_WORK, "work", 1, 2);
    yoco_trace_sent(0, 10);
    yoco_trace_reduced(10);
    assert_int_equal(yoco_trace_read()->n_spans, 0);
    assert_int_equal(yoco_trace_read()->n_reductions, 0);
}

/* A wait within work does not count as computing. */
static void tells_waits_from_work(void **state)
{
    (void)state;
    assert_int_equal(yoco_trace_start(3, 8), YOCO_OK);
    yoco_trace_mark job = yoco_trace_begin(), work = yoco_trace_begin();
    yoco_trace_mark wait = yoco_trace_begin();
    for (double begin = yoco_now_s(); yoco_now_s() - begin < 0.002;)
        ;
    yoco_trace_end(wait, YOCO_SPAN_EDGE_WAIT, "edge", 5, 3);
    yoco_trace_end(work, YOCO_SPAN_WORK, "a name that is too long", 5, -1);
    yoco_trace_end(job, YOCO_SPAN_JOB, "job", 0, -1);
    yoco_trace_sent(2, 10);
    yoco_trace_sent(2, 5);
    yoco_trace_sent(7, 5); /* no such rank */

    const yoco_trace_sums *sums = yoco_trace_read();
    assert_int_equal(yoco_trace_n_kept(), 3);
    const yoco_span *edge = yoco_trace_span(0), *whole = yoco_trace_span(1);
    assert_string_equal(edge->name, "edge");
    assert_int_equal(edge->number, 5);
    assert_int_equal(edge->layer, 3);
    assert_string_equal(whole->name, "a name that is ");
    double wait_s = edge->end_s - edge->begin_s, work_s = whole->end_s - whole->begin_s;
    assert_true(wait_s >= 0.002);
    assert_true(fabs(sums->kind_s[YOCO_SPAN_EDGE_WAIT] - wait_s) < 1e-9);
    assert_true(fabs(sums->kind_s[YOCO_SPAN_WORK] - (work_s - wait_s)) < 1e-9);
    assert_int_equal(yoco_trace_peers()[2].n_messages, 2);
    assert_int_equal(yoco_trace_peers()[2].bytes, 15);
    assert_int_equal(yoco_trace_peers()[1].n_messages, 0);
    yoco_trace_stop();
}

/* The ring keeps the last spans; the sums keep all. */
static void drops_the_oldest(void **state)
{
    (void)state;
    assert_int_equal(yoco_trace_start(1, 4), YOCO_OK);
    for (int i = 0; i < 11; i++)
        yoco_trace_end(yoco_trace_begin(), YOCO_SPAN_REDUCE, "sum", i, -1);
    assert_int_equal(yoco_trace_read()->n_spans, 11);
    assert_int_equal(yoco_trace_n_kept(), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(yoco_trace_span(i)->number, 7 + i);
    yoco_trace_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_off_at_first),
        cmocka_unit_test(tells_waits_from_work),
        cmocka_unit_test(drops_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
