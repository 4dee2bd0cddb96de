#include "coordinator/batch_run.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/batch_line.h"
#include "coordinator/batch_task.h"
#include "coordinator/generate.h"
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

/* One folder per job, named by the job's hash. */
static yoco_status checkpoint_of(const yoco_batch_run *run, const char *id, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s/%s", run->checkpoints->folder, id) < PATH_MAX)
        return YOCO_OK;
    yoco_log_error("the path of %s is too long", run->checkpoints->folder);
    return YOCO_ERR_USAGE;
}

/* Only jobs of all ranks are worth a checkpoint: a round's are short. */
static bool has_checkpoint(const yoco_batch_run *run, const yoco_session *group,
                           const yoco_batch_task *task)
{
    return run->checkpoints && group == run->session && task->prompt.context.n > 0;
}

static yoco_status prefill(const yoco_batch_run *run, yoco_session *group,
                           const yoco_batch_task *task)
{
    const yoco_ids *context = &task->prompt.context;
    YOCO_TRY((has_checkpoint(run, group, task) ? yoco_worker_reserve_durable : yoco_worker_reserve)(
        group->worker, context->n, run->chunk_rows, task->prompt.n_questions,
        task->prompt.branch_rows));
    yoco_progress progress = run->progress ? yoco_batch_progress_update : NULL;
    if (!has_checkpoint(run, group, task))
        return yoco_worker_prefill(group->worker, context->ids, progress, run->progress);
    char path[PATH_MAX];
    yoco_snapshot_target target = *run->checkpoints;
    yoco_snapshot_result result;
    YOCO_TRY(checkpoint_of(run, task->id, path));
    target.folder = path;
    target.temporary = true;
    YOCO_TRY(yoco_worker_prefill_durable(group->worker, context->ids, &target, progress,
                                         run->progress, &result));
    if (result.durable != YOCO_OK)
        *run->spoiled = result.durable;
    return YOCO_OK;
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
                                     .n_logprobs = task->job.n_logprobs,
                                     .stop = run->stop};
    if (!run->context)
        YOCO_TRY(prefill(run, group, task));
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

/* The group agrees that its memory does not do for a job: the others go on, and a later run,
 * perhaps on more ranks, tries again. */
static yoco_status give_up(const yoco_batch_run *run, const yoco_session *group,
                           const yoco_batch_task *task, char **line)
{
    yoco_batch_entry entry = {.line = task->line, .job.custom_id = task->job.custom_id};
    *run->spoiled = YOCO_ERR_MEMORY;
    if (group->comm->rank != 0)
        return YOCO_OK;
    memcpy(entry.id, task->id, sizeof entry.id);
    yoco_batch_fault_set(&entry.fault, "", "the job needs more memory than there is on %d ranks",
                         group->comm->n_ranks);
    return yoco_batch_line_error(&entry, line);
}

/* Collective over the group; the line is made on its rank 0. */
static yoco_status compute(const yoco_batch_run *run, yoco_session *group,
                           const yoco_batch_task *task, char **line)
{
    yoco_trace_mark mark = yoco_trace_begin();
    yoco_answer *answers = calloc((size_t)task->prompt.n_questions, sizeof *answers);
    if (!answers)
        yoco_log_error("cannot allocate answers");
    yoco_status status = answers ? YOCO_OK : YOCO_ERR_MEMORY;
    if (*run->stop)
        status = YOCO_ERR_STOPPED;
    status = group->comm->ops->agree(group->comm, status);
    if (status == YOCO_OK)
        status = answer(run, group, task, answers, line);
    if (status == YOCO_ERR_MEMORY)
        status = give_up(run, group, task, line);
    for (int i = 0; answers && i < task->prompt.n_questions; i++)
        yoco_answer_free(&answers[i]);
    free(answers);
    yoco_trace_end(mark, YOCO_SPAN_JOB, "job", task->index, -1);
    return status;
}

/* Rank 0, once the job's line is durable. Also for a job of one rank: it may have been one of all
 * ranks before a restart. */
