/* Watches this rank: a ring of the last operations, and a thread that reports what the rank was
 * doing once a wait of any rank has passed its deadline (hang.h). One per process. Only the thread
 * that calls the communicator calls these functions. */
#ifndef YOCO_WATCH_H
#define YOCO_WATCH_H

#include "comm/comm.h"
#include "comm/watch/hang.h"

void yoco_watch_stop(void); /* also where it was not started */

#endif
