#include "worker/staging.h"

#include "failpoint.h"

static bool in_shared_memory(const yoco_worker *w, int buffer)
{
    bool is_slot = buffer == YOCO_BUF_EDGE_IN || buffer == YOCO_BUF_EDGE_OUT;
    bool is_passed = buffer == YOCO_BUF_PASSED_K || buffer == YOCO_BUF_PASSED_V;
    return w->shared_slots && (is_slot || is_passed);
}

/* For the largest of what collectives carry. */
static yoco_status staging_alloc(yoco_worker *w)
{
    const size_t *bytes = w->plan.buffer_bytes;
    size_t most = w->plan.largest_slot_bytes;
    most = bytes[YOCO_BUF_GLOBAL_MAX] > most ? bytes[YOCO_BUF_GLOBAL_MAX] : most;
    most = bytes[YOCO_BUF_FIXED] > most ? bytes[YOCO_BUF_FIXED] : most;
    return w->ops->alloc_shared(w->device, most, "data between the ranks", &w->staging);
}

yoco_status yoco_buffers_alloc(yoco_worker *w)
{
    if (!yoco_failpoint("worker.memory")) {
        yoco_log_error("cannot allocate the buffers of a document");
        return YOCO_ERR_MEMORY;
    }
    w->shared_slots = !w->ops->host_memory && !w->comm->device_messages;
    for (int i = 0; i < YOCO_N_BUFFERS; i++)
        if (w->plan.buffer_bytes[i] > 0)
            YOCO_TRY((in_shared_memory(w, i) ? w->ops->alloc_shared : w->ops->alloc)(
                w->device, w->plan.buffer_bytes[i], yoco_buffer_name(i), &w->buffers[i]));
    return w->ops->host_memory || w->comm->device_collectives ? YOCO_OK : staging_alloc(w);
}

void yoco_buffers_free(yoco_worker *w)
{
    for (int i = 0; i < YOCO_N_BUFFERS; i++) {
        (in_shared_memory(w, i) ? w->ops->free_shared : w->ops->free)(w->device, w->buffers[i]);
        w->buffers[i] = NULL;
    }
    w->ops->free_shared(w->device, w->staging);
    w->staging = NULL;
}

yoco_status yoco_hand_over(yoco_worker *w)
{
    return w->comm->device_stream ? YOCO_OK : w->ops->synchronize(w->device);
}

yoco_status yoco_settle(yoco_worker *w)
{
    if (w->comm->device_stream) {
        w->ops->stream->hold(w->device, true);
        YOCO_TRY(w->comm->ops->drain(w->comm));
        w->ops->stream->hold(w->device, false);
    }
    return w->ops->synchronize(w->device);
}

yoco_status yoco_share_begin(yoco_worker *w, void *buffer, size_t bytes, void **data)
{
    *data = buffer;
    if (w->comm->device_stream) {
        w->ops->stream->hold(w->device, true);
        return YOCO_OK;
    }
    if (w->staging) {
        w->ops->copy(w->device, w->staging, buffer, bytes);
        *data = w->staging;
    }
    return w->ops->synchronize(w->device);
}

void yoco_share_end(yoco_worker *w, void *buffer, size_t bytes)
{
    if (w->comm->device_stream)
        w->ops->stream->hold(w->device, false);
    else if (w->staging)
        w->ops->copy(w->device, buffer, w->staging, bytes);
}
