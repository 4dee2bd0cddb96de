/* The preparation of `yoco eval`, on rank 0: the tokenizer, the haystack, and the list of
 * documents, all of which have been checked against the model's max_seq_len. */
#ifndef YOCO_EVAL_WORK_H
#define YOCO_EVAL_WORK_H

#include "coordinator/eval/document.h"
#include "coordinator/eval/run.h"

typedef struct yoco_eval_work {
    yoco_tokenizer *tokenizer;
    yoco_eval_haystack haystack;
    yoco_eval_source source;
    yoco_eval_cells list;
} yoco_eval_work;

/* `out` does not move afterwards: source points into it. */
yoco_status yoco_eval_work_open(const yoco_eval_options *options, const yoco_model_shape *shape,
                                yoco_eval_work *out);
void yoco_eval_work_close(yoco_eval_work *work); /* {0} is legal */

#endif
