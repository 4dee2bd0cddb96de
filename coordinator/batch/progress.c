#include "coordinator/batch/progress.h"

#include <stdio.h>

#include "configs/files/atomic_file.h"

static const double METRICS_EVERY_S = 5.0;

typedef struct rates {
    int64_t jobs, tokens;
    double elapsed_s, tokens_per_s, eta_s;
} rates;

static rates measure(const yoco_batch_progress *p, int64_t running, double elapsed_s)
{
    rates r = {.jobs = p->n_before + p->n_done,
               .tokens = p->tokens_done + running,
               .elapsed_s = elapsed_s};
    if (r.elapsed_s > 0.0)
        r.tokens_per_s = (double)r.tokens / r.elapsed_s;
    if (r.tokens_per_s > 0.0)
        r.eta_s = (double)(p->n_tokens - r.tokens) / r.tokens_per_s;
    return r;
}

/* ", 3 failed" */
static const char *describe_failed(const yoco_batch_progress *p, char text[32])
{
    text[0] = '\0';
    if (p->n_failed > 0)
        snprintf(text, 32, ", %lld failed", (long long)p->n_failed);
    return text;
}

static void print(const yoco_batch_progress *p, const rates *r, const char *event)
{
    char failed[32];
    if (p->json)
        fprintf(
            stderr,
            "{\"event\":\"%s\",\"jobs_done\":%lld,\"jobs\":%lld,\"jobs_refused\":%lld,"
            "\"jobs_failed\":%lld,\"tokens_done\":%lld,\"tokens\":%lld,\"tokens_per_second\":%.1f,"
            "\"elapsed_s\":%.1f,\"eta_s\":%.0f}\n",
            event, (long long)r->jobs, (long long)p->n_jobs, (long long)p->n_bad,
            (long long)p->n_failed, (long long)r->tokens, (long long)p->n_tokens, r->tokens_per_s,
            r->elapsed_s, r->eta_s);
    else
        yoco_progress_show(&p->line,
                           "%lld of %lld jobs%s, %lld of %lld tokens, %.0f tok/s, ETA %.0f s",
                           (long long)r->jobs, (long long)p->n_jobs, describe_failed(p, failed),
                           (long long)r->tokens, (long long)p->n_tokens, r->tokens_per_s, r->eta_s);
}

/* A file that cannot be written costs no answer: one warning, and no further try. */
static void write_metrics(yoco_batch_progress *p, const rates *r)
{
    char text[1024];
    yoco_atomic_file *file;
    int n = snprintf(text, sizeof text,
                     "# HELP yoco_batch_jobs Jobs of the input file by state.\n"
                     "# TYPE yoco_batch_jobs gauge\n"
                     "yoco_batch_jobs{state=\"done\"} %lld\n"
                     "yoco_batch_jobs{state=\"pending\"} %lld\n"
                     "yoco_batch_jobs{state=\"failed\"} %lld\n"
                     "yoco_batch_jobs{state=\"refused\"} %lld\n"
                     "# HELP yoco_batch_tokens Tokens of this run by state, answers at their "
                     "longest.\n"
                     "# TYPE yoco_batch_tokens gauge\n"
                     "yoco_batch_tokens{state=\"done\"} %lld\n"
                     "yoco_batch_tokens{state=\"pending\"} %lld\n"
                     "# HELP yoco_batch_elapsed_seconds Time since the first job began.\n"
                     "# TYPE yoco_batch_elapsed_seconds gauge\n"
                     "yoco_batch_elapsed_seconds %.3f\n",
                     (long long)r->jobs, (long long)(p->n_jobs - r->jobs - p->n_failed),
                     (long long)p->n_failed, (long long)p->n_bad, (long long)r->tokens,
                     (long long)(p->n_tokens - r->tokens), r->elapsed_s);
    yoco_status status = yoco_atomic_file_create(p->metrics, &file);
    if (status == YOCO_OK) {
        status = yoco_atomic_file_write(file, text, (size_t)n);
        if (status == YOCO_OK)
            status = yoco_atomic_file_finish(file);
        else
            yoco_atomic_file_discard(file);
    }
    if (status != YOCO_OK) {
        yoco_log_warn("the batch goes on without --metrics %s", p->metrics);
        p->metrics = NULL;
    }
}

static void show(yoco_batch_progress *p, int64_t running, bool force)
{
    double elapsed_s;
    bool due = yoco_progress_due(&p->line, &elapsed_s);
    rates r = measure(p, running, elapsed_s);
    if (due || force)
        print(p, &r, "progress");
    if (p->metrics && (force || elapsed_s - p->metrics_s >= METRICS_EVERY_S)) {
        p->metrics_s = elapsed_s;
        write_metrics(p, &r);
    }
}

void yoco_batch_progress_begin(yoco_batch_progress *p)
{
    yoco_progress_begin(&p->line, false);
    p->line.terminal = p->line.terminal && !p->json;
    show(p, 0, true);
}

void yoco_batch_progress_update(void *progress, int64_t n_done, int64_t n_tokens)
{
    (void)n_tokens;
    show(progress, n_done, false);
}

void yoco_batch_progress_job(yoco_batch_progress *p, int64_t n_tokens)
{
    p->n_done++;
    p->tokens_done += n_tokens;
    show(p, 0, p->json);
}

void yoco_batch_progress_failure(yoco_batch_progress *p, int64_t n_tokens)
{
    p->n_failed++;
    p->n_tokens -= n_tokens;
    show(p, 0, p->json);
}

void yoco_batch_progress_end(yoco_batch_progress *p)
{
    char failed[32];
    rates r = measure(p, 0, yoco_now_s() - p->line.start_s);
    if (p->metrics)
        write_metrics(p, &r);
    if (p->json)
        print(p, &r, "end");
    else
        yoco_progress_close(&p->line, "%lld of %lld jobs done%s, %lld tokens in %.2f s, %.0f tok/s",
                            (long long)r.jobs, (long long)p->n_jobs, describe_failed(p, failed),
                            (long long)r.tokens, r.elapsed_s, r.tokens_per_s);
}
