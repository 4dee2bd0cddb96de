/* The rows of a sweep as its report needs them: experiments, each with series of points that differ
 * in the number of ranks. */
#ifndef YOCO_SCALE_SERIES_H
#define YOCO_SCALE_SERIES_H

#include "coordinator/timing/spread.h"

#include "base.h"

#include <jansson.h>

/* The parts of a rank's time. */
typedef enum yoco_scale_part {
    YOCO_PART_COMPUTE,
    YOCO_PART_EDGE_WAIT,
    YOCO_PART_REDUCE,
    YOCO_PART_WAIT,
    YOCO_PART_IDLE,
    YOCO_N_PARTS
} yoco_scale_part;

const char *yoco_scale_part_name(yoco_scale_part part); /* "waiting for edges" */

/* One row. Texts belong to the JSON it was made from. */
typedef struct yoco_scale_result {
    bool weak;
    const char *kind, *model, *hardware, *what_if, *machine, *commit, *time;
    const char *prefill_limit, *step_limit; /* predicted rows; else NULL */
    int n_ranks, n_prefills, n_steps;
    int64_t n_tokens, n_branches, chunk_rows;
    yoco_spread prefill_s, step_s;
    double prefill_part_s[YOCO_N_PARTS], step_part_s[YOCO_N_PARTS]; /* means over the ranks */
    double sent_bytes, memory_bytes; /* prefill: mean over the ranks; the rank with the most */
    double prefill_efficiency, step_efficiency; /* against the series' row with the fewest ranks */
    int base_ranks;
} yoco_scale_result;

typedef struct yoco_scale_results {
    yoco_scale_result *items; /* by experiment, then series, then ranks */
    int n;
} yoco_scale_results;

/* The rows must outlive the results. A row that lacks something is YOCO_ERR_DATA; `name` stands in
 * the error line. */
yoco_status yoco_scale_results_make(const char *name, const json_t *rows, yoco_scale_results *out);
void yoco_scale_results_free(yoco_scale_results *results);

/* Same scaling, model, branches, and tokens (in all, or for each rank). */
bool yoco_scale_same_experiment(const yoco_scale_result *a, const yoco_scale_result *b);
/* Also the same kind, hardware and what-if. */
bool yoco_scale_same_series(const yoco_scale_result *a, const yoco_scale_result *b);
/* One past the last result from `first` on for which `same` holds. */
int yoco_scale_run_end(const yoco_scale_results *results, int first,
                       bool (*same)(const yoco_scale_result *, const yoco_scale_result *));

/* True where the series of rows first..end - 1 has points to compare: efficiency is against the one
 * with the fewest ranks, and says nothing of a single one. */
static inline bool yoco_scale_has_efficiency(const yoco_scale_results *results, int first, int end)
{
    return results->items[first].n_ranks != results->items[end - 1].n_ranks;
}

static inline double yoco_scale_tokens_s_per_rank(const yoco_scale_result *r)
{
    return (double)r->n_tokens / r->prefill_s.median / r->n_ranks;
}

#endif
