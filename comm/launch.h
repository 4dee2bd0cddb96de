/* The process launcher's word about the job. `srun --mpi=none`, or the mpiexec of another MPI,
 * silently starts n programs of one rank each; comparing its task count with MPI's shows it. */
#ifndef YOCO_LAUNCH_H
#define YOCO_LAUNCH_H

#include "base.h"

typedef struct yoco_launch {
    const char *variable; /* where n_tasks was found; NULL: no known launcher */
    int n_tasks, task;
} yoco_launch;

/* `get` looks up environment variables and gives NULL for those not set. */
yoco_launch yoco_launch_read(const char *(*get)(const char *name));

/* True where a launcher has started this process: one of those above, or any that leaves a mark
 * which an MPI library looks for. */
bool yoco_launch_found(const char *(*get)(const char *name));

/* YOCO_ERR_USAGE unless MPI's n_ranks is the launcher's task count and, where one was given (not
 * 0), expected_ranks. Logged by one process of the job. */
yoco_status yoco_launch_check(const yoco_launch *launch, int rank, int n_ranks, int expected_ranks);

#endif
