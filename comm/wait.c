#include "comm/wait.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    POLLS_PER_CLOCK = 32,   /* polls between two looks at the clock */
    SLEEP_FIRST_NS = 1000,  /* sleeps between polls double from here ... */
    SLEEP_LAST_NS = 200000, /* ... to here */
    REPORT_S = 90,          /* for a folder that answers slowly */
};

static const yoco_wait_watcher *watcher;

static const double spin_s = 1e-3; /* waits up to here only yield: latency before rest */

/* "edge of chunk 17, layer 2 from rank 2" */
static void subject_text(const yoco_subject *subject, char *text, size_t size)
{
    char chunk[40] = "", layer[24] = "", peer[24] = "";
    if (subject->wait.chunk >= 0)
        snprintf(chunk, sizeof chunk, " of chunk %" PRId64, subject->wait.chunk);
    if (subject->wait.layer >= 0)
        snprintf(layer, sizeof layer, ", layer %d", subject->wait.layer);
    if (subject->peer >= 0)
        snprintf(peer, sizeof peer, " %s rank %d", subject->incoming ? "from" : "to",
                 subject->peer);
    snprintf(text, size, "%s%s%s%s", subject->wait.what, chunk, layer, peer);
}

void yoco_wait_watch(const yoco_wait_watcher *next)
{
    watcher = next;
}

_Noreturn static void stop(yoco_comm *comm)
{
    yoco_comm_abort(comm, YOCO_EXIT_STOPPED);
    _exit(YOCO_EXIT_STOPPED);
}

_Noreturn static void stop_overdue(yoco_comm *comm, const yoco_subject *subject)
{
    char text[256], first[YOCO_HANG_TEXT_BYTES];
    yoco_exit_soon(YOCO_EXIT_STOPPED, REPORT_S, NULL);
    if (watcher)
        watcher->hung(first);
    subject_text(subject, text, sizeof text);
    yoco_log_error("waited %g s for %s: is %s alive? (--deadline raises the limit)",
                   comm->deadline_s, text, subject->peer >= 0 ? "that rank" : "every rank");
    if (watcher)
        yoco_log_info("hang: %s", first);
    stop(comm);
}

yoco_pause yoco_pause_begin(yoco_comm *comm, const yoco_subject *subject)
{
    if (watcher)
        watcher->begin(comm, subject);
    return (yoco_pause){.n_polls = 0};
}

void yoco_pause_end(void)
{
    if (watcher)
        watcher->end();
}

void yoco_pause_poll(yoco_pause *pause, yoco_comm *comm, const yoco_subject *subject)
{
    if (comm->idle)
        comm->idle(comm->idle_data);
    if (pause->n_polls == 0)
        pause->start_s = yoco_now_s();
    sched_yield();
    if (pause->n_polls++ % POLLS_PER_CLOCK != 0 && pause->rest_ns == 0)
        return;
    double waited_s = yoco_now_s() - pause->start_s;
    if (waited_s > comm->deadline_s)
        stop_overdue(comm, subject);
    if (waited_s > spin_s) {
        pause->rest_ns =
            yoco_i64_min(yoco_i64_max(2 * pause->rest_ns, SLEEP_FIRST_NS), SLEEP_LAST_NS);
        nanosleep(&(struct timespec){.tv_nsec = pause->rest_ns}, NULL);
    }
}

_Noreturn void yoco_wait_failed(yoco_comm *comm, const yoco_subject *subject, const char *reason)
{
    char text[256];
    subject_text(subject, text, sizeof text);
    yoco_log_error("%s failed: %s", text, reason);
    stop(comm);
}

_Noreturn void yoco_wait_wrong_size(yoco_comm *comm, const yoco_subject *subject, size_t got,
                                    size_t expected)
{
    char text[256];
    subject_text(subject, text, sizeof text);
    yoco_log_error("%s has %zu bytes, %zu were expected: the ranks disagree on the model or the "
                   "plan",
                   text, got, expected);
    stop(comm);
}

static volatile sig_atomic_t overdue_exit_code;
static const char *volatile overdue_line;

static void exit_overdue(int signal_number)
{
    (void)signal_number;
    const char *line = overdue_line;
    ssize_t written = line ? write(STDERR_FILENO, line, strlen(line)) : 0;
    (void)written; /* there is nobody left to tell */
    _exit(overdue_exit_code);
}

void yoco_exit_soon(int exit_code, unsigned seconds, const char *line)
{
    overdue_exit_code = exit_code;
    overdue_line = line;
    signal(SIGALRM, exit_overdue);
    alarm(seconds);
}

void yoco_exit_later(void)
{
    alarm(0);
    signal(SIGALRM, SIG_DFL);
}

bool yoco_message_fits(size_t bytes, int peer)
{
    if (bytes <= INT_MAX)
        return true;
    yoco_log_error("a message of %zu bytes for rank %d: at most %d go at once", bytes, peer,
                   INT_MAX);
    return false;
}
