#include "failpoint.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum action { NONE, KILL, TORN, SHORT, FAIL } action;

#ifdef YOCO_FAILPOINTS
static struct {
    char name[32];
    int64_t count;
    action action;
    int error;
} armed;

static _Atomic int64_t n_hits;

static action strike(const char *name)
{
    if (armed.action == NONE || strcmp(name, armed.name) != 0)
        return NONE;
    return atomic_fetch_add(&n_hits, 1) + 1 >= armed.count ? armed.action : NONE;
}

static bool refuse(action what)
{
    if (what == KILL || what == TORN)
        raise(SIGKILL);
    errno = armed.error;
    return what != FAIL;
}

bool yoco_failpoint(const char *name)
{
    return refuse(strike(name));
}

bool yoco_failpoint_arm(const char *text, int rank)
{
    static const struct {
        const char *name;
        action action;
        int error;
    } actions[] = {{"kill", KILL, 0},
                   {"torn", TORN, 0},
                   {"short", SHORT, 0},
                   {"enospc", FAIL, ENOSPC},
                   {"eio", FAIL, EIO}};
    char verb[8];
    long long count;
    int only_rank = rank;
    if (sscanf(text, "%31[^:]:%lld:%7[^:]:%d", armed.name, &count, verb, &only_rank) < 3)
        return false;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(verb, actions[i].name) != 0)
            continue;
        armed.count = count;
        armed.error = actions[i].error;
        armed.action = only_rank == rank ? actions[i].action : NONE;
        return true;
    }
    return false;
}
#else
static action strike(const char *name)
{
    (void)name;
    return NONE;
}

static bool refuse(action what)
{
    (void)what;
    return true;
}
#endif

/* `most`: bytes of one write(2). */
static bool write_out(int fd, const char *data, size_t bytes, size_t most)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes < most ? bytes : most);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            bytes -= (size_t)n;
        }
    }
    return true;
}

bool yoco_write_all(const char *failpoint, int fd, const void *data, size_t bytes)
{
    action what = strike(failpoint);
    const char *from = data;
    size_t half = bytes / 2, first = what == TORN || what == FAIL ? half : 0;
    return write_out(fd, from, first, bytes) && refuse(what) &&
           write_out(fd, from + first, bytes - first, what == SHORT && half > 0 ? half : bytes);
}
