/* Lines of a batch output file: answers and error records, in the OpenAI batch format. They hold
 * nothing that varies from run to run. */
#ifndef YOCO_BATCH_LINE_H
#define YOCO_BATCH_LINE_H

#include "coordinator/ask/answer.h"
#include "coordinator/batch/input.h"

#define YOCO_BATCH_ID_PREFIX "batch_req_"

/* The parts of an answer's line. */
typedef struct yoco_batch_answered {
    const yoco_batch_job *job;
    const char *id, *fingerprint;
    const yoco_prompt *prompt;
    const yoco_answer *answers; /* (prompt->n_questions) */
    const yoco_tokenizer *tokenizer;
} yoco_batch_answered;

/* All end with a newline; the caller frees *line with free(). */
yoco_status yoco_batch_line_answer(const yoco_batch_answered *answered, char **line);
/* The line of a bad job: it will be bad as long as it is the same. */
yoco_status yoco_batch_line_error(const yoco_batch_entry *entry, char **line);
/* The line of a good job that could not be answered this time. `fault` says why. */
yoco_status yoco_batch_line_failure(const yoco_batch_entry *entry, const yoco_batch_fault *fault,
                                    char **line);

#endif
