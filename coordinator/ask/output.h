/* The output of `yoco run` on stdout: answers as they grow, or one JSON object at the end. Rank 0
 * only. */
#ifndef YOCO_OUTPUT_H
#define YOCO_OUTPUT_H

#include "coordinator/ask/generate.h"
#include "coordinator/session/memory.h"

/* Streams the answers in the order of the questions: the first unfinished one as it grows, later
 * ones once their turn comes. Text where there is a tokenizer, else ids. */
typedef struct yoco_stream {
    const yoco_tokenizer *tokenizer;
    const yoco_prompt *prompt;
    int current;    /* the answer being printed */
    bool headed;    /* its question stands above it already */
    size_t printed; /* bytes of its text, or ids */
    yoco_utf8_stream utf8;
} yoco_stream;

void yoco_stream_update(void *stream, const yoco_answer *answers,
                        int n_answers); /* a yoco_answer_grew */

typedef struct yoco_run_output {
    const yoco_session *session;
    const yoco_prompt *prompt;
    const yoco_answer *answers;
    const yoco_tokenizer *tokenizer;
    yoco_generate_times times;
    double prefill_s;
    yoco_memory memory;
} yoco_run_output;

yoco_status yoco_run_print_json(const yoco_run_output *output);

#endif
