/* A fault: what keeps a line of a batch input file from being a job, in words. */
#ifndef YOCO_BATCH_FAULT_H
#define YOCO_BATCH_FAULT_H

#include <jansson.h>

#include "base.h"

/* "body.max_tokens", "is a whole number, at least 1, not -5" */
typedef struct yoco_batch_fault {
    char field[64]; /* empty: the line as a whole */
    char reason[512];
} yoco_batch_fault;

/* Writes the fault and returns YOCO_ERR_DATA. */
yoco_status yoco_batch_fault_set(yoco_batch_fault *fault, const char *field, const char *format,
                                 ...) __attribute__((format(printf, 3, 4)));

/* A value as it stands in error lines, cut where it is long. */
enum { YOCO_BATCH_SHOWN_BYTES = 48 };
const char *yoco_batch_show(const json_t *value, char text[YOCO_BATCH_SHOWN_BYTES]);

#endif
