#ifndef YOCO_CUDA_RETENTION_CUH
#define YOCO_CUDA_RETENTION_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"
#include "kernels/ops_retention.h"

/* Within blocks, and the correction, on tensor cores. False where they do not take the heads: 32,
 * 64 or 128 they take. */
bool yoco_cuda_retention_tiles_local(yoco_device *device, const yoco_retention_args *args);
bool yoco_cuda_retention_tiles_correct(yoco_device *device, const yoco_retention_args *args);

/* Threads of a kernel that sums decays: one for each row of a block. */
constexpr int DECAY_THREADS = YOCO_RETENTION_ROWS;
constexpr int DECAY_WARPS = DECAY_THREADS / WARP;

__device__ inline double log_decay(float gate, double scale)
{
    return ((double)fminf(gate, 0.0f) - (double)log1pf(expf(-fabsf(gate)))) * scale;
}

/* Rows of a block of one head. */
struct retention_block {
    int64_t first, n_rows;
};

__device__ inline retention_block block_rows(const yoco_retention_args &args, int64_t block)
{
    int64_t first = block * YOCO_RETENTION_ROWS, left = args.n_rows - first;
    return {first, left < YOCO_RETENTION_ROWS ? left : (int64_t)YOCO_RETENTION_ROWS};
}

/* decay[t]: the sum of log decays of rows 0 .. t, by all DECAY_THREADS threads; rows past the end
 * add 0. A row's sum does not know how many rows follow. totals: (DECAY_WARPS). */
__device__ inline void sum_decays(const yoco_retention_args &args, const retention_block &rows,
                                  int head, double *decay, double *totals)
{
    int t = threadIdx.x, lane = t % WARP, warp = t / WARP;
    int64_t at = (rows.first + t) * args.n_heads + head;
    double sum = t < rows.n_rows ? log_decay(args.gate[at], args.gate_scale) : 0;
    for (int delta = 1; delta < WARP; delta *= 2) {
        double before = __shfl_up_sync(ALL_LANES, sum, delta);
        if (lane >= delta)
            sum += before;
    }
    if (lane == WARP - 1)
        totals[warp] = sum;
    __syncthreads();
    double base = 0;
    for (int i = 0; i < warp; i++)
        base += totals[i];
    decay[t] = base + sum;
    __syncthreads();
}

#endif
