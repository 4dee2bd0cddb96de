/* The parts of a report: each function prints one picture or file of the statistics to a stream,
 * the same bytes for the same statistics; a failed write shows in ferror(out). */
#ifndef YOCO_EVAL_PAGES_H
#define YOCO_EVAL_PAGES_H

#include "coordinator/eval/stats.h"
#include "coordinator/report/labels.h"

#include <stdio.h>

/* results.json: nothing in it depends on ranks or time. */
yoco_status yoco_eval_print_results(FILE *out, const yoco_eval_stats *stats);

/* heatmap.svg: the task `needle`, length by depth. */
yoco_status yoco_eval_print_heatmap(FILE *out, const yoco_eval_stats *stats);

/* One panel: recall against the number of needles, a line for each length. */
yoco_status yoco_eval_print_recall_panel(FILE *out, const yoco_eval_stats *stats,
                                         yoco_eval_task task);
/* recall.svg: the panels of all tasks with several needles, side by side. */
yoco_status yoco_eval_print_recall(FILE *out, const yoco_eval_stats *stats);

/* report.html: no scripts, nothing outside of it. */
yoco_status yoco_eval_print_html(FILE *out, const yoco_eval_stats *stats);

#endif
