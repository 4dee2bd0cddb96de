#include "trace.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
    bool on;
    double start_s, waited_s;
    yoco_span *spans; /* (max_spans), a ring */
    int64_t max_spans;
    yoco_trace_peer *peers; /* (n_ranks) */
    int n_ranks;
    yoco_trace_sums sums;
} trace;

yoco_status yoco_trace_start(int n_ranks, int64_t max_spans)
{
    yoco_trace_stop();
    trace.spans = calloc((size_t)max_spans, sizeof *trace.spans);
    trace.peers = calloc((size_t)n_ranks, sizeof *trace.peers);
    if (!trace.spans || !trace.peers) {
        yoco_trace_stop();
        yoco_log_error("cannot allocate a trace of %lld spans", (long long)max_spans);
        return YOCO_ERR_MEMORY;
    }
    trace.max_spans = max_spans;
    trace.n_ranks = n_ranks;
    trace.start_s = yoco_now_s();
    trace.on = true;
    return YOCO_OK;
}

void yoco_trace_stop(void)
{
    free(trace.spans);
    free(trace.peers);
    trace.spans = NULL;
    trace.peers = NULL;
    trace.on = false;
    trace.waited_s = 0.0;
    trace.sums = (yoco_trace_sums){0};
}

yoco_trace_mark yoco_trace_begin(void)
{
    if (!trace.on)
        return (yoco_trace_mark){0};
    return (yoco_trace_mark){yoco_now_s() - trace.start_s, trace.waited_s};
}

void yoco_trace_end(yoco_trace_mark mark, yoco_span_kind kind, const char *name, int64_t number,
                    int layer)
{
    if (!trace.on)
        return;
    double end_s = yoco_now_s() - trace.start_s, length_s = end_s - mark.begin_s;
    if (kind == YOCO_SPAN_WORK)
        length_s -= trace.waited_s - mark.waited_s;
    else if (kind != YOCO_SPAN_JOB)
        trace.waited_s += length_s;
    trace.sums.kind_s[kind] += length_s;
    yoco_span *span = &trace.spans[trace.sums.n_spans++ % trace.max_spans];
    *span = (yoco_span){
        .begin_s = mark.begin_s, .end_s = end_s, .number = number, .layer = layer, .kind = kind};
    snprintf(span->name, sizeof span->name, "%s", name);
}

void yoco_trace_sent(int peer, size_t bytes)
{
    if (!trace.on || peer >= trace.n_ranks)
        return;
    trace.peers[peer].n_messages++;
    trace.peers[peer].bytes += (int64_t)bytes;
}

void yoco_trace_reduced(size_t bytes)
{
    if (!trace.on)
        return;
    trace.sums.n_reductions++;
    trace.sums.reduced_bytes += (int64_t)bytes;
}

const yoco_trace_sums *yoco_trace_read(void)
{
    return &trace.sums;
}

const yoco_trace_peer *yoco_trace_peers(void)
{
    return trace.peers;
}

int64_t yoco_trace_n_kept(void)
{
    return yoco_i64_min(trace.sums.n_spans, trace.max_spans);
}

const yoco_span *yoco_trace_span(int64_t index)
{
    int64_t first = trace.sums.n_spans - yoco_trace_n_kept();
    return &trace.spans[(first + index) % trace.max_spans];
}
