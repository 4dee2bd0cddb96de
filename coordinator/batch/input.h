/* A batch input file: every line read and checked before anything is computed. Rank 0 only. */
#ifndef YOCO_BATCH_INPUT_H
#define YOCO_BATCH_INPUT_H

#include "configs/files/text_file.h"
#include "coordinator/batch/documents.h"
#include "coordinator/text/chat_template.h"

typedef struct yoco_batch_entry {
    int64_t line;     /* from 1 */
    const char *text; /* the line, in the input's own memory */
    size_t size;
    yoco_batch_job job;
    yoco_batch_document *document; /* NULL: none */
    bool bad;                      /* then `fault` says why, and the job holds at most custom_id */
    yoco_batch_fault fault;
    char id[YOCO_HASH_TEXT_BYTES]; /* hash of the job and all its answer depends on, or of a bad
                                     line and its fault */
    bool done;                     /* its result line is durable */
    yoco_prompt prompt;            /* once encoded; of a document's ids only their number */
    yoco_ids whole;                /* owns the context's ids where there is no document */
} yoco_batch_entry;

typedef struct yoco_batch_input {
    const char *name; /* for error lines */
    yoco_text text;
    yoco_batch_entry *entries;
    int64_t n, n_bad;
    json_t *places;                 /* custom_id to index */
    int64_t max_bad;                /* more bad lines end the check; INT64_MAX: none does */
    const yoco_chat_template *chat; /* of the jobs that are chats; NULL: their texts as they are */
} yoco_batch_input;

/* Reads the file, or stdin for "-", and finds its lines; blank ones do not count. */
yoco_status yoco_batch_input_read(const char *path, int64_t max_bad, yoco_batch_input *out);
/* Parses every line, looks for custom_ids that occur twice, reads the documents. Bad lines are
 * logged and marked; too many are YOCO_ERR_DATA. */
yoco_status yoco_batch_input_check(yoco_batch_input *input, yoco_batch_documents *documents);
/* Gives every good entry its id. `fingerprint`: all that an answer depends on besides the job. */
yoco_status yoco_batch_input_identify(yoco_batch_input *input, const char *fingerprint);
/* Tokenizes what is neither bad nor done, and checks the lengths. */
yoco_status yoco_batch_input_encode(yoco_batch_input *input, yoco_batch_documents *documents,
                                    const yoco_tokenizer *tokenizer, int64_t max_seq_len);
/* The ids before the questions, until the next call. YOCO_ERR_DATA, not logged, with *fault where
 * the document cannot be had any more. */
yoco_status yoco_batch_entry_context(const yoco_batch_entry *entry, yoco_batch_documents *documents,
                                     const yoco_tokenizer *tokenizer, yoco_batch_fault *fault,
                                     yoco_ids *out);
void yoco_batch_input_free(yoco_batch_input *input);

/* Whether a good line is a chat. */
bool yoco_batch_input_has_chats(const yoco_batch_input *input);

/* "line 17: body.max_tokens must be ...", for error records. */
void yoco_batch_fault_explain(int64_t line, const yoco_batch_fault *fault, char *text, size_t size);

#endif
