/* samples.jsonl of an output folder, growing by whole documents. Rank 0 only. One program at a time
 * writes it (a lock that ends with the process). */
#ifndef YOCO_EVAL_FILE_H
#define YOCO_EVAL_FILE_H

#include "configs/files/journal.h"
#include "coordinator/eval/text.h"

typedef enum yoco_eval_mode {
    YOCO_EVAL_NEW,      /* refuses a folder that has answers already */
    YOCO_EVAL_RESUME,   /* keeps the complete documents of a run with the same settings */
    YOCO_EVAL_OVERWRITE /* starts over */
} yoco_eval_mode;

/* Settings that all answers of a folder share, since an answer depends on it. */
typedef struct yoco_eval_settings {
    int64_t seed, chunk;
    int64_t max_tokens; /* per value, yoco_eval_cell_answer_tokens */
    bool chat;
    const char *arithmetic, *model, *haystack, *yoco;
} yoco_eval_settings;

typedef struct yoco_eval_file {
    yoco_journal journal;
    yoco_eval_cell *done; /* (n_done): the complete documents that were there */
    int64_t n_done;
} yoco_eval_file;

/* Makes the folder if need be. Resuming cuts off a torn last line and a last document that lacks
 * answers, and the lines of failures; other settings are YOCO_ERR_DATA with a line that names what
 * differs. */
yoco_status yoco_eval_file_open(const char *folder, yoco_eval_mode mode,
                                const yoco_eval_settings *settings, yoco_eval_file *out);
bool yoco_eval_file_has(const yoco_eval_file *file, const yoco_eval_cell *cell);
/* A document's lines, on disk when it returns. */
yoco_status yoco_eval_file_append(yoco_eval_file *file, const char *lines, size_t size);
void yoco_eval_file_close(yoco_eval_file *file); /* {.journal = {.fd = -1}} is legal */

#endif
