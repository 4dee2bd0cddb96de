/* How far a batch is: lines on stderr, and a Prometheus textfile that is replaced whole. Rank 0
 * only. */
#ifndef YOCO_BATCH_PROGRESS_H
#define YOCO_BATCH_PROGRESS_H

#include "coordinator/cli/progress.h"

typedef struct yoco_batch_progress {
    bool json;
    yoco_progress_line line;
    const char *metrics;     /* path; NULL: none */
    int64_t n_jobs;          /* good lines of the input */
    int64_t n_bad, n_before; /* bad lines; jobs that an earlier run has answered */
    int64_t n_done, tokens_done;
    int64_t n_failed; /* jobs without an answer this time */
    int64_t n_tokens; /* of all jobs of this run, answers at their longest */
    double metrics_s;
} yoco_batch_progress;

/* `json`: lines of JSON instead of text. The counts are the caller's to fill before. */
void yoco_batch_progress_begin(yoco_batch_progress *progress);
/* A yoco_progress: within the job at work. */
void yoco_batch_progress_update(void *progress, int64_t n_done, int64_t n_tokens);
/* A job of so many tokens is durable. */
void yoco_batch_progress_job(yoco_batch_progress *progress, int64_t n_tokens);
/* A job of so many tokens has no answer: they are done by nobody. */
void yoco_batch_progress_failure(yoco_batch_progress *progress, int64_t n_tokens);
void yoco_batch_progress_end(yoco_batch_progress *progress);

#endif
