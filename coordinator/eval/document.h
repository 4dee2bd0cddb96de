/* A document of `yoco eval` and its questions, made from the haystack and the seed alone. Rank 0
 * only; the prompt is what all ranks get.
 *
 * The tasks of this project: <s> and, in a chat, the start of the user's turn, then tokens of the
 * haystack from a random place on, from its start again where it ends, and sentences in lines of
 * their own, each at a token that follows a line break, the nearest to its depth. Tokens are
 * `length` exactly. Of yoco-compat the text is the authors' and the number of tokens only near. */
#ifndef YOCO_EVAL_DOCUMENT_H
#define YOCO_EVAL_DOCUMENT_H

#include "coordinator/ask/prompt.h"
#include "coordinator/eval/haystack.h"
#include "coordinator/eval/text.h"

typedef struct yoco_eval_source {
    const yoco_tokenizer *tokenizer;
    const yoco_eval_haystack *haystack;
    int64_t seed;
    const yoco_chat_template *chat; /* NULL: none */
    yoco_ids head; /* what a document starts with: <s> where there is one; the start of a turn */
} yoco_eval_source;

/* chat: document and question are one user's turn of this template; NULL: text is left alone. */
yoco_status yoco_eval_source_open(const yoco_tokenizer *tokenizer,
                                  const yoco_eval_haystack *haystack, int64_t seed,
                                  const yoco_chat_template *chat, yoco_eval_source *out);
void yoco_eval_source_close(yoco_eval_source *source); /* {0} is legal */

typedef struct yoco_eval_document {
    yoco_eval_cell cell;
    yoco_random random;
    yoco_eval_fact *facts; /* (n), once filled in the order of the document */
    int64_t *starts; /* (n), once filled: index of each one's first token, line break included */
    yoco_ids *sentences; /* (n): the tokens of each with its line breaks */
    int first_asked;     /* question q is about fact first_asked + q */
    int64_t n_most;      /* the context's tokens, at most (yoco-compat: estimated) */
    yoco_prompt prompt;  /* the questions; the context once filled */
} yoco_eval_document;

/* The start of fact i, from 0 to 1 of the document. */
double yoco_eval_document_depth(const yoco_eval_document *document, int i);

/* Draws facts and questions: all but the context. YOCO_ERR_DATA where the length has no room for
 * the needles. */
yoco_status yoco_eval_document_draw(const yoco_eval_source *source, const yoco_eval_cell *cell,
                                    yoco_eval_document *out);
/* Makes the context; a line in the log where needles are far from their depths. */
yoco_status yoco_eval_document_fill(const yoco_eval_source *source, yoco_eval_document *document);
void yoco_eval_document_free(yoco_eval_document *document); /* {0} is legal */

/* The values that the answer to question q is to hold: writes (1), or (n) of multivalue, pointers
 * into facts, and returns how many. */
int64_t yoco_eval_document_expected(const yoco_eval_document *document, int q,
                                    const char **expected);

#endif
