#include "configs/files/json_text.h"
#include "coordinator/eval/pages.h"

#include <jansson.h>

enum { VERSION = 1, DIGITS = 10 };

/* The counts that every group ends with; `n` are the trials of the interval, `far` stands there
 * where it is not 0. */
static void add_counts(json_t *object, const yoco_eval_group *group)
{
    yoco_eval_interval interval = yoco_eval_group_interval(group);
    json_object_set_new(object, "n", json_integer(group->n_trials));
    json_object_set_new(object, "mean", json_real(yoco_eval_group_mean(group)));
    json_object_set_new(object, "wilson95", json_pack("[f, f]", interval.low, interval.high));
    if (group->n_far > 0)
        json_object_set_new(object, "far", json_integer(group->n_far));
}

static json_t *length_json(const yoco_eval_group *group)
{
    return json_pack("{s:I, s:f}", "length", (json_int_t)group->length, "tokens_mean",
                     group->n_tokens / (double)group->n_samples);
}

static json_t *n_json(const yoco_eval_group *group)
{
    return json_pack("{s:I, s:I}", "length", (json_int_t)group->length, "needles",
                     (json_int_t)group->n_needles);
}

static json_t *cell_json(const yoco_eval_group *group)
{
    return json_pack("{s:I, s:f, s:I}", "length", (json_int_t)group->length, "depth", group->depth,
                     "needles", (json_int_t)group->n_needles);
}

static json_t *groups_json(const yoco_eval_groups *groups,
                           json_t *(*begin)(const yoco_eval_group *))
{
    json_t *array = json_array();
    for (int64_t i = 0; i < groups->n; i++) {
        json_t *object = begin(&groups->items[i]);
        add_counts(object, &groups->items[i]);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *task_json(const yoco_eval_task_stats *task)
{
    const yoco_eval_group *all = &task->all;
    yoco_eval_interval interval = yoco_eval_group_interval(all);
    return json_pack(
        "{s:I, s:f, s:[f, f], s:f, s:o, s:o, s:o, s:I}", "n_samples", (json_int_t)all->n_samples,
        "mean", yoco_eval_group_mean(all), "wilson95", interval.low, interval.high, "exact",
        (double)all->n_exact / (double)all->n_samples, "by_length",
        groups_json(&task->by_length, length_json), "by_cell",
        groups_json(&task->by_cell, cell_json), "by_n", groups_json(&task->by_n, n_json),
        "effective_length", (json_int_t)task->effective_length);
}

static json_t *tasks_json(const yoco_eval_stats *stats)
{
    json_t *object = json_object();
    for (int t = 0; t < YOCO_EVAL_N_TASKS; t++)
        if (stats->tasks[t].all.n_samples > 0)
            json_object_set_new(object, yoco_eval_task_name((yoco_eval_task)t),
                                task_json(&stats->tasks[t]));
    return object;
}

yoco_status yoco_eval_print_results(FILE *out, const yoco_eval_stats *stats)
{
    const yoco_eval_sample *first = stats->set->samples;
    json_t *root = json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:I, s:s, s:f, s:o}", "version", VERSION, "model", first->model,
        "model_name", first->model_name, "haystack", first->haystack, "seed",
        (json_int_t)first->seed, "chunk", (json_int_t)first->chunk, "arithmetic", first->arithmetic,
        "effective_mean", YOCO_EVAL_EFFECTIVE_MEAN, "tasks", tasks_json(stats));
    if (first->chat && json_object_set_new(root, "chat", json_true()) != 0) {
        json_decref(root);
        root = NULL;
    }
    bool printed = yoco_json_print(root, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS), out);
    json_decref(root);
    if (!printed) {
        yoco_log_error("cannot make results.json: not enough memory");
        return YOCO_ERR_MEMORY;
    }
    return YOCO_OK;
}
