/* Where the device has memory of its own and the transport cannot reach it, what goes between ranks
 * goes through memory that both reach: the slots of the edges lie there, and the data of
 * collectives is copied there and back. Everywhere else nothing is copied. */
#ifndef YOCO_STAGING_H
#define YOCO_STAGING_H

#include "worker/internal.h"

/* The buffers of the plan, each where it belongs for this worker's ops and comm. What was allocated
 * before a failure is freed by yoco_buffers_free. */
yoco_status yoco_buffers_alloc(yoco_worker *w);
void yoco_buffers_free(yoco_worker *w);

/* Before what ops have written goes to the transport: waits for it, where the transport does not
 * follow the device's stream. */
yoco_status yoco_hand_over(yoco_worker *w);
/* Waits for all ops and, where the transport follows the stream, for what it put there. */
yoco_status yoco_settle(yoco_worker *w);

/* Around a collective on part of a device buffer: *data is what the transport takes. */
yoco_status yoco_share_begin(yoco_worker *w, void *buffer, size_t bytes, void **data);
void yoco_share_end(yoco_worker *w, void *buffer, size_t bytes);

#endif
