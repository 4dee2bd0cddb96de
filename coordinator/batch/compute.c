#include "coordinator/batch/compute.h"

#include <stdio.h>
#include <stdlib.h>

#include "configs/files/path.h"
#include "coordinator/ask/failure.h"
#include "coordinator/ask/generate.h"
#include "coordinator/batch/checkpoints.h"
#include "coordinator/batch/line.h"
#include "coordinator/cli/machine.h"
#include "trace.h"

/* Only jobs of all ranks are worth a checkpoint: a round's are short. */
static bool has_checkpoint(const yoco_batch_run *run, const yoco_session *group,
                           const yoco_batch_parcel *parcel)
{
    return run->checkpoints && group == run->session && parcel->prompt.context.n > 0;
}

static yoco_status prefill(const yoco_batch_run *run, yoco_session *group,
                           const yoco_batch_parcel *parcel)
{
    const yoco_ids *context = &parcel->prompt.context;
    YOCO_TRY((has_checkpoint(run, group, parcel)
                  ? yoco_worker_reserve_durable
                  : yoco_worker_reserve)(group->worker, context->n, run->chunk_rows,
                                         parcel->prompt.n_questions, parcel->prompt.branch_rows));
    yoco_progress progress = run->progress ? yoco_batch_progress_update : NULL;
    if (!has_checkpoint(run, group, parcel))
        return yoco_worker_prefill(group->worker, context->ids, progress, run->progress);
    char path[PATH_MAX];
    yoco_snapshot_target target = *run->checkpoints;
    yoco_snapshot_result result;
    YOCO_TRY(yoco_path_join(run->checkpoints->folder, parcel->id, path));
    target.folder = path;
    target.temporary = true;
    YOCO_TRY(yoco_worker_prefill_durable(group->worker, context->ids, &target, progress,
                                         run->progress, &result));
    if (result.durable != YOCO_OK)
        *run->spoiled = yoco_failure_worse(*run->spoiled, result.durable);
    return YOCO_OK;
}

static yoco_status answer(const yoco_batch_run *run, yoco_session *group,
                          const yoco_batch_parcel *parcel, yoco_answer *answers, char **line)
{
    const yoco_prompt *prompt = &parcel->prompt;
    yoco_generate_times times = {0};
    yoco_generate_options options = {.n_generate = parcel->job.max_tokens,
                                     .sampling = parcel->job.sampling,
                                     .stops = parcel->job.stops,
                                     .chat = parcel->job.chat ? run->chat : NULL,
                                     .logprobs = parcel->job.logprobs,
                                     .n_logprobs = parcel->job.n_logprobs,
                                     .stop = run->stop};
    if (!run->context)
        YOCO_TRY(prefill(run, group, parcel));
    YOCO_TRY(yoco_generate(group, &options, prompt, run->tokenizer, NULL, NULL, answers, &times));
    if (group->comm->rank != 0)
        return YOCO_OK;
    return yoco_batch_line_answer(&(yoco_batch_answered){.job = &parcel->job,
                                                         .id = parcel->id,
                                                         .fingerprint = run->fingerprint,
                                                         .prompt = prompt,
                                                         .answers = answers,
                                                         .tokenizer = run->tokenizer},
                                  line);
}

/* Answers of a job stand on rank 0 beside the plan. */
static size_t answer_bytes(const yoco_batch_parcel *parcel)
{
    size_t row = sizeof(int32_t);
    if (parcel->job.logprobs)
        row += (size_t)(1 + parcel->job.n_logprobs) * sizeof(yoco_logprob);
    return row * (size_t)parcel->job.max_tokens * (size_t)parcel->prompt.n_questions;
}

/* The field of a job that takes the most memory: the rows of its answers, or those before them. */
static const char *largest_field(const yoco_batch_parcel *parcel, const yoco_plan *plan)
{
    const size_t *bytes = plan->buffer_bytes;
    if (bytes[YOCO_BUF_BRANCH_K] + bytes[YOCO_BUF_BRANCH_PAST] / 2 >= bytes[YOCO_BUF_SHARD_K])
        return "body.max_tokens";
    if (parcel->job.document)
        return "body.document";
    return parcel->job.chat ? "body.messages" : "body.prompt";
}

/* The rank that had too little says how much; `field` is left as it is where nothing is known. */
static void explain_memory(const yoco_session *group, const yoco_batch_parcel *parcel,
                           const char **field, char text[YOCO_FAILURE_BYTES])
{
    const yoco_plan *plan = yoco_worker_plan(group->worker);
    if (plan->input.n_branches != parcel->prompt.n_questions ||
        plan->input.branch_rows != parcel->prompt.branch_rows)
        return; /* there was no plan */
    *field = largest_field(parcel, plan);
    if (yoco_log_last_error()[0])
        snprintf(text, YOCO_FAILURE_BYTES,
                 "needs more memory than there is: %d answers of at most %lld tokens after %lld, "
                 "on %d ranks, are planned with %zu bytes on rank %d, where %lld are left (%s)",
                 parcel->prompt.n_questions, (long long)parcel->job.max_tokens,
                 (long long)parcel->prompt.context.n, group->comm->n_ranks,
                 plan->total_bytes + (group->comm->rank == 0 ? answer_bytes(parcel) : 0),
                 group->comm->rank, (long long)yoco_machine_memory_left(), yoco_log_last_error());
}

yoco_status yoco_batch_fail(const yoco_batch_run *run, yoco_session *group,
                            const yoco_batch_parcel *parcel, yoco_status status,
                            yoco_batch_outcome *out)
{
    char mine[YOCO_FAILURE_BYTES], reason[YOCO_FAILURE_BYTES];
    const char *field = "";
    if (!yoco_failure_is_own(status))
        return status;
    snprintf(mine, sizeof mine, "%s", yoco_log_last_error());
    if (status == YOCO_ERR_MEMORY && parcel)
        explain_memory(group, parcel, &field, mine);
    YOCO_TRY(yoco_failure_share(group->comm, status, mine, reason));
    *run->spoiled = yoco_failure_worse(*run->spoiled, status);
    out->failed = true;
    (void)yoco_batch_fault_set(&out->fault, field, "%s", reason);
    return YOCO_OK;
}

static yoco_status try_job(const yoco_batch_run *run, yoco_session *group,
                           const yoco_batch_parcel *parcel, char **line)
{
    yoco_answer *answers = calloc((size_t)parcel->prompt.n_questions, sizeof *answers);
    if (!answers)
        yoco_log_error("cannot allocate answers");
    yoco_status status = answers ? YOCO_OK : YOCO_ERR_MEMORY;
    if (*run->stop)
        status = YOCO_ERR_STOPPED;
    status = yoco_agree(group->comm, status);
    if (status == YOCO_OK)
        status = yoco_agree(group->comm, answer(run, group, parcel, answers, line));
    for (int i = 0; answers && i < parcel->prompt.n_questions; i++)
        yoco_answer_free(&answers[i]);
    free(answers);
    return status;
}

yoco_status yoco_batch_compute(const yoco_batch_run *run, yoco_session *group,
                               const yoco_batch_parcel *parcel, yoco_batch_outcome *out)
{
    yoco_trace_mark mark = yoco_trace_begin();
    yoco_log_forget_error();
    yoco_status status = try_job(run, group, parcel, &out->line);
    if (status != YOCO_OK)
        status = yoco_batch_fail(run, group, parcel, status, out);
    yoco_trace_end(mark, YOCO_SPAN_JOB, "job", parcel->index, -1);
    return status;
}
