/* Device memory, and copies to, from and within it. */
#include "kernels/cuda/device.cuh"

#include <string.h>

yoco_status yoco_cuda_alloc(yoco_device *device, size_t bytes, const char *what, void **out)
{
    yoco_cuda_check_launches(device);
    if (bytes == 0) {
        *out = NULL;
        return YOCO_OK;
    }
    size_t free_bytes = 0, total_bytes = 0;
    cudaError_t error = cudaMalloc(out, bytes);
    if (error == cudaSuccess)
        return YOCO_OK;
    (void)cudaGetLastError(); /* or it would pass for a launch's */
    (void)cudaMemGetInfo(&free_bytes, &total_bytes);
    yoco_log_error("%s takes %.3f GiB, and %.3f of the GPU's %.3f GiB are free: use more GPUs, a "
                   "shorter prompt or fewer questions (%s)",
                   what, (double)bytes / (1 << 30), (double)free_bytes / (1 << 30),
                   (double)total_bytes / (1 << 30), cudaGetErrorString(error));
    return YOCO_ERR_MEMORY;
}

void yoco_cuda_free(yoco_device *device, void *ptr)
{
    if (ptr)
        yoco_cuda_check(device, cudaFree(ptr), "freeing memory");
}

/* Pinned: the device's copies reach it. */
yoco_status yoco_cuda_alloc_shared(yoco_device *device, size_t bytes, const char *what, void **out)
{
    yoco_cuda_check_launches(device);
    *out = NULL;
    cudaError_t error = bytes > 0 ? cudaMallocHost(out, bytes) : cudaSuccess;
    if (error == cudaSuccess)
        return YOCO_OK;
    (void)cudaGetLastError();
    yoco_log_error("cannot allocate %zu bytes of pinned memory for %s (%s)", bytes, what,
                   cudaGetErrorString(error));
    return YOCO_ERR_MEMORY;
}

void yoco_cuda_free_shared(yoco_device *device, void *ptr)
{
    if (ptr)
        yoco_cuda_check(device, cudaFreeHost(ptr), "freeing pinned memory");
}

/* The caller may change its memory when this returns. What does not fit the ring is waited for. */
void yoco_cuda_upload(yoco_device *device, void *to_device, const void *from_host, size_t bytes)
{
    if (bytes == 0)
        return;
    if (bytes <= device->staging.half_bytes) {
        void *host = yoco_cuda_staging_begin(device, bytes, NULL);
        if (!host)
            return;
        memcpy(host, from_host, bytes);
        yoco_cuda_staging_send(device, host, bytes, to_device);
        return;
    }
    yoco_cuda_graph_flush(device);
    yoco_cuda_check(device,
                    cudaMemcpyAsync(to_device, from_host, bytes, cudaMemcpyDefault, device->stream),
                    "an upload");
    yoco_cuda_check(device, cudaStreamSynchronize(device->stream), "an upload");
    yoco_cuda_graph_resume(device);
}

void yoco_cuda_download(yoco_device *device, void *to_host, const void *from_device, size_t bytes)
{
    if (bytes == 0)
        return;
    yoco_cuda_graph_flush(device);
    yoco_cuda_check(
        device,
        cudaMemcpyAsync(to_host, from_device, bytes, cudaMemcpyDeviceToHost, device->stream),
        "a download");
    yoco_cuda_check(device, cudaStreamSynchronize(device->stream), "a download");
    yoco_cuda_graph_resume(device);
}

yoco_status yoco_cuda_fetch_open(yoco_device *device)
{
    fetch_path *path = &device->fetch;
    bool opened =
        yoco_cuda_check(device, cudaStreamCreateWithFlags(&path->stream, cudaStreamNonBlocking),
                        "making a stream") &&
        yoco_cuda_check(device, cudaMallocHost(&path->stage, FETCH_BYTES), "pinned memory");
    return opened ? YOCO_OK : YOCO_ERR_INTERNAL;
}

void yoco_cuda_fetch_close(yoco_device *device)
{
    if (device->fetch.stream)
        (void)cudaStreamDestroy(device->fetch.stream);
    if (device->fetch.stage)
        (void)cudaFreeHost(device->fetch.stage);
}

/* A thread starts out on GPU 0. Its copies have a stream of their own, so they do not wait for the
 * ops, and go through pinned memory: copies to other memory may wait for every kernel of the
 * device, also for a receive that waits for its neighbour. */
yoco_status yoco_cuda_fetch(yoco_device *device, void *to_host, const void *from_device,
                            size_t bytes)
{
    const fetch_path *path = &device->fetch;
    cudaError_t error = cudaSetDevice(device->gpu);
    for (size_t done = 0, n; done < bytes && error == cudaSuccess; done += n) {
        n = bytes - done < FETCH_BYTES ? bytes - done : FETCH_BYTES;
        error = cudaMemcpyAsync(path->stage, (const char *)from_device + done, n,
                                cudaMemcpyDeviceToHost, path->stream);
        if (error == cudaSuccess)
            error = cudaStreamSynchronize(path->stream);
        if (error == cudaSuccess)
            memcpy((char *)to_host + done, path->stage, n);
    }
    if (error == cudaSuccess)
        return YOCO_OK;
    yoco_log_error("the GPU failed at a copy to the host: %s", cudaGetErrorString(error));
    return YOCO_ERR_INTERNAL;
}

size_t yoco_cuda_memory_in_use(yoco_device *device)
{
    size_t free_bytes = 0, total_bytes = 0;
    yoco_cuda_check(device, cudaMemGetInfo(&free_bytes, &total_bytes), "asking for its memory");
    return total_bytes - free_bytes;
}

void yoco_cuda_copy(yoco_device *device, void *to, const void *from, size_t bytes)
{
    if (bytes > 0)
        yoco_cuda_check(device, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, device->stream),
                        "a copy");
}

constexpr int MOST_COPIES = 128; /* of a launch */
constexpr int COPY_THREADS = 128;

/* A block for each copy. */
__global__ void copy_rows_kernel(by_value<yoco_row_copy, MOST_COPIES> copies, int bytes,
                                 bool aligned)
{
    const yoco_row_copy copy = copies.at[blockIdx.x];
    int element = aligned ? (int)sizeof(uint4) : 1;
    for (int i = threadIdx.x; i < bytes / element; i += COPY_THREADS) {
        if (aligned)
            ((uint4 *)copy.to)[i] = ((const uint4 *)copy.from)[i];
        else
            ((char *)copy.to)[i] = ((const char *)copy.from)[i];
    }
}

void yoco_cuda_copy_rows(yoco_device *device, const yoco_row_copy *copies, int64_t n, size_t bytes)
{
    for (int64_t first = 0; first < n; first += MOST_COPIES) {
        by_value<yoco_row_copy, MOST_COPIES> list = {};
        int count = (int)yoco_i64_min(MOST_COPIES, n - first);
        bool aligned = bytes % sizeof(uint4) == 0;
        for (int i = 0; i < count; i++) {
            list.at[i] = copies[first + i];
            aligned = aligned && is_aligned(list.at[i].to, sizeof(uint4)) &&
                      is_aligned(list.at[i].from, sizeof(uint4));
        }
        YOCO_LAUNCH(copy_rows_kernel, (unsigned)count, COPY_THREADS, 0, device->stream, list,
                    (int)bytes, aligned);
    }
}

void yoco_cuda_zero(yoco_device *device, void *ptr, size_t bytes)
{
    if (bytes > 0)
        yoco_cuda_check(device, cudaMemsetAsync(ptr, 0, bytes, device->stream), "zeroing memory");
}
