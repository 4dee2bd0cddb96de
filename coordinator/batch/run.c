#include "coordinator/batch/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/ask/failure.h"
#include "coordinator/batch/checkpoints.h"
#include "coordinator/batch/compute.h"
#include "coordinator/batch/line.h"
#include "trace.h"

yoco_batch_size yoco_batch_entry_size(const yoco_batch_entry *entry)
{
    yoco_batch_size size = {.n_context = entry->prompt.context.n};
    if (entry->document && !entry->document->path) /* of all jobs, prefilled before */
        size.n_context = 0;
    for (int i = 0; i < entry->prompt.n_questions; i++)
        size.n_own += entry->prompt.questions[i].tokens.n + entry->job.max_tokens;
    return size;
}

static yoco_batch_entry *entry_of(const yoco_batch_run *run, int64_t job)
{
    return &run->input->entries[run->jobs[job]];
}

static yoco_status append(const yoco_batch_run *run, char *line)
{
    yoco_status status = yoco_batch_results_append(run->results, line, strlen(line));
    free(line);
    return status;
}

static yoco_status finish_failed(const yoco_batch_run *run, const yoco_batch_entry *entry,
                                 const yoco_batch_fault *fault)
{
    char *line, reason[640];
    yoco_batch_size cost = yoco_batch_entry_size(entry);
    yoco_batch_fault_explain(entry->line, fault, reason, sizeof reason);
    yoco_log_warn("%s, %s; the job has no answer, and the next run tries it again",
                  run->input->name, reason);
    YOCO_TRY(yoco_batch_line_failure(entry, fault, &line));
    YOCO_TRY(append(run, line));
    yoco_batch_progress_failure(run->progress, cost.n_context + cost.n_own);
    return YOCO_OK;
}

/* Rank 0. A checkpoint that stays costs no answer. Takes out->line. */
static yoco_status finish(const yoco_batch_run *run, yoco_batch_entry *entry,
                          yoco_batch_outcome *out)
{
    yoco_batch_size cost = yoco_batch_entry_size(entry);
    if (out->failed)
        return finish_failed(run, entry, &out->fault);
    YOCO_TRY(append(run, out->line));
    entry->done = true;
    yoco_batch_progress_job(run->progress, cost.n_context + cost.n_own);
    if (run->checkpoints)
        *run->spoiled = yoco_failure_worse(
            *run->spoiled, yoco_batch_checkpoint_remove(run->session->worker,
                                                        run->checkpoints->folder, entry->id));
    return YOCO_OK;
}

/* Rank 0: the ids before a job's questions. What is wrong with the document is logged. */
static yoco_status find_context(const yoco_batch_run *run, const yoco_batch_entry *entry,
                                yoco_ids *out)
{
    yoco_batch_fault fault = {.reason = ""};
    char reason[640];
    yoco_log_forget_error();
    yoco_status status =
        yoco_batch_entry_context(entry, run->documents, run->tokenizer, &fault, out);
    if (fault.reason[0]) {
        yoco_batch_fault_explain(entry->line, &fault, reason, sizeof reason);
        yoco_log_error("%s", reason);
    }
    return status;
}

/* Rank 0. */
static yoco_status pack(const yoco_batch_run *run, int64_t job, yoco_bytes *bytes)
{
    const yoco_batch_entry *entry = entry_of(run, job);
    yoco_ids context;
    YOCO_TRY(find_context(run, entry, &context));
    return yoco_batch_parcel_pack(entry, run->jobs[job], run->context ? NULL : &context, bytes);
}

/* Rank 0: the job as it is, and packed for the others without the ids before its questions. */
static yoco_status send_out(const yoco_batch_run *run, int64_t job, yoco_bytes *bytes,
                            yoco_batch_parcel *parcel)
{
    const yoco_batch_entry *entry = entry_of(run, job);
    yoco_ids context;
    YOCO_TRY(find_context(run, entry, &context));
    *parcel = yoco_batch_parcel_borrow(entry, run->jobs[job], &context);
    if (run->session->comm->n_ranks == 1)
        return YOCO_OK;
    return yoco_batch_parcel_pack(entry, run->jobs[job], NULL, bytes);
}

