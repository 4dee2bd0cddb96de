/* A job on its way to the ranks that compute it: the line, its id and its token ids as bytes. */
#ifndef YOCO_BATCH_TASK_H
#define YOCO_BATCH_TASK_H

#include "coordinator/batch/input.h"

/* Bytes that grow. Starts as {0}; freed with free(data). */
typedef struct yoco_bytes {
    char *data;
    size_t size, capacity;
} yoco_bytes;

yoco_status yoco_bytes_add(yoco_bytes *bytes, const void *data, size_t size);

typedef struct yoco_batch_task {
    yoco_batch_job job;
    yoco_prompt prompt;
    char id[YOCO_HASH_TEXT_BYTES];
    int64_t index, line; /* of the entry */
} yoco_batch_task;

/* Appends an entry that was encoded, or leaves the bytes as they were. context NULL: every rank has
 * it, and prompt.context.ids will be NULL. */
yoco_status yoco_batch_task_pack(const yoco_batch_entry *entry, int64_t index,
                                 const yoco_ids *context, yoco_bytes *bytes);
/* Reads one task at *at and moves *at behind it, also where memory does not do for it; out->index
 * is then set all the same. */
yoco_status yoco_batch_task_unpack(const yoco_bytes *bytes, size_t *at, yoco_batch_task *out);
void yoco_batch_task_free(yoco_batch_task *task);

/* Rank 0's bytes to all ranks. Collective. */
yoco_status yoco_bytes_broadcast(yoco_comm *comm, yoco_bytes *bytes);
/* From one rank to another, called by these two. `what` is for error lines.
 * A failing rank ends the job. */
yoco_status yoco_bytes_send(yoco_comm *comm, int peer, const yoco_bytes *bytes, const char *what);
yoco_status yoco_bytes_receive(yoco_comm *comm, int peer, yoco_bytes *bytes, const char *what);

#endif
