/* Where the device has memory of its own and the transport cannot reach it, what goes between ranks
 * goes through host memory: the slots of the edges lie there, and the data of collectives is copied
 * there and back. Everywhere else nothing is copied. */
#ifndef YOCO_STAGING_H
#define YOCO_STAGING_H

#include "worker/internal.h"

/* For this worker's ops and comm; before its buffers are allocated. */
void yoco_staging_choose(yoco_worker *w);
yoco_status yoco_staging_alloc(yoco_worker *w);

/* A buffer of the plan, where it belongs. */
yoco_status yoco_buffer_alloc(yoco_worker *w, int buffer);
void yoco_buffer_free(yoco_worker *w, int buffer);

/* Around a collective on part of a device buffer: *data is what the transport takes. */
yoco_status yoco_share_begin(yoco_worker *w, void *buffer, size_t bytes, void **data);
void yoco_share_end(yoco_worker *w, void *buffer, size_t bytes);

#endif
