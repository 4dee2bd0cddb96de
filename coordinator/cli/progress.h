/* Progress on stderr: one line that renews itself on a terminal, else a plain line now and then. */
#ifndef YOCO_PROGRESS_H
#define YOCO_PROGRESS_H

#include "base.h"

typedef struct yoco_progress_line {
    double start_s, last_s;
    bool terminal, silent;
} yoco_progress_line;

/* silent: on every rank but 0. */
void yoco_progress_begin(yoco_progress_line *line, bool silent);
/* True where the next line is due; *elapsed_s since the begin, which is above 0 where one is due.
 */
bool yoco_progress_due(yoco_progress_line *line, double *elapsed_s);
/* Shows a line: on a terminal in place of the one before, cut to its width. */
void yoco_progress_show(const yoco_progress_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The last line, whole. */
void yoco_progress_close(const yoco_progress_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The progress of a prefill: a yoco_progress, and the last line, which returns the seconds. */
void yoco_progress_update(void *line, int64_t n_done, int64_t n_tokens);
double yoco_progress_end(yoco_progress_line *line, int64_t n_tokens);

#endif
