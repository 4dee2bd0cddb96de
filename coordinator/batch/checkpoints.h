/* The prefills of long documents that --checkpoint keeps: a folder for each job, named by its hash.
 */
#ifndef YOCO_BATCH_CHECKPOINTS_H
#define YOCO_BATCH_CHECKPOINTS_H

#include "coordinator/batch/input.h"
#include "worker/worker.h"

/* Once the job's line is durable. Also for a job of one rank: it may have been one of all ranks
 * before a restart. */
yoco_status yoco_batch_checkpoint_remove(yoco_worker *worker, const char *folder, const char *id);
/* Removes what a kill left between a job's line and the end of its checkpoint. */
yoco_status yoco_batch_checkpoints_sweep(yoco_worker *worker, const char *folder,
                                         const yoco_batch_input *input);

#endif
