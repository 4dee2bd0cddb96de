/* Progress of `yoco eval` on stderr, in documents and tokens; rank 0 only. */
#ifndef YOCO_EVAL_PROGRESS_H
#define YOCO_EVAL_PROGRESS_H

#include "coordinator/cli/progress.h"

typedef struct yoco_eval_progress {
    int64_t n_documents, n_tokens; /* that this run has to do */
    int64_t documents, tokens;     /* done */
    yoco_progress_line line;
} yoco_eval_progress;

void yoco_eval_progress_begin(yoco_eval_progress *progress, int64_t n_documents, int64_t n_tokens);
/* A yoco_progress: how far the prefill of the document under way is. */
void yoco_eval_progress_update(void *progress, int64_t n_done, int64_t n_tokens);
void yoco_eval_progress_add(yoco_eval_progress *progress, int64_t n_tokens); /* one is done */
void yoco_eval_progress_end(const yoco_eval_progress *progress);

#endif
