/* A line of a batch input file. What is accepted must be what the rest of the program counts on. */
#include "coordinator/batch/job.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_job(const yoco_batch_job *job)
{
    const yoco_sampling *s = &job->sampling;
    if (!job->custom_id || !job->custom_id[0] || strlen(job->custom_id) > YOCO_BATCH_MAX_ID_BYTES)
        abort();
    if (job->n_prompts < 1 || job->n_prompts > YOCO_BATCH_MAX_PROMPTS || job->max_tokens < 1)
        abort();
    for (int i = 0; i < job->n_prompts; i++)
        if (!job->prompts[i][0])
            abort();
    if (!(s->temperature >= 0.0) || !(s->top_p > 0.0 && s->top_p <= 1.0) || s->top_k < 0)
        abort();
    if (job->stops.n > YOCO_BATCH_MAX_STOPS || job->n_logprobs > YOCO_BATCH_MAX_LOGPROBS)
        abort();
    for (int i = 0; i < job->stops.n; i++)
        if (!job->stops.values[i][0])
            abort();
    if (job->sha256 && strlen(job->sha256) != 64)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    yoco_batch_job job;
    yoco_batch_fault fault = {"", ""};
    yoco_status status = yoco_batch_job_parse((const char *)data, size, &job, &fault);
    if (status == YOCO_OK)
        check_job(&job);
    else if (status != YOCO_ERR_DATA || !fault.reason[0])
        abort();
    yoco_batch_job_free(&job);
    return 0;
}