/* Rank 0's job to all ranks. */
static yoco_status deliver(const yoco_batch_run *run, int64_t job, yoco_bytes *bytes,
                           yoco_batch_parcel *parcel)
{
    yoco_comm *comm = run->session->comm;
    size_t at = 0;
    yoco_status status = YOCO_OK;
    yoco_log_forget_error();
    if (comm->rank == 0)
        status = send_out(run, job, bytes, parcel);
    YOCO_TRY(yoco_agree(comm, status));
    YOCO_TRY(yoco_bytes_broadcast(comm, bytes));
    if (comm->rank > 0)
        status = yoco_batch_parcel_unpack(bytes, &at, parcel);
    YOCO_TRY(yoco_agree(comm, status));
    return run->context ? YOCO_OK : yoco_ids_share(comm, &parcel->prompt.context);
}

static yoco_status run_together(const yoco_batch_run *run, int64_t job)
{
    yoco_comm *comm = run->session->comm;
    yoco_bytes bytes = {0};
    yoco_batch_parcel parcel = {0};
    yoco_batch_outcome outcome = {0};
    yoco_status status = deliver(run, job, &bytes, &parcel);
    if (status == YOCO_OK)
        status = yoco_batch_compute(run, run->session, &parcel, &outcome);
    else
        status = yoco_batch_fail(run, run->session, NULL, status, &outcome);
    if (status == YOCO_OK && comm->rank == 0)
        status = finish(run, entry_of(run, job), &outcome);
    free(bytes.data);
    yoco_batch_parcel_free(&parcel);
    return yoco_agree(comm, status);
}

/* Rank 0: a rank's bin as bytes, without the jobs that cannot be sent. *slot moves behind it. */
static yoco_status pack_bin(const yoco_batch_run *run, yoco_session *alone, int64_t round, int rank,
                            int64_t *slot, yoco_bytes *bytes)
{
    const yoco_batch_packing *packing = run->packing;
    for (; *slot < packing->n_packed; ++*slot) {
        const yoco_batch_slot *s = &packing->packed[*slot];
        if (s->round != round || s->rank != rank)
            break;
        yoco_batch_outcome outcome = {0};
        yoco_status status = pack(run, s->job, bytes);
        if (status == YOCO_OK)
            continue;
        YOCO_TRY(yoco_batch_fail(run, alone, NULL, status, &outcome));
        YOCO_TRY(finish(run, entry_of(run, s->job), &outcome));
    }
    return YOCO_OK;
}

/* Bins go out rank by rank; this rank's own stays in `bytes`. */
static yoco_status deal_bins(const yoco_batch_run *run, yoco_session *alone, int64_t round,
                             int64_t *slot, yoco_bytes *bytes)
{
    yoco_comm *comm = run->session->comm;
    yoco_status status = YOCO_OK;
    if (comm->rank != 0)
        return yoco_bytes_receive(comm, 0, bytes, "short jobs");
    for (int rank = 0; rank < comm->n_ranks; rank++) {
        yoco_bytes bin = {0};
        if (status == YOCO_OK)
            status = pack_bin(run, alone, round, rank, slot, rank == 0 ? bytes : &bin);
        if (status != YOCO_OK)
            bin.size = 0; /* the others wait for something */
        if (rank > 0)
            YOCO_TRY(yoco_bytes_send(comm, rank, &bin, "short jobs"));
        free(bin.data);
    }
    return status;
}

/* An outcome on its way to rank 0: its line or its fault follows. */
typedef struct outcome_head {
    int64_t entry, failed, size;
} outcome_head;

static yoco_status add_outcome(yoco_bytes *bytes, int64_t entry, const yoco_batch_outcome *out)
{
    size_t size = out->failed ? sizeof out->fault : strlen(out->line) + 1;
    outcome_head head = {.entry = entry, .failed = out->failed, .size = (int64_t)size};
    YOCO_TRY(yoco_bytes_add(bytes, &head, sizeof head));
    return yoco_bytes_add(bytes, out->failed ? (const void *)&out->fault : out->line, size);
}

