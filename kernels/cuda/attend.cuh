#ifndef YOCO_CUDA_ATTEND_CUH
#define YOCO_CUDA_ATTEND_CUH

#include "kernels/cuda/segments.cuh"
#include "kernels/cuda/values.cuh"

/* attend.cu */
void yoco_cuda_attend_partials(yoco_device *device, const yoco_attend_args *args);

/* Partials on tensor cores. False where it does not take these arguments: it wants bf16 and heads
 * of 32, 64 or 128, as many and as wide of V as of K, on 16-byte boundaries. Which kernel runs
 * depends on the model alone. */
bool yoco_cuda_attend_tiles(yoco_device *device, const yoco_attend_args *args);

/* The same by products of a warpgroup. False where the GPU has none, or for other heads than 64 and
 * 128. */
bool yoco_cuda_attend_sm90a(yoco_device *device, const yoco_attend_args *args);

/* What partials reads and writes, without what points to host memory or is the merge's. */
static inline yoco_attend_args attend_args(const yoco_device *device, const yoco_attend_args *args)
{
    yoco_attend_args own = *args;
    own.segments = NULL;
    own.o_exponent = NULL;
    own.bad = device->bad_device;
    own.fixed = NULL;
    own.out = NULL;
    return own;
}

__device__ inline bool is_finite(float x)
{
    return (__float_as_uint(x) & 0x7f800000u) != 0x7f800000u;
}

/* *at, which begins as -inf, rises to x, which is not -0; a NaN leaves it. */
__device__ inline void atomic_max(float *at, float x)
{
    if (x >= 0.0f)
        atomicMax((int *)at, __float_as_int(x));
    else if (x < 0.0f)
        atomicMin((unsigned *)at, __float_as_uint(x));
}

/* yoco_kv_block, for kernels. */
__device__ inline int64_t kv_block(const yoco_kv_segment &s, int64_t block, int64_t *n_rows)
{
    /* 32 bits: a GPU divides 64 in a function of its own. */
    unsigned per_chunk = (unsigned)((s.chunk_rows + YOCO_BLOCK_ROWS - 1) / YOCO_BLOCK_ROWS);
    int64_t in_chunk = (int64_t)((unsigned)block % per_chunk) * YOCO_BLOCK_ROWS;
    int64_t row = (int64_t)((unsigned)block / per_chunk) * s.chunk_rows + in_chunk;
    int64_t n = s.chunk_rows - in_chunk < s.n_rows - row ? s.chunk_rows - in_chunk : s.n_rows - row;
    *n_rows = n < YOCO_BLOCK_ROWS ? n : (int64_t)YOCO_BLOCK_ROWS;
    return row;
}

#endif
