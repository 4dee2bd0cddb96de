#include "coordinator/eval/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "coordinator/cli/progress.h"

static const double TERMINAL_EVERY_S = 0.1, PLAIN_EVERY_S = 5.0;

void yoco_eval_progress_begin(yoco_eval_progress *p, int64_t n_documents, int64_t n_tokens)
{
    double now = yoco_now_s();
    *p = (yoco_eval_progress){.n_documents = n_documents,
                              .n_tokens = n_tokens,
                              .start_s = now,
                              .last_s = now,
                              .terminal = isatty(STDERR_FILENO) == 1};
}

void yoco_eval_progress_update(void *progress, int64_t n_done, int64_t n_tokens)
{
    yoco_eval_progress *p = progress;
    double now = yoco_now_s();
    (void)n_tokens;
    if (now - p->last_s < (p->terminal ? TERMINAL_EVERY_S : PLAIN_EVERY_S))
        return;
    p->last_s = now;
    int64_t done = p->tokens + n_done;
    double rate = (double)done / (now - p->start_s);
    yoco_progress_show(
        p->terminal, "eval document %lld of %lld, %lld of %lld tokens, %.0f tok/s, ETA %.0f s",
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
    double elapsed = yoco_now_s() - p->start_s;
    fprintf(stderr, "%seval %lld documents, %lld tokens in %.2f s, %.0f tok/s\n",
            p->terminal ? "\r\033[K" : "", (long long)p->documents, (long long)p->tokens, elapsed,
            elapsed > 0 ? (double)p->tokens / elapsed : 0.0);
}
