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

constexpr int WORD = sizeof(uint64_t);
constexpr int MOST_BLOCKS = 64; /* each of its warps adds to the sum once */

/* Bytes at .. at + 7 of n; zeros past the end. */
__device__ static uint64_t load_word(const unsigned char *bytes, int64_t at, int64_t n)
{
    if (at + WORD <= n && (uintptr_t)bytes % WORD == 0)
        return *(const uint64_t *)(bytes + at);
    uint64_t word = 0;
#pragma unroll 1
    for (int i = 0; i < WORD && at + i < n; i++)
        word |= (uint64_t)bytes[at + i] << 8 * i;
    return word;
}

__global__ void hash_kernel(const unsigned char *bytes, int64_t n, unsigned long long *out)
{
    uint64_t sum = grid_thread() == 0 ? mix((uint64_t)n) : 0;
#pragma unroll 4
    for (int64_t i = grid_thread(); i * WORD < n; i += grid_threads())
        sum += mix((uint64_t)(i + 1) * 0x9e3779b97f4a7c15u + load_word(bytes, i * WORD, n));
    for (int mask = WARP / 2; mask > 0; mask /= 2)
        sum += __shfl_xor_sync(ALL_LANES, sum, mask);
    if (threadIdx.x % WARP == 0)
        atomicAdd(out, (unsigned long long)sum);
}

static void start_hash(yoco_device *device, const void *ptr, size_t bytes)
{
    yoco_cuda_zero(device, device->hash_device, sizeof *device->hash_device);
    YOCO_LAUNCH(hash_kernel,
                (unsigned)yoco_i64_min(grid_for(yoco_div_up((int64_t)bytes, WORD)), MOST_BLOCKS),
                256, 0, device->stream, (const unsigned char *)ptr, (int64_t)bytes,
                (unsigned long long *)device->hash_device);
}

/* 16 bits of the hash, and their complement, in turns: exact in f32. */
__global__ void flags_kernel(const uint64_t *hash, const int *is_bad, float bad, float *flags)
{
    int i = (int)grid_thread();
    if (i < YOCO_MERGE_FLAGS - 1) {
        uint16_t part = (uint16_t)(*hash >> (16 * (i / 2)));
        flags[i] = i % 2 == 0 ? part : (uint16_t)~part;
    } else if (i == YOCO_MERGE_FLAGS - 1) {
        flags[i] = *is_bad ? bad : 0.0f;
    }
}

void yoco_cuda_merge_flags(yoco_device *device, const void *ptr, size_t bytes, float bad,
                           float *flags)
{
    start_hash(device, ptr, bytes);
    YOCO_LAUNCH(flags_kernel, 1, WARP, 0, device->stream, (const uint64_t *)device->hash_device,
                (const int *)device->bad_device, bad, flags);
}

uint64_t yoco_cuda_hash(yoco_device *device, const void *ptr, size_t bytes)
{
    uint64_t hash = 0;
    start_hash(device, ptr, bytes);
    yoco_cuda_download(device, &hash, device->hash_device, sizeof hash);
    return hash;
}
