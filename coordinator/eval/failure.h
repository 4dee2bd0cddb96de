/* A line of samples.jsonl that says why a document has no answers: it counts in no report, and the
 * next run takes it out and tries the document again. */
#ifndef YOCO_EVAL_FAILURE_H
#define YOCO_EVAL_FAILURE_H

#include "coordinator/eval/text.h"

/* One line with its line break, for the caller to free(). */
yoco_status yoco_eval_failure_write(const yoco_eval_cell *cell, const char *reason, char **out);
bool yoco_eval_failure_is(const char *line, size_t size);

#endif
