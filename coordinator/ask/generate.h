/* Decodes all branches together until each has its answer. Rank 0 samples; ids and stop decisions
 * go to every rank. */
#ifndef YOCO_GENERATE_H
#define YOCO_GENERATE_H

#include <signal.h>

#include "coordinator/ask/answer.h"
#include "coordinator/ask/prompt.h"
#include "coordinator/ask/sampling.h"
#include "coordinator/session/session.h"

typedef struct yoco_generate_options {
    int64_t n_generate;
    yoco_sampling sampling;
    yoco_strings stops;
    const yoco_chat_template *chat; /* rank 0: what ends its turns ends an answer; NULL: no chat */
    bool keep_logits;
    bool logprobs;                     /* keep those of the answer's tokens ... */
    int n_logprobs;                    /* ... and of so many of the likeliest ids at each */
    const volatile sig_atomic_t *stop; /* ends it with YOCO_ERR_STOPPED after a token; or NULL */
} yoco_generate_options;

/* Called on rank 0 whenever an answer has grown. */
typedef void (*yoco_answer_grew)(void *data, const yoco_answer *answers, int n_answers);

typedef struct yoco_generate_times {
    double questions_s; /* prefill of the questions */
    double decode_s;
    int64_t n_steps, n_tokens; /* tokens over all branches */
} yoco_generate_times;

/* Collective; the worker holds the prompt's context. answers: (n_questions), filled on rank 0,
 * freed by the caller. */
yoco_status yoco_generate(yoco_session *session, const yoco_generate_options *options,
                          const yoco_prompt *prompt, const yoco_tokenizer *tokenizer,
                          yoco_answer_grew grew, void *grew_data, yoco_answer *answers,
                          yoco_generate_times *times);

#endif
