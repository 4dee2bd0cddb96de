/* Failures of one job of a batch or one document of an evaluation, which cost nothing but
 * its answer: the run goes on, and the next one tries it again. */
#ifndef YOCO_FAILURE_H
#define YOCO_FAILURE_H

#include "comm/comm.h"

enum { YOCO_FAILURE_BYTES = 512 };

/* True: bad data (a value that is not finite, a checkpoint that is another document's), a file, or
 * memory. False: a stop, ranks that diverged, a library that failed; these end the run. */
bool yoco_failure_is_own(yoco_status status);

/* Why, in words, to every rank: what the first rank says that has something to say (`mine`, not
 * ""), else the status. Collective. */
yoco_status yoco_failure_share(yoco_comm *comm, yoco_status status, const char *mine,
                               char reason[YOCO_FAILURE_BYTES]);

/* The worse of two, as `agree` has it. */
yoco_status yoco_failure_worse(yoco_status a, yoco_status b);

#endif
