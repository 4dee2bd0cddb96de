/* What a report is made of: each function prints one picture or file of the statistics to a stream,
 * the same bytes for the same statistics; a failed write shows in ferror(out). */
#ifndef YOCO_EVAL_PAGES_H
#define YOCO_EVAL_PAGES_H

#include "coordinator/eval/stats.h"

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

/* The words of a report. */

enum { YOCO_EVAL_LABEL_BYTES = 32 };

/* "4K", "1M" for multiples of 1024, else "5,000". */
const char *yoco_eval_label_size(int64_t n, char label[YOCO_EVAL_LABEL_BYTES]);
/* "5,000" */
const char *yoco_eval_label_count(int64_t n, char label[YOCO_EVAL_LABEL_BYTES]);
/* "97.1" for 0.971; below 1 never "100.0". */
const char *yoco_eval_label_percent(double share, int decimals, char label[YOCO_EVAL_LABEL_BYTES]);
/* A copy of valid UTF-8 with at most `max_bytes`, "..." at its end where it was cut; `label` has
 * max_bytes + 1 bytes. */
const char *yoco_eval_label_cut(const char *text, size_t max_bytes, char *label);

#endif
