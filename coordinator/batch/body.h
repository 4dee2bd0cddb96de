/* The fields of a job's body, each with its reader. */
#ifndef YOCO_BATCH_BODY_H
#define YOCO_BATCH_BODY_H

#include "coordinator/batch/job.h"
#include "coordinator/text/chat_template.h"

/* `job` has its url; fills the rest. `line` is what `body` was read from. Errors as in
 * yoco_batch_job_parse. */
yoco_status yoco_batch_body_read(const json_t *body, const char *line, size_t size,
                                 yoco_batch_job *job, yoco_batch_fault *fault);

/* The messages of a job that is a chat, and the turn that the model is to fill. *out starts as {0}
 * and is to be freed in every case. */
yoco_status yoco_batch_body_render(const yoco_batch_job *job, const yoco_chat_template *t,
                                   yoco_chat_text *out);

#endif
