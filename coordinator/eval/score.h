/* Is an answer right? The definitions stand in docs/EVALUATION.md, "Scores". */
#ifndef YOCO_EVAL_SCORE_H
#define YOCO_EVAL_SCORE_H

#include "coordinator/eval/sample.h"

typedef struct yoco_eval_score {
    double score; /* 0..1 */
    bool exact;
} yoco_eval_score;

/* expected, found: (n_expected), which is 1 but for multivalue. */
yoco_eval_score yoco_eval_score_answer(yoco_eval_task task, const char *prediction,
                                       const char *const *expected, int64_t n_expected,
                                       bool *found);

#endif
