/* `yoco eval`: makes the documents, asks, and writes the answers (docs/EVALUATION.md). */
#ifndef YOCO_EVAL_RUN_H
#define YOCO_EVAL_RUN_H

#include "coordinator/eval/cells.h"
#include "coordinator/eval/file.h"
#include "coordinator/session/session.h"

typedef struct yoco_eval_options {
    yoco_session_options session;
    yoco_eval_choice choice;
    yoco_strings haystack; /* files; none: the Perl manual */
    const char *folder;    /* output */
    yoco_eval_mode mode;
    int64_t seed, max_tokens, chunk_rows;
    bool chat;     /* document and question are one user's turn of the family's template */
    bool dump_ids; /* of yoco_eval_dump: token ids, not texts */
} yoco_eval_options;

/* Collective. Opens the ranks and the model, asks, writes samples.jsonl and at the end the report.
 */
yoco_status yoco_eval_run(const yoco_eval_options *options);

/* Prints what would be asked, the first document's text, then its questions' texts,
 * then the next one's; or their token ids, a line each. Which document it is goes to the log.
 * Computes nothing. */
yoco_status yoco_eval_dump(const yoco_eval_options *options);

#endif
