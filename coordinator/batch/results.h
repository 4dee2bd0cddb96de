/* A batch output file: one line per job, appended by one write and synced, so that a line that is
 * there whole is there for good. A later run goes on where this one ended: lines tell what they
 * answer by `id`, `custom_id` and `system_fingerprint`, so nothing beside the file is needed. Rank
 * 0 only. */
#ifndef YOCO_BATCH_RESULTS_H
#define YOCO_BATCH_RESULTS_H

#include "coordinator/batch/input.h"

typedef struct yoco_batch_results yoco_batch_results;

/* Opens or makes the file; "-" is stdout, which is never resumed. Without `overwrite`, a torn last
 * line is dropped and the entries that the file answers are marked done. A file that answers
 * something else is YOCO_ERR_DATA, and stays as it is. */
yoco_status yoco_batch_results_open(const char *path, bool overwrite, yoco_batch_input *input,
                                    const char *fingerprint, yoco_batch_results **out);
void yoco_batch_results_close(yoco_batch_results *results);

/* Once all bad lines are known: marks those done whose error records are in the file, and takes out
 * the records of lines that are not bad any more. */
yoco_status yoco_batch_results_settle(yoco_batch_results *results, yoco_batch_input *input);

/* Appends whole lines, each with its newline. */
yoco_status yoco_batch_results_append(yoco_batch_results *results, const char *lines, size_t size);

#endif