static yoco_status remove_checkpoint(const yoco_batch_run *run, const char *id)
{
    char path[PATH_MAX];
    if (!run->checkpoints)
        return YOCO_OK;
    YOCO_TRY(checkpoint_of(run, id, path));
    return access(path, F_OK) == 0 ? yoco_snapshot_remove(run->session->worker, path) : YOCO_OK;
}

static bool is_done(const yoco_batch_input *input, const char *id)
{
    for (int64_t i = 0; i < input->n; i++)
        if (input->entries[i].done && strcmp(input->entries[i].id, id) == 0)
            return true;
    return false;
}

/* Rank 0: what a kill left between a job's line and the end of its checkpoint. */
static yoco_status remove_old_checkpoints(const yoco_batch_run *run)
{
    if (!run->checkpoints)
        return YOCO_OK;
    DIR *folder = opendir(run->checkpoints->folder);
    if (!folder) {
        yoco_log_error("cannot open the folder %s: %s", run->checkpoints->folder, strerror(errno));
        return YOCO_ERR_OPEN;
    }
    yoco_status status = YOCO_OK;
    const struct dirent *item;
    while (status == YOCO_OK && (item = readdir(folder)))
        if (is_done(run->input, item->d_name))
            status = remove_checkpoint(run, item->d_name);
    closedir(folder);
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
    return remove_checkpoint(run, entry->id);
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
        status = yoco_batch_task_pack(entry_of(run, job), run->jobs[job], !run->context, &bytes);
    status = comm->ops->agree(comm, status);
    if (status == YOCO_OK)
        status = yoco_bytes_broadcast(comm, &bytes);
    if (status == YOCO_OK)
        status = comm->ops->agree(comm, yoco_batch_task_unpack(&bytes, &at, &task));
    if (status == YOCO_OK)
        status = compute(run, run->session, &task, &line);
    if (status == YOCO_OK && line) /* rank 0 */
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
        YOCO_TRY(yoco_batch_task_pack(entry_of(run, s->job), run->jobs[s->job], true, bytes));
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

/* The saved context once for all jobs, with room for the branches of any. */
static yoco_status load_context(const yoco_batch_run *run)
{
    yoco_comm *comm = run->session->comm;
    int64_t sizes[3] = {0, 1, 1}; /* tokens, branches, rows of a branch */
    double seconds;
    for (int64_t i = 0; comm->rank == 0 && i < run->plan->n_together; i++) {
        const yoco_prompt *prompt = &entry_of(run, run->plan->together[i])->prompt;
        sizes[0] = prompt->context.n;
        sizes[1] = yoco_i64_max(sizes[1], prompt->n_questions);
        sizes[2] = yoco_i64_max(sizes[2], prompt->branch_rows);
    }
    YOCO_TRY(comm->ops->broadcast(comm, 0, sizes, sizeof sizes));
    YOCO_TRY(yoco_worker_reserve(run->session->worker, sizes[0], run->chunk_rows, (int)sizes[1],
                                 sizes[2]));
    return yoco_context_load(run->session, run->context, &seconds);
}

yoco_status yoco_batch_run_jobs(const yoco_batch_run *run)
{
    yoco_comm *comm = run->session->comm;
    int64_t counts[2] = {0};
    if (comm->rank == 0) {
        counts[0] = run->plan->n_together;
        counts[1] = run->plan->n_rounds;
    }
    YOCO_TRY(comm->ops->agree(comm, comm->rank == 0 ? remove_old_checkpoints(run) : YOCO_OK));
    YOCO_TRY(comm->ops->broadcast(comm, 0, counts, sizeof counts));
    if (run->context && counts[0] > 0)
        YOCO_TRY(load_context(run));
    for (int64_t i = 0; i < counts[0]; i++)
        YOCO_TRY(run_together(run, comm->rank == 0 ? run->plan->together[i] : 0));
    return counts[1] > 0 ? run_rounds(run, counts[1]) : YOCO_OK;
}
