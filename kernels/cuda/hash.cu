/* A 64-bit hash of device memory: a wrapping sum, so that no order of the threads changes it. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"

/* splitmix64: Steele, Lea and Flood 2014. */
__device__ static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

__global__ void hash_kernel(const unsigned char *bytes, int64_t n, unsigned long long *out)
{
    uint64_t sum = 0;
    for (int64_t i = grid_thread(); i < n; i += grid_threads())
        sum += mix((uint64_t)(i + 1) * 0x9e3779b97f4a7c15u + bytes[i]);
    if (grid_thread() == 0)
        sum += mix((uint64_t)n);
    atomicAdd(out, (unsigned long long)sum);
}

uint64_t yoco_cuda_hash(yoco_device *device, const void *ptr, size_t bytes)
{
    uint64_t hash = 0;
    yoco_cuda_zero(device, device->hash_device, sizeof hash);
    YOCO_LAUNCH(hash_kernel, grid_for((int64_t)bytes), 256, 0, device->stream,
                (const unsigned char *)ptr, (int64_t)bytes,
                (unsigned long long *)device->hash_device);
    yoco_cuda_download(device, &hash, device->hash_device, sizeof hash);
    return hash;
}
