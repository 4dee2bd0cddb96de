/* Progress of the prefill on stderr: one line that renews itself on a terminal, else a plain line
 * now and then. */
#ifndef YOCO_PROGRESS_H
#define YOCO_PROGRESS_H

#include "base.h"

typedef struct yoco_progress_line {
    double start_s, last_s;
    bool terminal, silent;
} yoco_progress_line;

/* Shows a line on stderr: on a terminal in place of the last one, cut to its width, else with a
 * line break. */
void yoco_progress_show(bool terminal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* silent: on every rank but 0. */
void yoco_progress_begin(yoco_progress_line *line, bool silent);
void yoco_progress_update(void *line, int64_t n_done, int64_t n_tokens); /* a yoco_progress */
/* The last line: tokens, seconds, tokens per second. Returns the seconds. */
double yoco_progress_end(yoco_progress_line *line, int64_t n_tokens);

#endif
