/* The authors' needle tests, task yoco-compat: their cities, sentences, frame and depths. They are
 * kept apart from the tasks of this project, faults included (docs/EVALUATION.md, "yoco-compat").
 * Source: github.com/microsoft/unilm, YOCO/yoco/criterions/needle_haystack.py (one needle) and
 * multi_needle.py (several). */
#ifndef YOCO_EVAL_COMPAT_H
#define YOCO_EVAL_COMPAT_H

#include "coordinator/eval/haystack.h"
#include "coordinator/eval/text.h"

enum {
    YOCO_COMPAT_ANSWER_TOKENS = 20,
    YOCO_COMPAT_N_CITIES = 100,       /* entries of their list; 69 names */
    YOCO_COMPAT_RESERVED_TOKENS = 150 /* of a length, for all that is not haystack */
};

/* One needle: 11 depths from 0 to 1, 10 trials; several: 10 depths from 1/11 to 10/11, 5 trials. */
int yoco_compat_depths(int n);
int yoco_compat_trials(int n);
double yoco_compat_depth(int n, int index, int n_depths);

/* facts: (n), n <= YOCO_COMPAT_N_CITIES; the first is the one that is asked for. */
void yoco_compat_facts_draw(int n, yoco_random *random, yoco_eval_fact *facts);

typedef struct yoco_compat_text {
    char *text; /* malloc'ed */
    size_t size;
} yoco_compat_text;

/* The document's text. Puts the facts into the order of the document, writes where in the text each
 * starts (n), and where the asked one is now. */
yoco_status yoco_compat_text_make(const yoco_eval_cell *cell, const yoco_eval_haystack *haystack,
                                  const yoco_tokenizer *tokenizer, yoco_random *random,
                                  yoco_eval_fact *facts, size_t *starts, int *asked,
                                  yoco_compat_text *out);

#endif
