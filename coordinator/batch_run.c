#include "coordinator/batch_run.h"

#include <stdlib.h>
#include <string.h>

#include "coordinator/batch_line.h"
#include "coordinator/batch_task.h"
#include "coordinator/generate.h"
#include "trace.h"

yoco_batch_size yoco_batch_entry_size(const yoco_batch_entry *entry)
{
    yoco_batch_size size = {.n_context = entry->prompt.context.n};
    for (int i = 0; i < entry->prompt.n_questions; i++)
        size.n_own += entry->prompt.questions[i].tokens.n + entry->job.max_tokens;
    return size;
}

static yoco_batch_entry *entry_of(const yoco_batch_run *run, int64_t job)
{
    return &run->input->entries[run->jobs[job]];
}

static yoco_status answer(const yoco_batch_run *run, yoco_session *group,
                          const yoco_batch_task *task, yoco_answer *answers, char **line)
{
    const yoco_prompt *prompt = &task->prompt;
    yoco_generate_times times = {0};
    yoco_generate_options options = {.n_generate = task->job.max_tokens,
                                     .sampling = task->job.sampling,
                                     .stops = task->job.stops,
                                     .logprobs = task->job.logprobs,
                                     .n_logprobs = task->job.n_logprobs};
    YOCO_TRY(yoco_worker_reserve(group->worker, prompt->context.n, run->chunk_rows,
                                 prompt->n_questions, prompt->branch_rows));
    YOCO_TRY(yoco_worker_prefill(group->worker, prompt->context.ids,
                                 run->progress ? yoco_batch_progress_update : NULL, run->progress));
    YOCO_TRY(yoco_generate(group, &options, prompt, run->tokenizer, NULL, NULL, answers, &times));
    if (group->comm->rank != 0)
        return YOCO_OK;
    return yoco_batch_line_answer(&(yoco_batch_answered){.job = &task->job,
                                                         .id = task->id,
                                                         .fingerprint = run->fingerprint,
                                                         .prompt = prompt,
                                                         .answers = answers,
                                                         .tokenizer = run->tokenizer},
                                  line);
}

/* Collective over the group; the line is made on its rank 0. */
static yoco_status compute(const yoco_batch_run *run, yoco_session *group,
                           const yoco_batch_task *task, char **line)
{
    yoco_trace_mark mark = yoco_trace_begin();
    yoco_answer *answers = calloc((size_t)task->prompt.n_questions, sizeof *answers);
    if (!answers)
        yoco_log_error("cannot allocate answers");
    yoco_status status = group->comm->ops->agree(group->comm, answers ? YOCO_OK : YOCO_ERR_MEMORY);
    if (status == YOCO_OK)
        status = answer(run, group, task, answers, line);
    for (int i = 0; answers && i < task->prompt.n_questions; i++)
        yoco_answer_free(&answers[i]);
    free(answers);
    yoco_trace_end(mark, YOCO_SPAN_JOB, "job", task->index, -1);
    return status;
}

/* Rank 0. */
static yoco_status finish(const yoco_batch_run *run, int64_t job, const char *line, size_t size)
{
    yoco_batch_entry *entry = entry_of(run, job);
    yoco_batch_size cost = yoco_batch_entry_size(entry);
    YOCO_TRY(yoco_batch_results_append(run->results, line, size));
    entry->done = true;
    yoco_batch_progress_job(run->progress, cost.n_context + cost.n_own);
    return YOCO_OK;
}

static yoco_status run_together(const yoco_batch_run *run, int64_t job)
{
    yoco_comm *comm = run->session->comm;
    yoco_bytes bytes = {0};
    yoco_batch_task task = {0};
    char *line = NULL;
    size_t at = 0;
    yoco_status status = YOCO_OK;
    if (comm->rank == 0)
        status = yoco_batch_task_pack(entry_of(run, job), run->jobs[job], &bytes);
    status = comm->ops->agree(comm, status);
    if (status == YOCO_OK)
        status = yoco_bytes_broadcast(comm, &bytes);
    if (status == YOCO_OK)
        status = comm->ops->agree(comm, yoco_batch_task_unpack(&bytes, &at, &task));
    if (status == YOCO_OK)
        status = compute(run, run->session, &task, &line);
    if (status == YOCO_OK && comm->rank == 0)
        status = finish(run, job, line, strlen(line));
    free(line);
    free(bytes.data);
    yoco_batch_task_free(&task);
    return comm->ops->agree(comm, status);
}

/* Rank 0: a rank's bin as bytes. *slot moves behind it. */
static yoco_status pack_bin(const yoco_batch_run *run, int64_t round, int rank, int64_t *slot,
                            yoco_bytes *bytes)
{
    const yoco_batch_plan *plan = run->plan;
    for (; *slot < plan->n_packed; ++*slot) {
        const yoco_batch_slot *s = &plan->packed[*slot];
        if (s->round != round || s->rank != rank)
            break;
        YOCO_TRY(yoco_batch_task_pack(entry_of(run, s->job), run->jobs[s->job], bytes));
    }
    return YOCO_OK;
}

