#include "coordinator/scale/series.h"

#include <stdlib.h>
#include <string.h>

static const char *const part_names[YOCO_N_PARTS] = {
    [YOCO_PART_COMPUTE] = "computing", [YOCO_PART_EDGE_WAIT] = "waiting for edges",
    [YOCO_PART_REDUCE] = "reductions", [YOCO_PART_WAIT] = "other waits",
    [YOCO_PART_IDLE] = "idle",
};

static const char *const part_fields[YOCO_N_PARTS] = {"compute_s", "edge_wait_s", "reduce_s",
                                                      "wait_s", "idle_s"};

const char *yoco_scale_part_name(yoco_scale_part part)
{
    return part_names[part];
}

typedef struct reader {
    const char *name;
    int row;
    bool failed; /* and logged */
} reader;

static void fail(reader *r, const char *field)
{
    if (!r->failed)
        yoco_log_error("%s, line %d: %s is missing or of the wrong kind; remove the line", r->name,
                       r->row, field);
    r->failed = true;
}

static const char *read_text(reader *r, const json_t *row, const char *field)
{
    const char *text = json_string_value(json_object_get(row, field));
    if (!text)
        fail(r, field);
    return text ? text : "";
}

static int64_t read_count(reader *r, const json_t *run, const char *field)
{
    int64_t value = json_integer_value(json_object_get(run, field));
    if (value < 1)
        fail(r, field);
    return value;
}

/* The numbers of an array, at least one; the caller frees *out. */
static int read_numbers(reader *r, const json_t *run, const char *field, double **out)
{
    const json_t *array = json_object_get(run, field);
    size_t n = json_array_size(array), i;
    const json_t *value;
    *out = n > 0 ? calloc(n, sizeof **out) : NULL;
    if (!*out) {
        fail(r, field);
        return 0;
    }
    json_array_foreach(array, i, value)
    {
        (*out)[i] = json_number_value(value);
        if (!json_is_number(value) || (*out)[i] < 0)
            fail(r, field);
    }
    return (int)n;
}

static yoco_spread read_spread(reader *r, const json_t *run, const char *field, int *n)
{
    double *values;
    *n = read_numbers(r, run, field, &values);
    yoco_spread spread = {0};
    if (*n > 0)
        spread = yoco_spread_make(values, *n);
    if (*n > 0 && !(spread.min > 0))
        fail(r, field);
    free(values);
    return spread;
}

static double read_mean(reader *r, const json_t *object, const char *field)
{
    double *values, sum = 0;
    int n = read_numbers(r, object, field, &values);
    for (int i = 0; i < n; i++)
        sum += values[i];
    free(values);
    return n > 0 ? sum / n : 0;
}

static void read_run(reader *r, const json_t *run, yoco_scale_result *out)
{
    const json_t *prefill = json_object_get(run, "prefill"),
                 *decode = json_object_get(run, "decode");
    int n_memory;
    out->n_ranks = (int)read_count(r, run, "ranks");
    out->n_tokens = read_count(r, run, "tokens");
    out->n_branches = read_count(r, run, "branches");
    out->chunk_rows = read_count(r, run, "chunk");
    out->prefill_s = read_spread(r, run, "prefill_s", &out->n_prefills);
    out->step_s = read_spread(r, run, "step_s", &out->n_steps);
    out->memory_bytes = read_spread(r, run, "memory_bytes", &n_memory).max;
    for (int part = 0; part < YOCO_N_PARTS; part++) {
        out->prefill_part_s[part] = read_mean(r, prefill, part_fields[part]);
        out->step_part_s[part] =
            read_mean(r, decode, part_fields[part]) / (out->n_steps > 0 ? out->n_steps : 1);
    }
    out->prefill_limit = json_string_value(json_object_get(run, "prefill_limit"));
    out->step_limit = json_string_value(json_object_get(run, "step_limit"));
    if (json_object_get(prefill, "bytes"))
        out->sent_bytes = read_mean(r, prefill, "bytes");
}

