#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static FILE *answers;

FILE *yoco_stdout(void)
{
    return answers ? answers : stdout;
}

void yoco_print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(yoco_stdout(), format, args);
    va_end(args);
}

/* open takes the lowest free descriptor: `fd` itself, as those below it are open. */
static bool fill(int fd, int flags)
{
    return fcntl(fd, F_GETFD) >= 0 || errno != EBADF || open("/dev/null", flags) == fd;
}

yoco_status yoco_streams_open(void)
{
    bool filled = fill(STDIN_FILENO, O_RDONLY) && fill(STDOUT_FILENO, O_RDONLY) &&
                  fill(STDERR_FILENO, O_WRONLY);
    int fd = filled ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
    bool writes = fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
    answers = fd >= 0 ? fdopen(fd, writes ? "w" : "r") : NULL; /* "r": printing fails, not this */
    if (answers && dup2(STDERR_FILENO, STDOUT_FILENO) == STDOUT_FILENO)
        return YOCO_OK;
    yoco_log_error("cannot open the standard streams: %s", strerror(errno));
    return YOCO_ERR_OPEN;
}