/* Rank 0: those of one other rank. */
static yoco_status take_outcomes(const yoco_batch_run *run, const yoco_bytes *bytes)
{
    for (size_t at = 0; at < bytes->size;) {
        outcome_head head;
        yoco_batch_outcome outcome = {0};
        memcpy(&head, bytes->data + at, sizeof head);
        at += sizeof head;
        outcome.failed = head.failed;
        if (outcome.failed)
            memcpy(&outcome.fault, bytes->data + at, sizeof outcome.fault);
        else if (!(outcome.line = strdup(bytes->data + at))) {
            yoco_log_error("cannot allocate a result line");
            return YOCO_ERR_MEMORY;
        }
        YOCO_TRY(finish(run, &run->input->entries[head.entry], &outcome));
        at += (size_t)head.size;
    }
    return YOCO_OK;
}

/* Computes a bin; rank 0's lines are durable at once, the others' are collected. */
static yoco_status run_bin(const yoco_batch_run *run, yoco_session *alone, const yoco_bytes *bytes,
                           yoco_bytes *outcomes)
{
    for (size_t at = 0; at < bytes->size;) {
        yoco_batch_parcel parcel;
        yoco_batch_outcome outcome = {0};
        yoco_log_forget_error();
        yoco_status status = yoco_batch_parcel_unpack(bytes, &at, &parcel);
        if (status == YOCO_OK)
            status = yoco_batch_compute(run, alone, &parcel, &outcome);
        else
            status = yoco_batch_fail(run, alone, NULL, status, &outcome);
        if (status == YOCO_OK && run->session->comm->rank == 0) {
            status = finish(run, &run->input->entries[parcel.index], &outcome);
        } else if (status == YOCO_OK) {
            status = add_outcome(outcomes, parcel.index, &outcome);
            free(outcome.line);
        }
        yoco_batch_parcel_free(&parcel);
        YOCO_TRY(status);
    }
    return YOCO_OK;
}

static yoco_status gather_outcomes(const yoco_batch_run *run, const yoco_bytes *outcomes)
{
    yoco_comm *comm = run->session->comm;
    yoco_status status = YOCO_OK;
    if (comm->rank != 0)
        return yoco_bytes_send(comm, 0, outcomes, "results of short jobs");
    for (int rank = 1; rank < comm->n_ranks; rank++) {
        yoco_bytes theirs = {0};
        YOCO_TRY(yoco_bytes_receive(comm, rank, &theirs, "results of short jobs"));
        if (status == YOCO_OK)
            status = take_outcomes(run, &theirs);
        free(theirs.data);
    }
    return status;
}

/* *slot, of rank 0: the round's first; it moves to the next one's. */
static yoco_status run_round(const yoco_batch_run *run, yoco_session *alone, int64_t round,
                             int64_t *slot)
{
    yoco_comm *comm = run->session->comm;
    yoco_bytes bytes = {0}, outcomes = {0};
    yoco_status status = deal_bins(run, alone, round, slot, &bytes);
    if (status == YOCO_OK)
        status = run_bin(run, alone, &bytes, &outcomes);
    yoco_trace_mark mark = yoco_trace_begin();
    yoco_status gathered = gather_outcomes(run, &outcomes);
    yoco_trace_end(mark, YOCO_SPAN_WAIT, "end of round", round, -1);
    free(bytes.data);
    free(outcomes.data);
    return yoco_agree(comm, status != YOCO_OK ? status : gathered);
}

/* Every rank as a group of its own. */
static yoco_status run_rounds(const yoco_batch_run *run, int64_t n_rounds)
{
    yoco_session alone = *run->session;
    yoco_comm *comm = run->session->comm;
    int64_t slot = 0;
    YOCO_TRY(yoco_comm_split(comm, comm->rank, &alone.comm));
    yoco_status status = yoco_agree(comm, yoco_worker_regroup(alone.worker, alone.comm));
    for (int64_t round = 0; status == YOCO_OK && round < n_rounds; round++)
        status = run_round(run, &alone, round, &slot);
    if (status == YOCO_OK)
        status = yoco_worker_regroup(alone.worker, comm);
    yoco_comm_close(alone.comm);
    return status;
}

