/* The tables of report.html. Each is printed as a <div> that scrolls where the window is narrow. */
#ifndef YOCO_EVAL_TABLES_H
#define YOCO_EVAL_TABLES_H

#include "coordinator/eval/stats.h"

#include <stdio.h>

/* A mean as a mark and its interval as a bar, from 0 to 100 %. */
void yoco_eval_print_bar(FILE *out, const yoco_eval_group *group);

/* Means and intervals by length and number of needles. */
void yoco_eval_print_task_table(FILE *out, const yoco_eval_task_stats *task);

/* A paragraph where the task has needles far from their depths. */
void yoco_eval_print_far(FILE *out, const yoco_eval_task_stats *task);

/* Answers with a score below 1 of the tasks first..last, the first 200 of them; how many more there
 * are stands below. */
void yoco_eval_print_wrong_table(FILE *out, const yoco_eval_stats *stats, yoco_eval_task first,
                                 yoco_eval_task last);

/* The settings of the run. */
void yoco_eval_print_settings_table(FILE *out, const yoco_eval_set *set);

/* Prefill and decode by length, ranks and threads. */
yoco_status yoco_eval_print_times_table(FILE *out, const yoco_eval_set *set);

#endif
