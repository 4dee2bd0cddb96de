/* The report of an evaluation: results.json, heatmap.svg, recall.svg and report.html, all made from
 * samples.jsonl alone, in the same folder. */
#ifndef YOCO_EVAL_REPORT_H
#define YOCO_EVAL_REPORT_H

#include "base.h"

/* Each file is replaced whole; none is touched unless all could be made. results.json depends on
 * the answers only, not on their order in the file, on ranks or time. Errors as yoco_eval_set_read
 * and yoco_atomic_file_create give them. Rank 0 only. */
yoco_status yoco_eval_report(const char *dir);

#endif
