/* Named places before an operation on a file where a test makes it fail. They exist in builds with
 * tests only (YOCO_FAILPOINTS); elsewhere yoco_failpoint is nothing. One is armed at a time, by
 *
 *     yoco --failpoint NAME:COUNT:ACTION[:RANK] COMMAND ...
 *
 * and strikes at its COUNT-th hit in a process and at every later one, on all ranks or on one:
 *
 *   kill         SIGKILL to the process itself, before the operation
 *   torn         the same, but a write leaves half of its bytes
 *   enospc, eio  the operation fails with that errno; a write leaves half of its bytes
 *   short        a write takes two calls of write(2); other operations succeed
 *
 * NAME is what the code says: file.write, file.sync, file.rename and file.folder for every durable
 * file (configs/files/atomic_file.h). */
#ifndef YOCO_FAILPOINT_H
#define YOCO_FAILPOINT_H

#include "base.h"

/* Writes all of it to a file descriptor. False, with errno, where the system or the failpoint
 * refuses. */
bool yoco_write_all(const char *failpoint, int fd, const void *data, size_t bytes);

#ifdef YOCO_FAILPOINTS
/* False, with errno: the operation fails. Threads may call it. */
bool yoco_failpoint(const char *name);
/* False where the text is no failpoint. `rank` is this process's. */
bool yoco_failpoint_arm(const char *text, int rank);
#else
static inline bool yoco_failpoint(const char *name)
{
    (void)name;
    return true;
}
#endif

#endif
