/* Where the time of this process, one rank, goes: spans in a ring of fixed size, and sums that hold
 * also what the ring has dropped. Off until started; then a span costs two looks at the clock. For
 * the thread that calls the worker only. */
#ifndef YOCO_TRACE_H
#define YOCO_TRACE_H

#include "base.h"

typedef enum yoco_span_kind {
    YOCO_SPAN_JOB,       /* groups others; in no sum */
    YOCO_SPAN_WORK,      /* may hold waits, which do not count as computing */
    YOCO_SPAN_EDGE_WAIT, /* for the edge of a chunk */
    YOCO_SPAN_REDUCE,    /* a reduction over all ranks, the wait for the last one included */
    YOCO_SPAN_WAIT,      /* for other ranks, any other */
    YOCO_N_SPAN_KINDS
} yoco_span_kind;

typedef struct yoco_span {
    double begin_s, end_s; /* since the start */
    int64_t number;        /* chunk, branch or job; -1: none */
    int32_t layer;         /* -1: none */
    int32_t kind;          /* yoco_span_kind */
    char name[16];
} yoco_span;

typedef struct yoco_trace_sums {
    double kind_s[YOCO_N_SPAN_KINDS]; /* of WORK: without the waits in it */
    int64_t n_reductions, reduced_bytes;
    int64_t n_spans; /* all, the dropped ones included */
} yoco_trace_sums;

/* Messages to one other rank. */
typedef struct yoco_trace_peer {
    int64_t n_messages, bytes;
} yoco_trace_peer;

/* Begins at zero; the ring keeps the last max_spans. */
yoco_status yoco_trace_start(int n_ranks, int64_t max_spans);
void yoco_trace_stop(void);

typedef struct yoco_trace_mark {
    double begin_s, waited_s;
} yoco_trace_mark;

yoco_trace_mark yoco_trace_begin(void);
void yoco_trace_end(yoco_trace_mark mark, yoco_span_kind kind, const char *name, int64_t number,
                    int layer);
void yoco_trace_sent(int peer, size_t bytes);
void yoco_trace_reduced(size_t bytes);

/* Of the time since the start; valid until the stop. */
const yoco_trace_sums *yoco_trace_read(void);
const yoco_trace_peer *yoco_trace_peers(void); /* (n_ranks) */
/* Span `index` of those kept, oldest first. */
int64_t yoco_trace_n_kept(void);
const yoco_span *yoco_trace_span(int64_t index);

#endif