static void read_row(reader *r, const json_t *row, yoco_scale_result *out)
{
    *out = (yoco_scale_result){.weak = strcmp(read_text(r, row, "scaling"), "weak") == 0,
                               .kind = read_text(r, row, "kind"),
                               .model = read_text(r, row, "model"),
                               .hardware = read_text(r, row, "hardware"),
                               .what_if = read_text(r, row, "what_if"),
                               .machine = read_text(r, row, "machine"),
                               .commit = read_text(r, row, "commit"),
                               .time = read_text(r, row, "time")};
    read_run(r, json_object_get(row, "run"), out);
}

static int64_t size_of(const yoco_scale_result *r)
{
    return r->weak ? r->n_tokens / r->n_ranks : r->n_tokens;
}

static int compare_experiments(const yoco_scale_result *a, const yoco_scale_result *b)
{
    if (a->weak != b->weak)
        return a->weak - b->weak;
    int order = strcmp(a->model, b->model);
    if (order == 0)
        order = (size_of(a) > size_of(b)) - (size_of(a) < size_of(b));
    if (order == 0)
        order = (a->n_branches > b->n_branches) - (a->n_branches < b->n_branches);
    return order;
}

static int compare_series(const yoco_scale_result *a, const yoco_scale_result *b)
{
    int order = compare_experiments(a, b);
    if (order == 0)
        order = strcmp(a->kind, b->kind);
    if (order == 0)
        order = strcmp(a->hardware, b->hardware);
    return order == 0 ? strcmp(a->what_if, b->what_if) : order;
}

static int compare(const void *left, const void *right)
{
    const yoco_scale_result *a = left, *b = right;
    int order = compare_series(a, b);
    if (order == 0)
        order = (a->n_ranks > b->n_ranks) - (a->n_ranks < b->n_ranks);
    return order == 0 ? (a->chunk_rows > b->chunk_rows) - (a->chunk_rows < b->chunk_rows) : order;
}

bool yoco_scale_same_experiment(const yoco_scale_result *a, const yoco_scale_result *b)
{
    return compare_experiments(a, b) == 0;
}

bool yoco_scale_same_series(const yoco_scale_result *a, const yoco_scale_result *b)
{
    return compare_series(a, b) == 0;
}

int yoco_scale_run_end(const yoco_scale_results *results, int first,
                       bool (*same)(const yoco_scale_result *, const yoco_scale_result *))
{
    int end = first + 1;
    while (end < results->n && same(&results->items[first], &results->items[end]))
        end++;
    return end;
}

/* Strong: how much of the ideal speed-up is left. Weak: how much longer the same share takes. A
 * step is always strong: its branches stay. */
static void set_efficiency(yoco_scale_results *results)
{
    for (int i = 0, end; i < results->n; i = end) {
        const yoco_scale_result *base = &results->items[i];
        end = yoco_scale_run_end(results, i, yoco_scale_same_series);
        for (int j = i; j < end; j++) {
            yoco_scale_result *r = &results->items[j];
            double more_ranks = (double)r->n_ranks / base->n_ranks;
            r->base_ranks = base->n_ranks;
            r->prefill_efficiency =
                base->prefill_s.median / r->prefill_s.median / (r->weak ? 1 : more_ranks);
            r->step_efficiency =
                base->step_s.median / r->step_s.median / (r->weak ? 1 : more_ranks);
        }
    }
}

yoco_status yoco_scale_results_make(const char *name, const json_t *rows, yoco_scale_results *out)
{
    yoco_scale_results results = {.n = (int)json_array_size(rows)};
    reader r = {.name = name};
    YOCO_TRY(yoco_alloc((size_t)results.n * sizeof *results.items, "the results of a sweep",
                        (void **)&results.items));
    for (int i = 0; i < results.n; i++) {
        r.row = i + 1;
        read_row(&r, json_array_get(rows, (size_t)i), &results.items[i]);
    }
    if (r.failed) {
        yoco_scale_results_free(&results);
        return YOCO_ERR_DATA;
    }
    if (results.n > 0)
        qsort(results.items, (size_t)results.n, sizeof *results.items, compare);
    set_efficiency(&results);
    *out = results;
    return YOCO_OK;
}

void yoco_scale_results_free(yoco_scale_results *results)
{
    yoco_free(results->items);
    *results = (yoco_scale_results){0};
}
