#include "coordinator/session/trace_file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "configs/files/atomic_file.h"
#include "configs/files/json_text.h"
#include "coordinator/session/bytes.h"
#include "trace.h"

static const int64_t MAX_SPANS = 1 << 16;

/* The head of a rank's message; its peers and its spans follow. */
typedef struct rank_trace {
    yoco_trace_sums sums;
    int64_t n_kept;
} rank_trace;

static const char *const kind_names[YOCO_N_SPAN_KINDS] = {
    [YOCO_SPAN_JOB] = "job",
    [YOCO_SPAN_WORK] = "compute",
    [YOCO_SPAN_EDGE_WAIT] = "edge_wait",
    [YOCO_SPAN_REDUCE] = "reduce",
    [YOCO_SPAN_WAIT] = "wait",
};

yoco_status yoco_trace_open(yoco_comm *comm)
{
    YOCO_TRY(yoco_agree(comm, YOCO_OK)); /* one moment for all clocks */
    return yoco_agree(comm, yoco_trace_start(comm->n_ranks, MAX_SPANS));
}

static yoco_status pack(int n_ranks, yoco_bytes *out)
{
    rank_trace head = {.sums = *yoco_trace_read(), .n_kept = yoco_trace_n_kept()};
    YOCO_TRY(yoco_bytes_add(out, &head, sizeof head));
    YOCO_TRY(yoco_bytes_add(out, yoco_trace_peers(), (size_t)n_ranks * sizeof(yoco_trace_peer)));
    for (int64_t i = 0; i < head.n_kept; i++)
        YOCO_TRY(yoco_bytes_add(out, yoco_trace_span(i), sizeof(yoco_span)));
    return YOCO_OK;
}

static yoco_status write_event(yoco_atomic_file *file, json_t *event, bool last)
{
    char *text = yoco_json_text(event, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(event);
    if (!text) {
        yoco_log_error("cannot allocate a trace event");
        return YOCO_ERR_MEMORY;
    }
    yoco_status status = yoco_atomic_file_write(file, text, strlen(text));
    if (status == YOCO_OK)
        status = yoco_atomic_file_write(file, last ? "\n" : ",\n", last ? 1 : 2);
    free(text);
    return status;
}

static json_t *span_event(int rank, const yoco_span *span)
{
    json_t *arguments = json_object();
    if (span->number >= 0)
        json_object_set_new(arguments, "number", json_integer(span->number));
    if (span->layer >= 0)
        json_object_set_new(arguments, "layer", json_integer(span->layer));
    return json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:o}", "name", span->name, "cat",
                     kind_names[span->kind], "ph", "X", "ts", span->begin_s * 1e6, "dur",
                     (span->end_s - span->begin_s) * 1e6, "pid", 0, "tid", rank, "args", arguments);
}

/* The rank's row: its name, which holds the sums too, then its spans. */
static yoco_status write_rank(yoco_atomic_file *file, int rank, int n_ranks,
                              const yoco_bytes *bytes, bool last)
{
    rank_trace head;
    memcpy(&head, bytes->data, sizeof head);
    const char *at = bytes->data + sizeof head;
    json_t *sums = json_object(), *peers = json_array();
    for (int kind = YOCO_SPAN_WORK; kind < YOCO_N_SPAN_KINDS; kind++) {
        char name[32];
        snprintf(name, sizeof name, "%s_s", kind_names[kind]);
        json_object_set_new(sums, name, json_real(head.sums.kind_s[kind]));
    }
    for (int peer = 0; peer < n_ranks; peer++, at += sizeof(yoco_trace_peer)) {
        yoco_trace_peer p;
        memcpy(&p, at, sizeof p);
        json_array_append_new(peers, json_pack("{s:I, s:I}", "messages", (json_int_t)p.n_messages,
                                               "bytes", (json_int_t)p.bytes));
    }
    json_object_set_new(sums, "reductions", json_integer(head.sums.n_reductions));
    json_object_set_new(sums, "reduced_bytes", json_integer(head.sums.reduced_bytes));
    json_object_set_new(sums, "sent_to", peers);
    json_object_set_new(sums, "dropped_spans", json_integer(head.sums.n_spans - head.n_kept));
    char name[32];
    snprintf(name, sizeof name, "rank %d", rank);
    json_object_set_new(sums, "name", json_string(name));
    YOCO_TRY(write_event(file,
                         json_pack("{s:s, s:s, s:i, s:i, s:o}", "name", "thread_name", "ph", "M",
                                   "pid", 0, "tid", rank, "args", sums),
                         last && head.n_kept == 0));
    for (int64_t i = 0; i < head.n_kept; i++, at += sizeof(yoco_span)) {
        yoco_span span;
        memcpy(&span, at, sizeof span);
        YOCO_TRY(write_event(file, span_event(rank, &span), last && i + 1 == head.n_kept));
    }
    return YOCO_OK;
}

/* Rank 0 goes on receiving after a failed write, so that no sender waits for ever. */
static yoco_status write_ranks(yoco_comm *comm, yoco_atomic_file *file, yoco_bytes *mine)
{
    yoco_status status = YOCO_OK;
    for (int rank = 0; rank < comm->n_ranks; rank++) {
        yoco_bytes theirs = {0};
        if (rank > 0)
            YOCO_TRY(yoco_bytes_receive(comm, rank, &theirs, "the trace"));
        if (status == YOCO_OK)
            status = write_rank(file, rank, comm->n_ranks, rank > 0 ? &theirs : mine,
                                rank + 1 == comm->n_ranks);
        free(theirs.data);
    }
    return status;
}

static yoco_status write_file(yoco_comm *comm, yoco_atomic_file *file, yoco_bytes *mine)
{
    static const char head[] = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", tail[] = "]}\n";
    yoco_status status = yoco_atomic_file_write(file, head, sizeof head - 1);
    yoco_status ranks = write_ranks(comm, file, mine);
    if (status == YOCO_OK)
        status = ranks;
    if (status == YOCO_OK)
        status = yoco_atomic_file_write(file, tail, sizeof tail - 1);
    if (status == YOCO_OK)
        return yoco_atomic_file_finish(file);
    yoco_atomic_file_discard(file);
    return status;
}

yoco_status yoco_trace_save(yoco_comm *comm, const char *path)
{
    yoco_bytes mine = {0};
    yoco_atomic_file *file = NULL;
    yoco_status status = pack(comm->n_ranks, &mine);
    yoco_trace_stop();
    if (status == YOCO_OK && comm->rank == 0)
        status = yoco_atomic_file_create(path, &file);
    status = yoco_agree(comm, status);
    if (status != YOCO_OK)
        yoco_atomic_file_discard(file);
    else if (comm->rank == 0)
        status = write_file(comm, file, &mine);
    else
        status = yoco_bytes_send(comm, 0, &mine, "the trace");
    free(mine.data);
    return yoco_agree(comm, status);
}
