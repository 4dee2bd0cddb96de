/* What the system leaves this process: memory and processors, under the limits of its control
 * groups (version 1 and 2, the tightest along the path) as of the machine. */
#ifndef YOCO_MACHINE_LIMITS_H
#define YOCO_MACHINE_LIMITS_H

#include "base.h"

/* `root` stands before every path that is read: "" but in tests. INT64_MAX: no limit. */
int64_t
yoco_group_memory_left(const char *root); /* file cache, which can be dropped, counts as left */
double yoco_group_cpus(const char *root); /* processors of the quota; HUGE_VAL: no quota */

int64_t yoco_memory_available(void); /* of the machine, with free swap; INT64_MAX: unknown */

int yoco_cores(void);       /* that this process may run on, at least 1; affinity and quota */
int yoco_cores_bound(void); /* the same without the quota */

#endif
