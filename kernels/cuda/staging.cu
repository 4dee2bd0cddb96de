/* The ring of pinned memory, in two halves. A half is filled again once the work that came while it
 * was the current one is done; usually it is long since. */
#include "kernels/cuda/device.cuh"

constexpr int STAGING_ALIGNMENT = 64;

yoco_status yoco_cuda_staging_open(yoco_device *device)
{
    staging_ring *ring = &device->staging;
    ring->half_bytes = YOCO_STAGING_BYTES;
    if (cudaMallocHost((void **)&ring->host, STAGING_HALVES * ring->half_bytes) != cudaSuccess) {
        yoco_log_error("cannot allocate %zu bytes of pinned memory",
                       STAGING_HALVES * ring->half_bytes);
        return YOCO_ERR_MEMORY;
    }
    for (int i = 0; i < STAGING_HALVES; i++) {
        if (!yoco_cuda_check(device,
                             cudaEventCreateWithFlags(&ring->released[i], cudaEventDisableTiming),
                             "making an event"))
            return YOCO_ERR_INTERNAL;
    }
    return yoco_cuda_alloc(device, STAGING_HALVES * ring->half_bytes, "the ring of descriptors",
                           (void **)&ring->device);
}

void yoco_cuda_staging_close(yoco_device *device)
{
    staging_ring *ring = &device->staging;
    for (int i = 0; i < STAGING_HALVES; i++) {
        if (ring->released[i])
            (void)cudaEventDestroy(ring->released[i]);
    }
    yoco_cuda_free(device, ring->device);
    if (ring->host)
        (void)cudaFreeHost(ring->host);
}

void *yoco_cuda_staging_begin(yoco_device *device, size_t bytes, void **device_memory)
{
    staging_ring *ring = &device->staging;
    bytes = (size_t)yoco_round_up((int64_t)bytes, STAGING_ALIGNMENT);
    if (bytes > ring->half_bytes) {
        yoco_cuda_fail(device, "a call's descriptors", "too many for the ring");
        return NULL;
    }
    if (ring->used + bytes > ring->half_bytes) {
        yoco_cuda_graph_flush(device);
        yoco_cuda_check(device, cudaEventRecord(ring->released[ring->half], device->stream),
                        "the ring");
        ring->half = (ring->half + 1) % STAGING_HALVES;
        ring->used = 0;
        yoco_cuda_check(device, cudaEventSynchronize(ring->released[ring->half]), "the ring");
        yoco_cuda_graph_resume(device);
    }
    size_t at = (size_t)ring->half * ring->half_bytes + ring->used;
    ring->used += bytes;
    if (device_memory)
        *device_memory = ring->device + at;
    return ring->host + at;
}

void yoco_cuda_staging_send(yoco_device *device, void *host, size_t bytes, void *to_device)
{
    yoco_cuda_check(device,
                    cudaMemcpyAsync(to_device, host, bytes, cudaMemcpyDefault, device->stream),
                    "sending descriptors");
}
