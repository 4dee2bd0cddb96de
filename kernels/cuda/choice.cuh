/* What the choices of the next ids share: blocks that take a part of a row's logits each. */
#ifndef YOCO_CUDA_CHOICE_CUH
#define YOCO_CUDA_CHOICE_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"
#include "kernels/ops_choose.h"

constexpr int CHOICE_THREADS = 256;
constexpr int CHOICE_EACH = 16; /* ids of a thread, all of them on their way at once */
constexpr int CHOICE_IDS = CHOICE_THREADS * CHOICE_EACH;

struct banned_ids {
    int n;
    int32_t ids[YOCO_MAX_BANNED];
};

static inline banned_ids list_banned(int n, const int32_t *ids)
{
    banned_ids out = {n, {}};
    for (int i = 0; i < n; i++)
        out.ids[i] = ids[i];
    return out;
}

__device__ inline bool is_banned(const banned_ids &banned, int id)
{
    bool found = false;
#pragma unroll
    for (int i = 0; i < YOCO_MAX_BANNED; i++)
        found = found || (i < banned.n && banned.ids[i] == id);
    return found;
}

/* Ascends with x, above 0 where that is finite; both zeros are one. */
__device__ inline uint32_t key_of(float x)
{
    uint32_t bits = __float_as_uint(x + 0.0f);
    return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}

__device__ inline bool is_finite_key(uint32_t key)
{
    return key > 0x007fffffu && key < 0xff800000u;
}

/* The id of this thread's logit i. */
__device__ inline int choice_id(int i)
{
    return (int)blockIdx.x * CHOICE_IDS + i * CHOICE_THREADS + (int)threadIdx.x;
}

/* Keys of this thread's logits of a row of n; those past its end are a finite one's. */
__device__ inline void load_keys(const float *x, int n, uint32_t (&keys)[CHOICE_EACH])
{
#pragma unroll
    for (int i = 0; i < CHOICE_EACH; i++)
        keys[i] = choice_id(i) < n ? __float_as_uint(x[choice_id(i)]) : 0;
#pragma unroll
    for (int i = 0; i < CHOICE_EACH; i++)
        keys[i] = key_of(__uint_as_float(keys[i]));
}

static inline dim3 choice_grid(int n, int64_t n_rows)
{
    return dim3((unsigned)yoco_div_up(n, CHOICE_IDS), (unsigned)n_rows);
}

/* argmax.cu */
void yoco_cuda_argmax(yoco_device *device, const yoco_argmax_args *args);

#endif
