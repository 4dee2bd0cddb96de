/* How every transport waits: polls that yield the core, then rest; a deadline; and the lines that
 * are logged when a wait ends the job. */
#ifndef YOCO_WAIT_H
#define YOCO_WAIT_H

#include "comm/comm.h"

enum { YOCO_EXIT_STOPPED = 75 };

/* Names an operation in error lines. */
typedef struct yoco_subject {
    yoco_wait_for wait;
    int peer; /* -1: all ranks */
    bool incoming, collective;
    size_t bytes;
} yoco_subject;

enum { YOCO_HANG_TEXT_BYTES = 1024 };

/* Sees every wait from begin to end: the watchdog (watch/watch.h), while it runs. */
typedef struct yoco_wait_watcher {
    void (*begin)(yoco_comm *comm, const yoco_subject *subject);
    void (*end)(void);
    /* The wait under way has passed its deadline: reports it, gives the other ranks the time to
     * report theirs, and tells which rank differs. */
    void (*hung)(char text[YOCO_HANG_TEXT_BYTES]);
} yoco_wait_watcher;

/* One per process, set by the thread that waits; NULL: none. */
void yoco_wait_watch(const yoco_wait_watcher *watcher);

/* One wait. */
typedef struct yoco_pause {
    int64_t n_polls;
    double start_s;
    long rest_ns;
} yoco_pause;

yoco_pause yoco_pause_begin(yoco_comm *comm, const yoco_subject *subject);
void yoco_pause_end(void);

/* After a poll that found nothing. Ranks may outnumber cores: it yields, and in a wait that lasts
 * it sleeps. Past comm's deadline it does not return. */
void yoco_pause_poll(yoco_pause *pause, yoco_comm *comm, const yoco_subject *subject);

/* Both log one line and end the job with exit code 75. */
_Noreturn void yoco_wait_failed(yoco_comm *comm, const yoco_subject *subject, const char *reason);
_Noreturn void yoco_wait_wrong_size(yoco_comm *comm, const yoco_subject *subject, size_t got,
                                    size_t expected);

/* A timer for calls that may hang: the process ends with this code if it still lives in so many
 * seconds. `line`, which lives as long, is then written to stderr; NULL: nothing is. */
void yoco_exit_soon(int exit_code, unsigned seconds, const char *line);
void yoco_exit_later(void); /* it did not hang */

/* False with a line where a message is past the limit of comm.h. */
bool yoco_message_fits(size_t bytes, int peer);

#endif
