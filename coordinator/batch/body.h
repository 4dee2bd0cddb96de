/* The fields of a job's body, each with its reader. */
#ifndef YOCO_BATCH_BODY_H
#define YOCO_BATCH_BODY_H

#include "coordinator/batch/job.h"

/* `job` has its url; fills the rest. `line` is what `body` was read from. Errors as in
 * yoco_batch_job_parse. */
yoco_status yoco_batch_body_read(const json_t *body, const char *line, size_t size,
                                 yoco_batch_job *job, yoco_batch_fault *fault);

#endif
