#ifndef YOCO_CUDA_WINDOW_CUH
#define YOCO_CUDA_WINDOW_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/ops_window.h"

/* Window attention on tensor cores. False where it does not take these arguments: it wants bf16 and
 * heads of 32, 64 or 128, as many and as wide of V as of K, on 16-byte boundaries.
 * Which kernel runs depends on the model alone. */
bool yoco_cuda_window_tiles(yoco_device *device, const yoco_window_args *args);

/* The windows of a decode step, their keys in parallel. False as above. */
bool yoco_cuda_window_step_tiles(yoco_device *device, const yoco_window_step_args *args);

constexpr int MOST_VIEWS = 48; /* of a launch: they are among its arguments */

/* The op's arguments for the queries first .. first + n - 1, and their views. */
static inline yoco_window_step_args
yoco_cuda_step_part(const yoco_window_step_args *args, int64_t first, int64_t n,
                    by_value<yoco_window_view, MOST_VIEWS> *views)
{
    yoco_window_step_args own = *args;
    int64_t heads = first * args->n_heads;
    *views = {};
    for (int64_t i = 0; i < n; i++)
        views->at[i] = args->views[first + i];
    own.views = NULL; /* host memory */
    own.n_queries = n;
    own.q += heads * args->head_dim;
    own.out = (char *)args->out + (size_t)(heads * args->v_dim) * yoco_dtype_bytes(args->out_dtype);
    return own;
}

#endif
