#include "kernels/cuda/segments.cuh"

bool yoco_cuda_send_segments(yoco_device *device, const yoco_attend_args *args,
                             const segment_tasks &n_tasks, segment_list *out)
{
    void *device_memory;
    if (args->n_segments == 0)
        return false;
    size_t bytes = (size_t)args->n_segments * sizeof(device_segment);
    device_segment *list = (device_segment *)yoco_cuda_staging_begin(device, bytes, &device_memory);
    if (!list)
        return false;
    int64_t total = 0;
    for (int i = 0; i < args->n_segments; i++) {
        const yoco_kv_segment *segment = &args->segments[i];
        int64_t n_blocks = yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows);
        list[i] = {*segment, n_blocks, total};
        total += segment->n_queries > 0 ? n_tasks(n_blocks, segment->n_queries) : 0;
    }
    if (total == 0)
        return false;
    yoco_cuda_staging_send(device, list, bytes, device_memory);
    *out = {(const device_segment *)device_memory, args->n_segments, total};
    return true;
}
