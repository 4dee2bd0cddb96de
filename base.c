#include "streams.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *text;
    int exit_code;
} statuses[YOCO_N_STATUS] = {
    [YOCO_OK] = {"ok", 0},
    [YOCO_ERR_USAGE] = {"wrong usage", 2},
    [YOCO_ERR_DATA] = {"bad input data", 65},
    [YOCO_ERR_OPEN] = {"cannot open", 66},
    [YOCO_ERR_INTERNAL] = {"internal error", 70},
    [YOCO_ERR_MEMORY] = {"out of memory", 70},
    [YOCO_ERR_IO] = {"input/output error", 74},
    [YOCO_ERR_STOPPED] = {"stopped early", 75},
};

const char *yoco_status_text(yoco_status status)
{
    return (unsigned)status < YOCO_N_STATUS ? statuses[status].text : "unknown status";
}

int yoco_status_exit_code(yoco_status status)
{
    return (unsigned)status < YOCO_N_STATUS ? statuses[status].exit_code : 70;
}

size_t yoco_dtype_bytes(yoco_dtype dtype)
{
    switch (dtype) {
    case YOCO_BF16:
    case YOCO_F16:
        return 2;
    case YOCO_F32:
        return 4;
    case YOCO_F64:
    case YOCO_I64:
        break;
    }
    return 8;
}

const char *yoco_dtype_name(yoco_dtype dtype)
{
    static const char *const names[] = {"F32", "BF16", "F16", "F64", "I64"};
    return names[dtype];
}

float yoco_f16_to_f32(uint16_t bits)
{
    int exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
    float magnitude;
    if (exponent == 0x1f)
        magnitude = mantissa ? NAN : INFINITY;
    else if (exponent == 0)
        magnitude = ldexpf((float)mantissa, -24);
    else
        magnitude = ldexpf((float)(mantissa | 0x400), exponent - 25);
    return bits & 0x8000 ? -magnitude : magnitude;
}

static char log_prefix[32];
static bool log_quiet;
static _Thread_local char last_error[512];

void yoco_log_set_rank(int rank, int n_ranks)
{
    log_prefix[0] = '\0';
    if (n_ranks > 1)
        snprintf(log_prefix, sizeof log_prefix, "rank %d: ", rank);
}

const char *yoco_log_prefix(void)
{
    return log_prefix;
}

void yoco_log_set_quiet(bool quiet)
{
    log_quiet = quiet;
}

/* One write per line, so that lines of several ranks do not mix. Control characters, which names in
 * hostile files may hold, cannot break the line. */
static void log_line(const char *level, const char *format, va_list args)
{
    if (log_quiet)
        return;
    char line[YOCO_LOG_LINE_BYTES];
    size_t used = (size_t)snprintf(line, sizeof line, "%s%s", log_prefix, level);
    int n = vsnprintf(line + used, sizeof line - used - 1, format, args);
    if (n < 0)
        return;
    used += (size_t)n;
    if (used > sizeof line - 2)
        used = sizeof line - 2;
    for (size_t i = 0; i < used; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = '?';
    line[used++] = '\n';
    fflush(yoco_stdout());
    fwrite(line, 1, used, stderr);
}

/* Of one thread: the watchdog's must speak while the main thread holds its lines. */
static _Thread_local bool error_held;
static _Thread_local char first_error[YOCO_LOG_LINE_BYTES];

void yoco_log_hold(void)
{
    error_held = true;
    first_error[0] = '\0';
}

const char *yoco_log_held(void)
{
    return error_held ? first_error : "";
}

bool yoco_log_release(char line[YOCO_LOG_LINE_BYTES])
{
    bool held = error_held;
    memcpy(line, first_error, sizeof first_error);
    error_held = false;
    first_error[0] = '\0';
    return held;
}

const char *yoco_log_last_error(void)
{
    return last_error;
}

void yoco_log_forget_error(void)
{
    last_error[0] = '\0';
}

void yoco_log_error(const char *format, ...)
{
    va_list args;
    if (first_error[0] == '\0') {
        va_start(args, format);
        vsnprintf(first_error, sizeof first_error, format, args);
        va_end(args);
    }
    if (error_held)
        return;
    va_start(args, format);
    vsnprintf(last_error, sizeof last_error, format, args);
    va_end(args);
    va_start(args, format);
    log_line("error: ", format, args);
    va_end(args);
}

void yoco_log_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line("warning: ", format, args);
    va_end(args);
}

void yoco_log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line("", format, args);
    va_end(args);
}

yoco_status yoco_alloc(size_t bytes, const char *what, void **out)
{
    size_t padded;
    if (bytes == 0) {
        *out = NULL;
        return YOCO_OK;
    }
    void *ptr = yoco_size_add(bytes, 63, &padded) ? aligned_alloc(64, padded / 64 * 64) : NULL;
    if (!ptr) {
        yoco_log_error("cannot allocate %zu bytes for %s", bytes, what);
        return YOCO_ERR_MEMORY;
    }
    *out = ptr;
    return YOCO_OK;
}

void yoco_free(void *ptr)
{
    free(ptr);
}

double yoco_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool yoco_parse_size(const char *text, int64_t *out)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0)
        return false;
    int shift = 0;
    if (*end != '\0') {
        const char *units = "KMGT", *unit = strchr(units, toupper((unsigned char)*end));
        if (!unit || end[1] != '\0')
            return false;
        shift = 10 * (int)(unit - units + 1);
    }
    if (value > INT64_MAX >> shift)
        return false;
    *out = (int64_t)value << shift;
    return true;
}
