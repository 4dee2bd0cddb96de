/* The growing answer of one branch on rank 0: its ids, its text, and when it ends. */
#ifndef YOCO_ANSWER_H
#define YOCO_ANSWER_H

#include "configs/model/shape.h"
#include "coordinator/ask/logprobs.h"
#include "coordinator/cli/options.h"
#include "coordinator/text/tokenizer.h"

typedef enum yoco_finish { YOCO_RUNNING, YOCO_FINISH_LENGTH, YOCO_FINISH_STOP } yoco_finish;

enum { YOCO_ANSWER_MAX_ENDS = YOCO_MAX_ENDS + 1 }; /* the model's, and that of a chat's turns */

typedef struct yoco_answer {
    int32_t *ids;  /* (n_max); a stop token is the last */
    float *logits; /* (n_max, vocab_size): row i is what ids[i] was taken from; NULL unless kept */
    yoco_logprob *logprobs; /* (n_max, 1 + n_logprobs): see yoco_logprobs_of; NULL unless kept */
    int n_logprobs;
    int32_t ends[YOCO_ANSWER_MAX_ENDS]; /* (n_ends): they end it beside the tokenizer's */
    int n_ends;
    int64_t n, n_max;
    yoco_finish finish;
    char *text; /* bytes of the ids, without what a stop string cut off; not always valid UTF-8 */
    size_t text_size, text_capacity;
    size_t shown; /* bytes that a reader may see already: no stop string can begin before here */
} yoco_answer;

yoco_status yoco_answer_create(int64_t n_max, int vocab_size, bool keep_logits, yoco_answer *out);
/* Makes room for the log-probabilities of its tokens, and of n_logprobs >= 0 ids at each. */
yoco_status yoco_answer_keep_logprobs(yoco_answer *answer, int n_logprobs);
void yoco_answer_free(yoco_answer *answer);

/* Adds one id. Those of `ends` and, where there is a tokenizer (else NULL), its end tokens and the
 * stop strings finish the answer. */
yoco_status yoco_answer_add(yoco_answer *answer, const yoco_tokenizer *tokenizer,
                            const yoco_strings *stops, int32_t id);

/* The text as valid UTF-8, for JSON; the caller frees it with yoco_free. */
yoco_status yoco_answer_text(const yoco_answer *answer, char **text, size_t *size);

#endif
