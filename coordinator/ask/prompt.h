/* The document and its questions as token ids, read and checked on rank 0 and given to every rank.
 */
#ifndef YOCO_PROMPT_H
#define YOCO_PROMPT_H

#include "comm/comm.h"
#include "coordinator/cli/options.h"
#include "coordinator/text/chat_template.h"

typedef struct yoco_ids {
    int32_t *ids;
    int64_t n;
} yoco_ids;

/* Exactly one of file, text, ids_file and context is set. */
typedef struct yoco_prompt_options {
    const char *file, *text, *ids_file;
    const yoco_ids *context; /* a saved context's ids, on rank 0; may be empty; needs questions */
    yoco_strings questions,
        question_ids; /* texts, id files; asked in the order of the command line */
    bool no_bos;
    bool special_tokens; /* text that spells a special token becomes one */
    bool chat;           /* the document opens a user's turn, which each question closes */
    bool is_asked;       /* questions follow, now or in another run */
    const yoco_chat_template *chat_template; /* then, on rank 0: yoco_prompt_open_chat */
    int64_t n_generate;
} yoco_prompt_options;

/* The tokenizer, or NULL where the folder has none. Where nothing here is text, one that cannot be
 * used is none, and a warning says why; `other_text`: something else of the job is. */
yoco_status yoco_prompt_open_tokenizer(const yoco_prompt_options *options, const char *model,
                                       int vocab_size, bool other_text, yoco_tokenizer **out);

/* YOCO_ERR_USAGE, logged, where an option is of no use without a tokenizer; NULL: there is none. */
yoco_status yoco_prompt_check_options(const yoco_prompt_options *options,
                                      const yoco_tokenizer *tokenizer);

/* Finds the template of a chat, by the model_type of the model's config.json (NULL: there is none);
 * YOCO_OK where it is no chat. After the options were checked. */
yoco_status yoco_prompt_open_chat(yoco_prompt_options *options, const char *model,
                                  const char *model_type, const yoco_tokenizer *tokenizer);

/* Text that is not empty as ids, with <s> in front if `bos` and the tokenizer has it. */
yoco_status yoco_ids_encode(const yoco_tokenizer *tokenizer, const char *text, size_t size,
                            bool special_tokens, bool bos, yoco_ids *out);

/* A text that opens a user's turn, closes it for the assistant to go on, or both: as the template's
 * text (out starts as {0} and has to be freed whatever comes), and as ids (bos: <s> in front). */
yoco_status yoco_turn_render(const yoco_chat_template *t, const char *text, size_t size, bool opens,
                             bool closes, yoco_chat_text *out);
yoco_status yoco_turn_encode(const yoco_chat_template *t, const yoco_tokenizer *tokenizer,
                             const char *text, size_t size, bool opens, bool closes, bool bos,
                             yoco_ids *out);

/* A branch's tokens and how its answer is made. */
typedef struct yoco_question {
    const char *text; /* the question's text, or NULL for ids or none; into argv */
    yoco_ids tokens;  /* at least one: without a question, the prompt's last */
    bool from_ids;    /* then no id is banned from its answer */
} yoco_question;

typedef struct yoco_prompt {
    yoco_ids context; /* what all branches share; may be empty */
    yoco_question *questions;
    bool is_loaded;      /* K,V come from files: rank 0 alone has the context's ids, and another
                            frees them; the other ranks know their number */
    int n_questions;     /* >= 1 */
    bool has_questions;  /* false: the one branch continues the prompt itself */
    int64_t branch_rows; /* most rows of a branch, answer included */
} yoco_prompt;

/* Collective. `tokenizer` is used on rank 0 only; NULL: there is none. */
yoco_status yoco_prompt_load(yoco_comm *comm, const yoco_prompt_options *options,
                             const yoco_tokenizer *tokenizer, int vocab_size, int64_t max_seq_len,
                             yoco_prompt *out);
/* Collective. Gives rank 0's context and questions (without their texts) to every rank; the others
 * pass {0}. */
yoco_status yoco_prompt_share(yoco_comm *comm, yoco_prompt *prompt);

/* Local: the document alone, all of it. ids->ids is the caller's to free with yoco_free. */
yoco_status yoco_prompt_document(const yoco_prompt_options *options,
                                 const yoco_tokenizer *tokenizer, int vocab_size, yoco_ids *out);
/* Collective: rank 0's ids to every rank; there the caller frees them with yoco_free. */
yoco_status yoco_ids_share(yoco_comm *comm, yoco_ids *ids);
void yoco_prompt_free(yoco_prompt *prompt);

#endif
