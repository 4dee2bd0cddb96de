#include "coordinator/eval/progress.h"

void yoco_eval_progress_begin(yoco_eval_progress *p, int64_t n_documents, int64_t n_tokens)
{
    *p = (yoco_eval_progress){.n_documents = n_documents, .n_tokens = n_tokens};
    yoco_progress_begin(&p->line, false);
}

void yoco_eval_progress_update(void *progress, int64_t n_done, int64_t n_tokens)
{
    yoco_eval_progress *p = progress;
    double elapsed_s;
    (void)n_tokens;
    if (!yoco_progress_due(&p->line, &elapsed_s))
        return;
    int64_t done = p->tokens + n_done;
    double rate = (double)done / elapsed_s;
    yoco_progress_show(
        &p->line, "eval document %lld of %lld, %lld of %lld tokens, %.0f tok/s, ETA %.0f s",
        (long long)p->documents + 1, (long long)p->n_documents, (long long)done,
        (long long)p->n_tokens, rate, (double)yoco_i64_max(p->n_tokens - done, 0) / rate);
}

void yoco_eval_progress_add(yoco_eval_progress *p, int64_t n_tokens)
{
    p->documents++;
    p->tokens += n_tokens;
}

void yoco_eval_progress_end(const yoco_eval_progress *p)
{
    double elapsed = yoco_now_s() - p->line.start_s;
    yoco_progress_close(&p->line, "eval %lld documents, %lld tokens in %.2f s, %.0f tok/s",
                        (long long)p->documents, (long long)p->tokens, elapsed,
                        elapsed > 0 ? (double)p->tokens / elapsed : 0.0);
}