/* Rank 0: the room that the jobs together need beside the context: tokens, branches, rows of a
 * branch. sizes[0] is -1 where there is no job. The place of the largest job. */
static int64_t measure_jobs(const yoco_batch_run *run, int64_t sizes[3])
{
    int64_t largest = 0;
    double most = -1.0;
    sizes[0] = -1;
    sizes[1] = sizes[2] = 1;
    for (int64_t i = 0; i < run->packing->n_together; i++) {
        const yoco_prompt *prompt = &entry_of(run, run->packing->together[i])->prompt;
        double size = (double)prompt->n_questions * (double)prompt->branch_rows;
        sizes[0] = prompt->context.n;
        sizes[1] = yoco_i64_max(sizes[1], prompt->n_questions);
        sizes[2] = yoco_i64_max(sizes[2], prompt->branch_rows);
        if (size > most) {
            most = size;
            largest = i;
        }
    }
    return largest;
}

/* Rank 0: the largest job is given up, with what memory said of it. */
static yoco_status drop_job(const yoco_batch_run *run, int64_t place, yoco_batch_outcome *outcome)
{
    yoco_batch_packing *packing = run->packing;
    int64_t job = packing->together[place];
    memcpy(outcome->fault.field, "body.max_tokens", sizeof "body.max_tokens");
    packing->n_together--;
    memmove(packing->together + place, packing->together + place + 1,
            (size_t)(packing->n_together - place) * sizeof *packing->together);
    return finish(run, entry_of(run, job), outcome);
}

/* Room for the context and the branches of any job, once for all: jobs that memory does not do for
 * are given up, largest first. */
static yoco_status reserve_for_all(const yoco_batch_run *run, bool *any)
{
    yoco_comm *comm = run->session->comm;
    while (true) {
        int64_t sizes[3] = {0}, largest = comm->rank == 0 ? measure_jobs(run, sizes) : 0;
        yoco_batch_outcome outcome = {0};
        YOCO_TRY(yoco_broadcast(comm, 0, sizes, sizeof sizes));
        *any = sizes[0] >= 0;
        if (!*any)
            return YOCO_OK;
        yoco_log_forget_error();
        yoco_status status = yoco_worker_reserve(run->session->worker, sizes[0], run->chunk_rows,
                                                 (int)sizes[1], sizes[2]);
        if (status != YOCO_ERR_MEMORY)
            return status;
        YOCO_TRY(yoco_batch_fail(run, run->session, NULL, status, &outcome));
        YOCO_TRY(yoco_agree(comm, comm->rank == 0 ? drop_job(run, largest, &outcome) : YOCO_OK));
    }
}

static yoco_status load_context(const yoco_batch_run *run)
{
    double seconds;
    bool any;
    YOCO_TRY(reserve_for_all(run, &any));
    return any ? yoco_context_load(run->session, run->context, &seconds) : YOCO_OK;
}

yoco_status yoco_batch_run_jobs(const yoco_batch_run *run)
{
    yoco_comm *comm = run->session->comm;
    int64_t counts[2] = {0};
    if (comm->rank == 0 && run->checkpoints) /* old ones that stay cost no answer */
        *run->spoiled = yoco_batch_checkpoints_sweep(run->session->worker, run->checkpoints->folder,
                                                     run->input);
    if (run->context)
        YOCO_TRY(load_context(run));
    if (comm->rank == 0) {
        counts[0] = run->packing->n_together;
        counts[1] = run->packing->n_rounds;
    }
    YOCO_TRY(yoco_broadcast(comm, 0, counts, sizeof counts));
    for (int64_t i = 0; i < counts[0]; i++)
        YOCO_TRY(run_together(run, comm->rank == 0 ? run->packing->together[i] : 0));
    return counts[1] > 0 ? run_rounds(run, counts[1]) : YOCO_OK;
}