/* Bins go out rank by rank; this rank's own stays in `bytes`. */
static yoco_status deal_bins(const yoco_batch_run *run, int64_t round, int64_t first,
                             yoco_bytes *bytes)
{
    yoco_comm *comm = run->session->comm;
    yoco_status status = YOCO_OK;
    if (comm->rank != 0)
        return yoco_bytes_receive(comm, 0, bytes, "short jobs");
    for (int rank = 0; rank < comm->n_ranks; rank++) {
        yoco_bytes bin = {0};
        if (status == YOCO_OK)
            status = pack_bin(run, round, rank, &first, rank == 0 ? bytes : &bin);
        if (status != YOCO_OK)
            bin.size = 0; /* the others wait for something */
        if (rank > 0)
            YOCO_TRY(yoco_bytes_send(comm, rank, &bin, "short jobs"));
        free(bin.data);
    }
    return status;
}

/* Computes a bin; rank 0's lines are durable at once, the others' are collected. */
static yoco_status run_bin(const yoco_batch_run *run, yoco_session *alone, const yoco_bytes *bytes,
                           int64_t first, yoco_bytes *lines)
{
    size_t at = 0;
    for (int64_t i = 0; at < bytes->size; i++) {
        yoco_batch_task task;
        char *line = NULL;
        YOCO_TRY(yoco_batch_task_unpack(bytes, &at, &task));
        yoco_status status = compute(run, alone, &task, &line);
        if (status == YOCO_OK && run->session->comm->rank == 0)
            status = finish(run, run->plan->packed[first + i].job, line, strlen(line));
        else if (status == YOCO_OK)
            status = yoco_bytes_add(lines, line, strlen(line));
        free(line);
        yoco_batch_task_free(&task);
        YOCO_TRY(status);
    }
    return YOCO_OK;
}

/* Rank 0: the lines of one other rank, in the order of its bin from slot `first` on. */
static yoco_status take_lines(const yoco_batch_run *run, int64_t first, const yoco_bytes *lines)
{
    for (size_t at = 0; at < lines->size;) {
        const char *stop = memchr(lines->data + at, '\n', lines->size - at);
        size_t size = (size_t)(stop + 1 - (lines->data + at));
        YOCO_TRY(finish(run, run->plan->packed[first++].job, lines->data + at, size));
        at += size;
    }
    return YOCO_OK;
}

static yoco_status gather_lines(const yoco_batch_run *run, int64_t round, int64_t first,
                                const yoco_bytes *lines)
{
    yoco_comm *comm = run->session->comm;
    const yoco_batch_plan *plan = run->plan;
    yoco_status status = YOCO_OK;
    if (comm->rank != 0)
        return yoco_bytes_send(comm, 0, lines, "results of short jobs");
    for (int rank = 1; rank < comm->n_ranks; rank++) {
        yoco_bytes theirs = {0};
        YOCO_TRY(yoco_bytes_receive(comm, rank, &theirs, "results of short jobs"));
        while (first < plan->n_packed && plan->packed[first].round == round &&
               plan->packed[first].rank < rank)
            first++;
        if (status == YOCO_OK)
            status = take_lines(run, first, &theirs);
        free(theirs.data);
    }
    return status;
}

static yoco_status run_round(const yoco_batch_run *run, yoco_session *alone, int64_t round)
{
    yoco_comm *comm = run->session->comm;
    yoco_bytes bytes = {0}, lines = {0};
    int64_t first = 0;
    while (comm->rank == 0 && run->plan->packed[first].round < round)
        first++;
    yoco_status status = deal_bins(run, round, first, &bytes);
    if (status == YOCO_OK)
        status = run_bin(run, alone, &bytes, first, &lines);
    yoco_trace_mark mark = yoco_trace_begin();
    yoco_status gathered = gather_lines(run, round, first, &lines);
    yoco_trace_end(mark, YOCO_SPAN_WAIT, "end of round", round, -1);
    free(bytes.data);
    free(lines.data);
    return comm->ops->agree(comm, status != YOCO_OK ? status : gathered);
}

/* Every rank as a group of its own. */
static yoco_status run_rounds(const yoco_batch_run *run, int64_t n_rounds)
{
    yoco_session alone = *run->session;
    yoco_comm *comm = run->session->comm;
    YOCO_TRY(comm->ops->split(comm, comm->rank, &alone.comm));
    yoco_status status = comm->ops->agree(comm, yoco_worker_regroup(alone.worker, alone.comm));
    for (int64_t round = 0; status == YOCO_OK && round < n_rounds; round++)
        status = run_round(run, &alone, round);
    if (status == YOCO_OK)
        status = yoco_worker_regroup(alone.worker, comm);
    alone.comm->ops->close(alone.comm);
    return status;
}

yoco_status yoco_batch_run_jobs(const yoco_batch_run *run)
{
    yoco_comm *comm = run->session->comm;
    int64_t counts[2] = {0};
    if (comm->rank == 0) {
        counts[0] = run->plan->n_together;
        counts[1] = run->plan->n_rounds;
    }
    YOCO_TRY(comm->ops->broadcast(comm, 0, counts, sizeof counts));
    for (int64_t i = 0; i < counts[0]; i++)
        YOCO_TRY(run_together(run, comm->rank == 0 ? run->plan->together[i] : 0));
    return counts[1] > 0 ? run_rounds(run, counts[1]) : YOCO_OK;
}
