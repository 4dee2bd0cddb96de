#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COPIES = 64, MAX_ALLOCATIONS = 256 };

typedef struct copy {
    void *to;
    const void *from;
    size_t bytes;
} copy;

struct CUstream_st {
    int n_copies;
    copy copies[MAX_COPIES];
};

struct CUevent_st {
    cudaStream_t stream;
    int n_questions;
};

static struct {
    char *begin;
    size_t bytes;
} allocations[MAX_ALLOCATIONS];

/* Device memory of the GPU's host build, where that is in the program too. */
__attribute__((weak)) bool cuda_host_owns(const void *ptr);

cudaError_t cudaGetDeviceCount(int *n)
{
    const char *text = getenv("CUDA_HOST_DEVICES");
    *n = text ? atoi(text) : 64;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    int n;
    cudaGetDeviceCount(&n);
    return device >= 0 && device < n ? cudaSuccess : cudaErrorInvalidDevice;
}

cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int device)
{
    snprintf(text, (size_t)size, "0000:%02x:00.0", (unsigned)device & 0xff);
    return cudaSuccess;
}

/* Starts as NaN, as an accident would have it. */
cudaError_t cudaMalloc(void **out, size_t bytes)
{
    int i = 0;
    while (i < MAX_ALLOCATIONS && allocations[i].begin)
        i++;
    char *ptr = i < MAX_ALLOCATIONS ? aligned_alloc(256, (bytes + 256) / 256 * 256) : NULL;
    if (!ptr)
        return cudaErrorMemoryAllocation;
    memset(ptr, 0xff, bytes);
    allocations[i].begin = *out = ptr;
    allocations[i].bytes = bytes;
    return cudaSuccess;
}

static int find(const char *ptr)
{
    for (int i = 0; i < MAX_ALLOCATIONS; i++)
        if (allocations[i].begin && ptr >= allocations[i].begin &&
            ptr < allocations[i].begin + allocations[i].bytes + 1)
            return i;
    return -1;
}

static bool is_device_memory(const void *ptr)
{
    return find(ptr) >= 0 || (cuda_host_owns && cuda_host_owns(ptr));
}

cudaError_t cudaFree(void *ptr)
{
    int i = find(ptr);
    if (!ptr)
        return cudaSuccess;
    if (i < 0 || allocations[i].begin != ptr)
        return cudaErrorInvalidValue;
    allocations[i].begin = NULL;
    free(ptr);
    return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *out, const void *ptr)
{
    out->type = is_device_memory(ptr) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags)
{
    (void)flags;
    *out = calloc(1, sizeof **out);
    return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    free(stream);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    if (kind != cudaMemcpyDeviceToDevice || !is_device_memory(to) || !is_device_memory(from) ||
        stream->n_copies == MAX_COPIES)
        return cudaErrorInvalidValue;
    stream->copies[stream->n_copies++] = (copy){to, from, bytes};
    return cudaSuccess;
}

static void run(cudaStream_t stream)
{
    for (int i = 0; i < stream->n_copies; i++)
        memcpy(stream->copies[i].to, stream->copies[i].from, stream->copies[i].bytes);
    stream->n_copies = 0;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags)
{
    (void)flags;
    *out = calloc(1, sizeof **out);
    return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    free(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    event->stream = stream;
    event->n_questions = 0;
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    if (event->n_questions++ == 0)
        return cudaErrorNotReady;
    if (event->stream)
        run(event->stream);
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error)
{
    return error == cudaSuccess ? "no error" : "an error of the stand-in for CUDA";
}
