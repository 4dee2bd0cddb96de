/* The files that a sweep writes beside scale.jsonl: scale.csv, scale.json and report.html, each
 * replaced whole.
 */
#ifndef YOCO_SCALE_REPORT_H
#define YOCO_SCALE_REPORT_H

#include "coordinator/scale/series.h"

#include <stdio.h>

/* All three files, from the rows of folder/scale.jsonl. */
yoco_status yoco_scale_report_write(const char *folder, const json_t *rows);

/* The parts, on a stream; a failed write shows in ferror(out). */
void yoco_scale_print_csv(FILE *out, const yoco_scale_results *results);
void yoco_scale_print_html(FILE *out, const yoco_scale_results *results);
/* The results first..end-1 are one experiment. */
void yoco_scale_print_plots(FILE *out, const yoco_scale_results *results, int first, int end);
void yoco_scale_print_tables(FILE *out, const yoco_scale_results *results, int first, int end);

/* "simulated, h100-infiniband" */
enum { YOCO_SCALE_LABEL_BYTES = 192 };
const char *yoco_scale_label(const yoco_scale_result *result, char text[YOCO_SCALE_LABEL_BYTES]);
/* 1048576 as "1M"; else the number. */
const char *yoco_scale_count(int64_t n, char text[YOCO_SCALE_LABEL_BYTES]);
/* "1.23 ms" */
const char *yoco_scale_seconds(double seconds, char text[YOCO_SCALE_LABEL_BYTES]);

#endif
