/* One line of a batch input file: a job in the OpenAI batch format, read and checked, without a
 * look at anything but the line (docs/BATCH.md). */
#ifndef YOCO_BATCH_JOB_H
#define YOCO_BATCH_JOB_H

#include <jansson.h>

#include "configs/files/hash.h"
#include "coordinator/ask/sampling.h"
#include "coordinator/cli/options.h"

/* Bounds on what comes from strangers. */
enum {
    YOCO_BATCH_MAX_LINE_BYTES = 64 << 20,
    YOCO_BATCH_MAX_ID_BYTES = 512,
    YOCO_BATCH_MAX_PROMPTS = 1024,
    YOCO_BATCH_MAX_STOPS = 4,
    YOCO_BATCH_MAX_LOGPROBS = 20,
};

typedef struct yoco_batch_job {
    json_t *root;          /* the line; the strings below live in it */
    const char *custom_id; /* NULL until it was read */
    bool chat;             /* /v1/chat/completions, else /v1/completions */
    const char *model;     /* what the line calls it, to be echoed; may be NULL */
    const char **prompts;  /* (n_prompts); of a chat, its messages as one text */
    int n_prompts;
    char *chat_text;               /* what prompts[0] points to in a chat */
    const char *document, *sha256; /* path below the folder of documents, 64 hex digits; NULL */
    int64_t max_tokens;            /* of each answer, at least 1 */
    yoco_sampling sampling;        /* temperature 1 unless given, seed 0 */
    yoco_strings stops;
    bool logprobs;  /* log-probabilities of the answer's tokens */
    int n_logprobs; /* ... and of so many of the likeliest ids at each */
} yoco_batch_job;

/* What is wrong with a line: "body.max_tokens", "is a whole number, at least 1, not -5". */
typedef struct yoco_batch_fault {
    char field[64]; /* empty: the line as a whole */
    char reason[512];
} yoco_batch_fault;

/* YOCO_ERR_DATA, not logged, where the line is no job: then *fault tells why and *out holds at most
 * custom_id, which is looked for in a line that is no JSON, too. *out is to be freed in every case.
 */
yoco_status yoco_batch_job_parse(const char *line, size_t size, yoco_batch_job *out,
                                 yoco_batch_fault *fault);
void yoco_batch_job_free(yoco_batch_job *job);
/* All that its answer's line depends on, however it is spelled; of the document only that it is
 * another's to add. */
void yoco_batch_job_hash(const yoco_batch_job *job, yoco_hasher *hasher);

/* Writes the fault and returns YOCO_ERR_DATA. */
yoco_status yoco_batch_fault_set(yoco_batch_fault *fault, const char *field, const char *format,
                                 ...) __attribute__((format(printf, 3, 4)));

#endif
