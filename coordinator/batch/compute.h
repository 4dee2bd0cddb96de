/* One job: its answers, or why there are none. */
#ifndef YOCO_BATCH_COMPUTE_H
#define YOCO_BATCH_COMPUTE_H

#include "coordinator/batch/parcel.h"
#include "coordinator/batch/run.h"

/* The outcome of a job. */
typedef struct yoco_batch_outcome {
    char *line;  /* on the group's rank 0, with an answer; the caller frees it */
    bool failed; /* no answer: `fault` says why, on every rank */
    yoco_batch_fault fault;
} yoco_batch_outcome;

/* Collective over the group. A failure that is the job's own is an outcome; others are returned. */
yoco_status yoco_batch_compute(const yoco_batch_run *run, yoco_session *group,
                               const yoco_batch_parcel *parcel, yoco_batch_outcome *out);

/* Collective: makes a failure that all ranks have agreed on an outcome, if it is the job's own;
 * else returns it. parcel NULL: it never reached the ranks. */
yoco_status yoco_batch_fail(const yoco_batch_run *run, yoco_session *group,
                            const yoco_batch_parcel *parcel, yoco_status status,
                            yoco_batch_outcome *out);

#endif
