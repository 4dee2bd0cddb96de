/* A document's answers as lines of samples.jsonl. */
#ifndef YOCO_EVAL_RECORD_H
#define YOCO_EVAL_RECORD_H

#include "coordinator/ask/answer.h"
#include "coordinator/eval/document.h"

/* answers: one to each question. `common` holds what is the same for all answers of the run, and
 * the document's times. *lines is the caller's to free(). */
yoco_status yoco_eval_record(const yoco_eval_document *document, const yoco_answer *answers,
                             const yoco_eval_sample *common, char **lines, size_t *size);

#endif
