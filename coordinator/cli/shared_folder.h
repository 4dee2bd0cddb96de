/* The check that a folder is one and the same on all ranks: on a machine's own disk it is not. */
#ifndef YOCO_SHARED_FOLDER_H
#define YOCO_SHARED_FOLDER_H

#include "comm/comm.h"

/* Collective. *mine: this rank sees what rank 0 writes to its folder; *n_seen: how many ranks do,
 * 0 where rank 0 cannot write there. Nothing is written where all ranks are on one machine and the
 * name leads to one folder. */
yoco_status yoco_shared_folder_look(yoco_comm *comm, const char *folder, bool *mine,
                                    int64_t *n_seen);

/* Collective: YOCO_ERR_OPEN, in one line, where a rank does not see rank 0's folder or may not
 * write there. Of a folder that is yet to be made, the one around it counts. `option` stands in the
 * line.
 */
yoco_status yoco_shared_folder_check(yoco_comm *comm, const char *option, const char *folder);

#endif
