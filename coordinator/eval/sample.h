/* One answer of `yoco eval`: a line of samples.jsonl, with everything needed to recheck it.
 *
 * A document is (task, length, depth, n, trial): it is prefilled once and all its questions are
 * answered together, so its lines stand together in the file, question 0 first. */
#ifndef YOCO_EVAL_SAMPLE_H
#define YOCO_EVAL_SAMPLE_H

#include "base.h"

typedef enum yoco_eval_task {
    YOCO_EVAL_NEEDLE,     /* one needle, lengths x depths */
    YOCO_EVAL_MULTIKEY,   /* n needles, one asked, lengths x depths */
    YOCO_EVAL_MULTIQUERY, /* n needles, all asked */
    YOCO_EVAL_MULTIVALUE, /* one key with n values, all wanted in one answer */
    YOCO_EVAL_COMPAT,     /* the authors' protocol, lengths x depths */
    YOCO_EVAL_N_TASKS
} yoco_eval_task;

const char *yoco_eval_task_name(yoco_eval_task task); /* "needle", ..., "yoco-compat" */
bool yoco_eval_task_find(const char *name, yoco_eval_task *out);
bool yoco_eval_task_has_depth(yoco_eval_task task);

/* Bounds on what a line may claim. */
enum { YOCO_EVAL_MAX_NEEDLES = 4096, YOCO_EVAL_MAX_LINE_BYTES = 1 << 26 };
#define YOCO_EVAL_MAX_COUNT (INT64_C(1) << 48) /* of tokens, trials, ranks, ... */

/* A needle that stands further than this share of the document from where it was wanted is far:
 * half a step of the default depths. */
#define YOCO_EVAL_FAR 0.05

typedef struct yoco_eval_needle {
    const char *key, *value;
    const char *text; /* the sentence, without the line breaks around it */
    int64_t token;    /* index of its first token in the document */
    double depth;     /* token / tokens of the document */
    double wanted;    /* where it was to stand, 0..1; NAN: anywhere, or not known */
    bool is_far;      /* there was no place within YOCO_EVAL_FAR of it */
} yoco_eval_needle;

/* Strings are UTF-8 without NUL. Of a parsed sample they live until yoco_eval_sample_free; of one
 * that is written, they are the caller's. */
typedef struct yoco_eval_sample {
    yoco_eval_task task;
    int64_t length; /* asked, tokens */
    double depth;   /* asked, 0..1; NAN for tasks without a depth axis */
    int64_t n;      /* needles in the document (multivalue: values), >= 1 */
    int64_t trial;
    int64_t question, n_questions; /* index among the document's questions, and their number */
    int64_t seed;                  /* of the run */
    int64_t n_tokens; /* true length: needles, <s> and the start of a chat's turn included, the
                         question not */
    int64_t n_question_tokens;
    yoco_eval_needle *needles; /* (n), in the order of the document */
    const char *asked;         /* the question's text */
    const char **expected;     /* (n_expected) */
    int64_t n_expected;        /* 1, or n for multivalue */
    const char *prediction;    /* the answer as generated, without its end token */
    bool *found;               /* (n_expected) */
    double score;              /* 0..1, docs/EVALUATION.md */
    bool exact;
    double prefill_s;       /* of the document */
    double decode_s;        /* of all its questions together */
    int64_t ranks, threads; /* threads per rank */
    const char *arithmetic; /* yoco_worker_arithmetic */
    int64_t chunk;          /* tokens per chunk */
    bool chat;              /* document and question stood in the family's chat template */
    int64_t max_tokens;     /* most tokens this answer could have had */
    const char *model;      /* hash: 16 to 32 lower-case hex digits */
    const char *model_name;
    const char *haystack; /* hash, as above */
    const char *yoco;     /* version of the program */
    int64_t line;         /* of the file it was read from */
    void *owner;          /* what a parsed sample's strings live in */
} yoco_eval_sample;

/* One JSON line with its line break, for the caller to free(). Reals are written with 15 digits. */
yoco_status yoco_eval_sample_write(const yoco_eval_sample *sample, char **out);

/* Reads one line, without or with its line break, from a file that may be anything: unknown, absent
 * and double keys, wrong types, values out of range and counts that contradict each other are
 * YOCO_ERR_DATA. `name` and `line` (from 1) stand in the log line. */
yoco_status yoco_eval_sample_parse(const char *name, int64_t line, const char *data, size_t size,
                                   yoco_eval_sample *out);
void yoco_eval_sample_free(yoco_eval_sample *sample); /* of a parsed sample; {0} is legal */

bool yoco_eval_sample_has_far(const yoco_eval_sample *sample); /* whether any needle is far */

#endif
