#include "coordinator/eval/stats.h"

#include <math.h>

yoco_eval_interval yoco_eval_wilson(double mean, int64_t n)
{
    const double z = 1.959963984540054;
    double share = z * z / (double)n;
    double center = mean + share / 2;
    double half = z * sqrt(mean * (1 - mean) / (double)n + share / (double)n / 4);
    /* At the ends the exact bound is 0 or 1: rounding must not leave it. */
    return (yoco_eval_interval){.low = mean > 0 ? fmax(0, (center - half) / (1 + share)) : 0,
                                .high = mean < 1 ? fmin(1, (center + half) / (1 + share)) : 1};
}

double yoco_eval_group_mean(const yoco_eval_group *group)
{
    return group->hits / (double)group->n_trials;
}

yoco_eval_interval yoco_eval_group_interval(const yoco_eval_group *group)
{
    return yoco_eval_wilson(yoco_eval_group_mean(group), group->n_trials);
}

static void add_sample(yoco_eval_group *group, const yoco_eval_sample *sample)
{
    group->n_samples++;
    group->n_exact += sample->exact;
    group->n_far += yoco_eval_sample_has_far(sample);
    group->n_tokens += (double)sample->n_tokens;
    if (sample->task != YOCO_EVAL_MULTIVALUE) {
        group->n_trials++;
        group->hits += sample->score;
        return;
    }
    group->n_trials += sample->n_expected;
    for (int64_t i = 0; i < sample->n_expected; i++)
        group->hits += sample->found[i];
}

static yoco_eval_group group_of(const yoco_eval_sample *const *samples, int64_t n)
{
    yoco_eval_group group = {
        .length = samples[0]->length, .n_needles = samples[0]->n, .depth = samples[0]->depth};
    for (int64_t i = 0; i < n; i++)
        add_sample(&group, samples[i]);
    return group;
}

/* How deep a grouping looks; the samples of one task are sorted in this order. */
typedef enum grouping { BY_LENGTH, BY_N, BY_CELL } grouping;

static bool is_together(const yoco_eval_sample *a, const yoco_eval_sample *b, grouping level)
{
    return a->length == b->length && (level < BY_N || a->n == b->n) &&
           (level < BY_CELL || a->depth == b->depth);
}

static int64_t run_length(const yoco_eval_sample *const *samples, int64_t n, grouping level)
{
    int64_t run = 1;
    while (run < n && is_together(samples[0], samples[run], level))
        run++;
    return run;
}

static yoco_status group_runs(const yoco_eval_task_stats *task, grouping level,
                              yoco_eval_groups *out)
{
    int64_t n = task->all.n_samples, n_groups = 0;
    for (int64_t i = 0; i < n; i += run_length(task->samples + i, n - i, level))
        n_groups++;
    size_t bytes = (size_t)n_groups * sizeof *out->items;
    YOCO_TRY(yoco_alloc(bytes, "statistics", (void **)&out->items));
    for (int64_t i = 0, run; i < n; i += run) {
        run = run_length(task->samples + i, n - i, level);
        out->items[out->n++] = group_of(task->samples + i, run);
    }
    return YOCO_OK;
}

static int64_t effective_length(const yoco_eval_groups *by_length)
{
    int64_t length = 0;
    for (int64_t i = 0; i < by_length->n; i++) {
        if (yoco_eval_group_mean(&by_length->items[i]) < YOCO_EVAL_EFFECTIVE_MEAN)
            break;
        length = by_length->items[i].length;
    }
    return length;
}

static yoco_status make_task(const yoco_eval_sample *const *samples, int64_t n,
                             yoco_eval_task_stats *task)
{
    task->samples = samples;
    task->all = group_of(samples, n);
    YOCO_TRY(group_runs(task, BY_LENGTH, &task->by_length));
    YOCO_TRY(group_runs(task, BY_N, &task->by_n));
    if (yoco_eval_task_has_depth(task->task))
        YOCO_TRY(group_runs(task, BY_CELL, &task->by_cell));
    task->effective_length = effective_length(&task->by_length);
    return YOCO_OK;
}

yoco_status yoco_eval_stats_make(const yoco_eval_set *set, yoco_eval_stats *out)
{
    yoco_eval_stats stats = {.set = set};
    yoco_status status = YOCO_OK;
    int64_t first = 0;
    for (int t = 0; t < YOCO_EVAL_N_TASKS && status == YOCO_OK; t++) {
        int64_t end = first;
        stats.tasks[t].task = (yoco_eval_task)t;
        while (end < set->n && set->sorted[end]->task == (yoco_eval_task)t)
            end++;
        if (end > first)
            status = make_task(set->sorted + first, end - first, &stats.tasks[t]);
        first = end;
    }
    if (status != YOCO_OK) {
        yoco_eval_stats_free(&stats);
        return status;
    }
    *out = stats;
    return YOCO_OK;
}

void yoco_eval_stats_free(yoco_eval_stats *stats)
{
    for (int t = 0; t < YOCO_EVAL_N_TASKS; t++) {
        yoco_free(stats->tasks[t].by_length.items);
        yoco_free(stats->tasks[t].by_n.items);
        yoco_free(stats->tasks[t].by_cell.items);
    }
    *stats = (yoco_eval_stats){0};
}
