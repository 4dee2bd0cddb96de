/* Bytes that grow, and travel between ranks. */
#ifndef YOCO_BYTES_H
#define YOCO_BYTES_H

#include "comm/comm.h"

/* Starts as {0}; freed with free(data). */
typedef struct yoco_bytes {
    char *data;
    size_t size, capacity;
} yoco_bytes;

yoco_status yoco_bytes_add(yoco_bytes *bytes, const void *data, size_t size);

/* Rank 0's bytes to all ranks. Collective. */
yoco_status yoco_bytes_broadcast(yoco_comm *comm, yoco_bytes *bytes);
/* Send bytes from one rank to another, called by these two. `what` is for error lines.
 * A failing rank ends the job. */
yoco_status yoco_bytes_send(yoco_comm *comm, int peer, const yoco_bytes *bytes, const char *what);
yoco_status yoco_bytes_receive(yoco_comm *comm, int peer, yoco_bytes *bytes, const char *what);

#endif
