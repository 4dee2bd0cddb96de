/* Every layer of a step has the same segments, so a list is sent once: as long as it stays the
 * same, the device's copy serves. It is written on the stream, after the kernels that read the one
 * before.
 */
#include "kernels/cuda/segments.cuh"

#include <string.h>

constexpr int MOST_KEPT = 1024; /* segments; longer lists are sent with every call */

yoco_status yoco_cuda_segments_open(yoco_device *device)
{
    for (kept_segments &kept : device->segments) {
        void *host;
        /* The list as sent, and the one to compare with it. */
        YOCO_TRY(yoco_alloc(2 * MOST_KEPT * sizeof(device_segment), "lists of segments", &host));
        kept.host = (device_segment *)host;
        YOCO_TRY(yoco_cuda_alloc(device, MOST_KEPT * sizeof(device_segment), "a list of segments",
                                 (void **)&kept.device));
    }
    return YOCO_OK;
}

void yoco_cuda_segments_close(yoco_device *device)
{
    for (kept_segments &kept : device->segments) {
        yoco_cuda_free(device, kept.device);
        yoco_free(kept.host);
    }
}

static int64_t fill(device_segment *list, const yoco_attend_args *args,
                    const segment_tasks &n_tasks)
{
    int64_t total = 0;
    memset((void *)list, 0, (size_t)args->n_segments * sizeof *list); /* padding too */
    for (int i = 0; i < args->n_segments; i++) {
        const yoco_kv_segment *segment = &args->segments[i];
        list[i].segment = *segment;
        list[i].n_blocks = yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows);
        list[i].first_task = total;
        total += segment->n_queries > 0 ? n_tasks(list[i].n_blocks, segment->n_queries) : 0;
    }
    return total;
}

static bool send(yoco_device *device, const device_segment *list, size_t bytes, void *to)
{
    void *host = yoco_cuda_staging_begin(device, bytes, NULL);
    if (host) {
        memcpy(host, list, bytes);
        yoco_cuda_staging_send(device, host, bytes, to);
    }
    return host;
}

static bool keep(yoco_device *device, kept_segments *kept, const yoco_attend_args *args,
                 const segment_tasks &n_tasks, segment_list *out)
{
    size_t bytes = (size_t)args->n_segments * sizeof(device_segment);
    device_segment *list = kept->host + MOST_KEPT;
    int64_t total = fill(list, args, n_tasks);
    *out = {kept->device, args->n_segments, total};
    if (total == 0 || (kept->n == args->n_segments && memcmp(kept->host, list, bytes) == 0))
        return total > 0;
    kept->n = 0;
    if (!send(device, list, bytes, kept->device))
        return false;
    memcpy((void *)kept->host, list, bytes);
    kept->n = args->n_segments;
    return true;
}

bool yoco_cuda_send_segments(yoco_device *device, segment_use use, const yoco_attend_args *args,
                             const segment_tasks &n_tasks, segment_list *out)
{
    void *device_memory;
    if (args->n_segments == 0)
        return false;
    if (args->n_segments <= MOST_KEPT)
        return keep(device, &device->segments[use], args, n_tasks, out);
    size_t bytes = (size_t)args->n_segments * sizeof(device_segment);
    device_segment *list = (device_segment *)yoco_cuda_staging_begin(device, bytes, &device_memory);
    if (!list)
        return false;
    int64_t total = fill(list, args, n_tasks);
    yoco_cuda_staging_send(device, list, bytes, device_memory);
    *out = {(const device_segment *)device_memory, args->n_segments, total};
    return total > 0;
}
