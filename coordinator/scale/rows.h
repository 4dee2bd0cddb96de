/* DIR/scale.jsonl: every finished run of a sweep as one line of JSON, durable once appended. A line
 * that a crash cut short is dropped when the file is opened again. One program at a time has it
 * open (a lock that ends with the process). */
#ifndef YOCO_SCALE_ROWS_H
#define YOCO_SCALE_ROWS_H

#include "configs/files/journal.h"

#include <jansson.h>

typedef struct yoco_scale_rows {
    yoco_journal file;
    json_t *rows; /* array of objects */
} yoco_scale_rows;

/* Makes the folder where it is missing. */
yoco_status yoco_scale_rows_open(const char *folder, yoco_scale_rows *out);
/* True where the point `key` has been run with these settings. */
bool yoco_scale_rows_has(const yoco_scale_rows *rows, const char *key, const char *settings);
/* Takes the row in every case. It replaces an earlier one of the same key, whose line stays. */
yoco_status yoco_scale_rows_append(yoco_scale_rows *rows, json_t *row);
void yoco_scale_rows_close(yoco_scale_rows *rows);

#endif
