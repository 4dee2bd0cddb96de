#include "worker/staging.h"

static bool is_slot(int buffer)
{
    return buffer == YOCO_BUF_EDGE_IN || buffer == YOCO_BUF_EDGE_OUT;
}

void yoco_staging_choose(yoco_worker *w)
{
    bool near = w->ops->host_memory || w->comm->device_messages;
    w->host_slots = !near;
    w->slot_put = near ? w->ops->copy : w->ops->download;
    w->slot_get = near ? w->ops->copy : w->ops->upload;
}

yoco_status yoco_staging_alloc(yoco_worker *w)
{
    const size_t *bytes = w->plan.buffer_bytes;
    size_t most = w->plan.edge_bytes;
    most = bytes[YOCO_BUF_GLOBAL_MAX] > most ? bytes[YOCO_BUF_GLOBAL_MAX] : most;
    most = bytes[YOCO_BUF_FIXED] > most ? bytes[YOCO_BUF_FIXED] : most;
    if (w->ops->host_memory || w->comm->device_collectives)
        return YOCO_OK;
    return yoco_alloc(most, "data between the ranks", &w->staging);
}

yoco_status yoco_buffer_alloc(yoco_worker *w, int buffer)
{
    size_t bytes = w->plan.buffer_bytes[buffer];
    const char *name = yoco_buffer_name(buffer);
    if (bytes == 0)
        return YOCO_OK;
    if (is_slot(buffer) && w->host_slots)
        return yoco_alloc(bytes, name, &w->buffers[buffer]);
    return w->ops->alloc(w->device, bytes, name, &w->buffers[buffer]);
}

void yoco_buffer_free(yoco_worker *w, int buffer)
{
    if (is_slot(buffer) && w->host_slots)
        yoco_free(w->buffers[buffer]);
    else
        w->ops->free(w->device, w->buffers[buffer]);
    w->buffers[buffer] = NULL;
}

yoco_status yoco_share_begin(yoco_worker *w, void *buffer, size_t bytes, void **data)
{
    *data = buffer;
    if (w->staging) {
        w->ops->download(w->device, w->staging, buffer, bytes);
        *data = w->staging;
    }
    return w->ops->synchronize(w->device);
}

void yoco_share_end(yoco_worker *w, void *buffer, size_t bytes)
{
    if (w->staging)
        w->ops->upload(w->device, buffer, w->staging, bytes);
}
