/* stdin under a process launcher, which passes it on to the first task. */
#ifndef YOCO_STDIN_H
#define YOCO_STDIN_H

#include "base.h"

/* Reads stdin to its end, on the launcher's first task alone, and puts what was read in its place.
 * Without a launcher there is nothing to do. */
yoco_status yoco_stdin_keep(void);

#endif
