#include "coordinator/cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const double TERMINAL_EVERY_S = 0.1, PLAIN_EVERY_S = 5.0;

void yoco_progress_begin(yoco_progress_line *line, bool silent)
{
    double now = yoco_now_s();
    *line = (yoco_progress_line){
        .start_s = now, .last_s = now, .terminal = isatty(STDERR_FILENO) == 1, .silent = silent};
}

bool yoco_progress_due(yoco_progress_line *line, double *elapsed_s)
{
    double now = yoco_now_s();
    *elapsed_s = now - line->start_s;
    if (line->silent || now - line->last_s < (line->terminal ? TERMINAL_EVERY_S : PLAIN_EVERY_S))
        return false;
    line->last_s = now;
    return true;
}

void yoco_progress_show(const yoco_progress_line *line, const char *format, ...)
{
    char text[256];
    struct winsize size;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* One column stays free: a cursor behind the last one is on the next line already. */
    int columns =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
    if (line->terminal)
        fprintf(stderr, "\r\033[K%.*s", columns - 1, text);
    else
        fprintf(stderr, "%s\n", text);
}

void yoco_progress_close(const yoco_progress_line *line, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s%s\n", line->terminal ? "\r\033[K" : "", text);
}

void yoco_progress_update(void *data, int64_t n_done, int64_t n_tokens)
{
    yoco_progress_line *line = data;
    double elapsed_s;
    if (!yoco_progress_due(line, &elapsed_s))
        return;
    double rate = (double)n_done / elapsed_s;
    yoco_progress_show(line, "prefill %lld of %lld tokens, %.0f tok/s, ETA %.0f s",
                       (long long)n_done, (long long)n_tokens, rate,
                       (double)(n_tokens - n_done) / rate);
}

double yoco_progress_end(yoco_progress_line *line, int64_t n_tokens)
{
    double elapsed = yoco_now_s() - line->start_s;
    if (!line->silent)
        yoco_progress_close(line, "prefill %lld tokens in %.2f s, %.0f tok/s", (long long)n_tokens,
                            elapsed, elapsed > 0 ? (double)n_tokens / elapsed : 0.0);
    return elapsed;
}
