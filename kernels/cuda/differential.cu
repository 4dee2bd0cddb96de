#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"
#include "kernels/ops_differential.h"

constexpr int PAIR_WARPS = 8; /* of a block: a pair each */

__global__ void __launch_bounds__(PAIR_WARPS *WARP) combine_kernel(yoco_differential_args args)
{
    int64_t pair = (int64_t)blockIdx.x * PAIR_WARPS + threadIdx.x / WARP;
    int lane = threadIdx.x % WARP, dim = args.dim;
    bool inside = pair < args.n_rows * args.n_pairs;
    const float *first = args.x + 2 * (inside ? pair : 0) * dim, *second = first + dim;
    float squares = 0.0f;
    for (int i = lane; i < dim; i += WARP) {
        float y = fmaf(-args.lambda, second[i], first[i]);
        squares = fmaf(y, y, squares);
    }
    float root = norm_root(warp_sum(squares) / (float)dim + args.eps);
    for (int i = lane; inside && i < dim; i += WARP) {
        float y = fmaf(-args.lambda, second[i], first[i]);
        store_value(args.out_dtype, args.out, pair * dim + i,
                    args.scale * y / root * args.weight[i]);
    }
}

static void combine(yoco_device *device, const yoco_differential_args *args)
{
    int64_t n_blocks = yoco_div_up(args->n_rows * args->n_pairs, PAIR_WARPS);
    if (n_blocks > 0)
        YOCO_LAUNCH(combine_kernel, (unsigned)n_blocks, PAIR_WARPS * WARP, 0, device->stream,
                    *args);
}

const yoco_differential_ops yoco_cuda_differential = {.combine = combine};
