/* Watches this rank: a ring of the last operations, and a thread that reports what the rank was
 * doing once a wait of any rank has passed its deadline (hang.h). One per process. Only the thread
 * that calls the communicator calls these functions. */
#ifndef YOCO_WATCH_H
#define YOCO_WATCH_H

#include "comm/comm.h"
#include "comm/watch/hang.h"

/* Collective. `folder` lives until the stop; `mpi` is the library's version. */
yoco_status yoco_watch_start(yoco_comm *comm, const char *folder, const char *mpi);
void yoco_watch_stop(void); /* also where it was not started */

#endif
