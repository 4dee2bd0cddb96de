/* Progress of the prefill on stderr: one line that renews itself on a terminal, else a plain line
 * now and then. */
#ifndef YOCO_PROGRESS_H
#define YOCO_PROGRESS_H

#include "base.h"

typedef struct yoco_progress_line {
    double start_s, last_s;
    bool terminal, silent;
} yoco_progress_line;

/* silent: on every rank but 0. */
void yoco_progress_begin(yoco_progress_line *line, bool silent);
void yoco_progress_update(void *line, int64_t n_done, int64_t n_tokens); /* a yoco_progress */
/* The last line: tokens, seconds, tokens per second. Returns the seconds. */
double yoco_progress_end(yoco_progress_line *line, int64_t n_tokens);

#endif
