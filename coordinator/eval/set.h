/* All answers of an evaluation: samples.jsonl as a whole. */
#ifndef YOCO_EVAL_SET_H
#define YOCO_EVAL_SET_H

#include "coordinator/eval/sample.h"

typedef struct yoco_eval_set {
    yoco_eval_sample *samples; /* (n), line by line; at least one */
    int64_t n;
    /* (n) by task, length, n, depth, trial and question, whatever the order of the lines */
    const yoco_eval_sample **sorted;
} yoco_eval_set;

/* A last line without its line break was torn by a crash: it is left out with a warning.
 * YOCO_ERR_DATA, with the line's number: a line that is no answer; one that another model,
 * haystack, seed, chunk, --chat or arithmetic gave than line 1; an answer given twice; a file
 * without answers. */
yoco_status yoco_eval_set_read(const char *path, yoco_eval_set *out);
void yoco_eval_set_free(yoco_eval_set *set);

#endif
