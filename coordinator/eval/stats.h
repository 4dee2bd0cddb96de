/* Statistics over the answers of an evaluation.
 *
 * A trial is right or wrong: an answer, or for multivalue one expected value. The 95 % interval of
 * a mean p of n trials is Wilson's score interval (E. B. Wilson, "Probable inference, the law of
 * succession, and statistical inference", JASA 22, 1927), z = 1.959964:
 *
 *     (p + z^2/2n  -+  z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
 */
#ifndef YOCO_EVAL_STATS_H
#define YOCO_EVAL_STATS_H

#include "coordinator/eval/set.h"

/* The least mean of a length that counts as effective: the threshold of RULER (arXiv 2404.06654),
 * rounded. */
#define YOCO_EVAL_EFFECTIVE_MEAN 0.85

typedef struct yoco_eval_interval {
    double low, high;
} yoco_eval_interval;

/* n >= 1, 0 <= mean <= 1. */
yoco_eval_interval yoco_eval_wilson(double mean, int64_t n);

/* Answers that share what they are grouped by; of the other of length, n_needles and depth, the
 * first answer's. */
typedef struct yoco_eval_group {
    int64_t length, n_needles;
    double depth;
    int64_t n_samples, n_trials, n_exact; /* each at least 1, but n_exact */
    double hits;                          /* right trials */
    int64_t n_far;   /* answers about documents with needles far from their depths */
    double n_tokens; /* sum of the documents' true lengths */
} yoco_eval_group;

double yoco_eval_group_mean(const yoco_eval_group *group);
yoco_eval_interval yoco_eval_group_interval(const yoco_eval_group *group);

typedef struct yoco_eval_groups {
    yoco_eval_group *items; /* (n), ascending by length, n_needles, depth */
    int64_t n;
} yoco_eval_groups;

typedef struct yoco_eval_task_stats {
    yoco_eval_task task;
    const yoco_eval_sample *const *samples; /* (all.n_samples), sorted */
    yoco_eval_group all;                    /* n_samples 0: the task was not run */
    yoco_eval_groups by_length;
    yoco_eval_groups by_n;    /* length, n_needles */
    yoco_eval_groups by_cell; /* length, n_needles, depth; empty for tasks without depth */
    /* The largest asked length such that it and all shorter ones have at least
     * YOCO_EVAL_EFFECTIVE_MEAN; 0 if the shortest has not. */
    int64_t effective_length;
} yoco_eval_task_stats;

typedef struct yoco_eval_stats {
    const yoco_eval_set *set;
    yoco_eval_task_stats tasks[YOCO_EVAL_N_TASKS];
} yoco_eval_stats;

/* The set must outlive the statistics. */
yoco_status yoco_eval_stats_make(const yoco_eval_set *set, yoco_eval_stats *out);
void yoco_eval_stats_free(yoco_eval_stats *stats);

#endif
