/* Device code that several kernels share: storage types, vectors of 4 and 8, exact powers of two.
 */
#ifndef YOCO_CUDA_VALUES_CUH
#define YOCO_CUDA_VALUES_CUH

#include "kernels/cuda/portable.cuh"

constexpr int WARP = 32;
static const unsigned ALL_LANES = 0xffffffffu;

/* Threads of a grid, and this one's place among them. */
__device__ inline int64_t grid_thread()
{
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ inline int64_t grid_threads()
{
    return (int64_t)gridDim.x * blockDim.x;
}

/* Blocks of 256 threads for n items in a loop over the grid. */
static inline unsigned grid_for(int64_t n)
{
    return (unsigned)yoco_i64_min(yoco_div_up(yoco_i64_max(n, 1), 256), 1 << 14);
}

/* What a norm divides by, NaN where the squares overflow: a row that becomes 0 would pass for one
 * that has a norm. */
__device__ inline float norm_root(float squares)
{
    return __float_as_uint(squares) == 0x7f800000u ? __uint_as_float(0x7fc00000u) : sqrtf(squares);
}

__device__ inline float bf16_to_f32(uint16_t bits)
{
    return __uint_as_float((uint32_t)bits << 16);
}

__device__ inline float load_value(yoco_dtype dtype, const void *data, int64_t index)
{
    if (dtype == YOCO_F32)
        return ((const float *)data)[index];
    uint16_t bits = ((const uint16_t *)data)[index];
    return dtype == YOCO_BF16 ? bf16_to_f32(bits) : f16_to_f32(bits);
}

__device__ inline void store_value(yoco_dtype dtype, void *data, int64_t index, float value)
{
    if (dtype == YOCO_BF16)
        ((uint16_t *)data)[index] = f32_to_bf16(value);
    else
        ((float *)data)[index] = value;
}

__device__ inline bool can_vector(const void *ptr, int64_t index, int64_t n, int count, int bytes)
{
    return index + count <= n && ((uintptr_t)ptr + (uintptr_t)index * bytes) % 16 == 0;
}

/* Elements index .. index + 3 of n; zeros past the end. */
__device__ inline void load_4(const float *x, int64_t index, int64_t n, float (&out)[4])
{
    if (can_vector(x, index, n, 4, 4)) {
        float4 v = *(const float4 *)(x + index);
        out[0] = v.x;
        out[1] = v.y;
        out[2] = v.z;
        out[3] = v.w;
        return;
    }
    for (int i = 0; i < 4; i++)
        out[i] = index + i < n ? x[index + i] : 0.0f;
}

__device__ inline void store_4(yoco_dtype dtype, void *out, int64_t index, int64_t n,
                               const float (&x)[4])
{
    if (dtype == YOCO_F32 && can_vector(out, index, n, 4, 4)) {
        *(float4 *)((float *)out + index) = {x[0], x[1], x[2], x[3]};
        return;
    }
    if (dtype == YOCO_BF16 && index + 4 <= n && ((uintptr_t)out + (uintptr_t)index * 2) % 8 == 0) {
        *(uint2 *)((uint16_t *)out + index) = {f32_to_bf16_pair(x[0], x[1]),
                                               f32_to_bf16_pair(x[2], x[3])};
        return;
    }
    for (int i = 0; i < 4 && index + i < n; i++)
        store_value(dtype, out, index + i, x[i]);
}

/* Eight bf16, two in a word; zeros past the end. */
__device__ inline uint4 load_8_bf16(const uint16_t *x, int64_t index, int64_t n)
{
    if (can_vector(x, index, n, 8, 2))
        return *(const uint4 *)(x + index);
    uint32_t words[4];
    for (int i = 0; i < 4; i++) {
        int64_t at = index + 2 * i;
        uint32_t low = at < n ? x[at] : 0, high = at + 1 < n ? x[at + 1] : 0;
        words[i] = low | high << 16;
    }
    return {words[0], words[1], words[2], words[3]};
}

/* Eight values of a row of n, as f32; zeros past the end. */
__device__ inline void load_8(yoco_dtype dtype, const void *x, int64_t index, int64_t n,
                              float (&out)[8])
{
    if (dtype == YOCO_F32) {
        float half[4];
        load_4((const float *)x, index, n, half);
        for (int i = 0; i < 4; i++)
            out[i] = half[i];
        load_4((const float *)x, index + 4, n, half);
        for (int i = 0; i < 4; i++)
            out[4 + i] = half[i];
        return;
    }
    uint4 v = load_8_bf16((const uint16_t *)x, index, n);
    const uint32_t words[4] = {v.x, v.y, v.z, v.w};
    for (int i = 0; i < 4; i++) {
        out[2 * i] = __uint_as_float(words[i] << 16);
        out[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
    }
}

/* 2^x for an integer x <= 0 or -inf, exactly; 0 below the normal numbers. */
__device__ inline float power_of_two(float x)
{
    return x < -126.0f ? 0.0f : __int_as_float(((int)x + 127) << 23);
}

/* Sums and maxima of a warp, the same in every lane. */
__device__ inline float warp_sum(float x)
{
    for (int mask = WARP / 2; mask > 0; mask /= 2)
        x += __shfl_xor_sync(ALL_LANES, x, mask);
    return x;
}

__device__ inline float warp_max(float x)
{
    for (int mask = WARP / 2; mask > 0; mask /= 2)
        x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, mask));
    return x;
}

#endif
