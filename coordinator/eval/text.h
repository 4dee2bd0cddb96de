/* The text of the documents of `yoco eval`: names, values, sentences, questions.
 *
 * Held-out rule: models may be trained on tasks of this kind, with names whose bytes sum up to a
 * number that 8 does not divide. Here every name's bytes sum up to a multiple of 8, so that no name
 * of an evaluation can have been seen in training. The cities of yoco-compat are the authors'. */
#ifndef YOCO_EVAL_TEXT_H
#define YOCO_EVAL_TEXT_H

#include "coordinator/ask/random.h"
#include "coordinator/eval/sample.h"

/* A document, by what tells it from all others. */
typedef struct yoco_eval_cell {
    yoco_eval_task task;
    int64_t length; /* tokens asked for */
    double depth; /* of the asked needle, 0..1 in millionths; NAN for tasks without a depth axis */
    int n;        /* needles, or values of multivalue; 1 for the task needle */
    int64_t trial;
} yoco_eval_cell;

/* Random numbers that depend on the run's seed and this document alone. */
yoco_random yoco_eval_cell_random(const yoco_eval_cell *cell, int64_t seed);
bool yoco_eval_cell_same(const yoco_eval_cell *a, const yoco_eval_cell *b);
/* "multikey, 4096 tokens, depth 0.5, needles 4, trial 0" */
void yoco_eval_cell_describe(const yoco_eval_cell *cell, char *out, size_t size);

/* Most tokens of an answer, where `per_value` are allowed for each value wanted. The authors'
 * protocol always allows 20. */
int64_t yoco_eval_cell_answer_tokens(const yoco_eval_cell *cell, int64_t per_value);

typedef struct yoco_eval_fact {
    char key[24], value[24];
    char text[160];  /* the sentence that states it */
    char asked[160]; /* the question whose answer is the value; multivalue: all values of the key */
    double wanted;   /* depth, 0..1; NAN: any. Set with is_far when the document is filled. */
    bool is_far;     /* the needle stands further from `wanted` than YOCO_EVAL_FAR */
} yoco_eval_fact;

/* True where a word stands in the haystack and so must not be a name or a value. */
typedef bool (*yoco_eval_taken)(const void *data, const char *word);

/* Draws the cell's facts: (n), all of one template. Names and values differ from each other, and
 * none is part of another (of yoco-compat, cities and numbers may repeat, as the authors' do). */
yoco_status yoco_eval_facts_draw(const yoco_eval_cell *cell, yoco_random *random,
                                 yoco_eval_taken taken, const void *data, yoco_eval_fact *facts);

#endif
