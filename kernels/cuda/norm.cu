/* RMSNorm and LayerNorm: a block per row where rows are long, else a warp per row, eight to a
 * block. How a row is summed depends on its length only. */
#include "kernels/cuda/dense.cuh"
#include "kernels/cuda/values.cuh"

constexpr int NORM_THREADS = 256;
constexpr int NORM_WARPS = NORM_THREADS / WARP;
constexpr int LONG_ROW = 1024;

/* The sum over the warps of a block, the same in every thread. */
__device__ static float block_sum(float x, float *shared)
{
    x = warp_sum(x);
    if (threadIdx.x % WARP == 0)
        shared[threadIdx.x / WARP] = x;
    __syncthreads();
    float sum = 0.0f;
    for (int i = 0; i < NORM_WARPS; i++)
        sum += shared[i];
    return sum;
}

/* threads: WARP, or NORM_THREADS, that share a row. */
__global__ void __launch_bounds__(NORM_THREADS)
    rms_norm_kernel(yoco_rms_norm_args args, int threads)
{
    YOCO_SHARED(shared);
    int64_t row = ((int64_t)blockIdx.x * NORM_THREADS + threadIdx.x) / threads;
    int first = 4 * (int)(threadIdx.x % (unsigned)threads);
    bool inside = row < args.n_rows;
    const float *x = args.x + (inside ? row : 0) * args.dim;
    float squares = 0.0f, v[4], w[4] = {1.0f, 1.0f, 1.0f, 1.0f};
    for (int i = first; inside && i < args.dim; i += 4 * threads) {
        load_4(x, i, args.dim, v);
        for (int j = 0; j < 4; j++)
            squares = fmaf(v[j], v[j], squares);
    }
    squares = threads == WARP ? warp_sum(squares) : block_sum(squares, (float *)shared);
    float root = norm_root(squares / (float)args.dim + args.eps);
    for (int i = first; inside && i < args.dim; i += 4 * threads) {
        load_4(x, i, args.dim, v);
        if (args.weight)
            load_4(args.weight, i, args.dim, w);
        for (int j = 0; j < 4; j++)
            v[j] = v[j] / root * w[j];
        if (args.accumulate) {
            load_4((const float *)args.out + row * args.dim, i, args.dim, w);
            for (int j = 0; j < 4; j++)
                v[j] = (v[j] + w[j]) * (args.sum_scale != 0.0f ? args.sum_scale : 1.0f);
        }
        size_t element = args.out_dtype == YOCO_BF16 ? 2 : 4;
        store_4(args.out_dtype, (char *)args.out + (size_t)(row * args.dim) * element, i, args.dim,
                v);
    }
}

void yoco_cuda_rms_norm(yoco_device *device, const yoco_rms_norm_args *args)
{
    int threads = args->dim >= LONG_ROW ? NORM_THREADS : WARP;
    unsigned grid = (unsigned)yoco_div_up(args->n_rows * threads, NORM_THREADS);
    YOCO_LAUNCH(rms_norm_kernel, grid, NORM_THREADS, NORM_WARPS * sizeof(float), device->stream,
                *args, threads);
}

__device__ static float row_sum(float x, int threads, float *shared)
{
    return threads == WARP ? warp_sum(x) : block_sum(x, shared);
}

__global__ void __launch_bounds__(NORM_THREADS)
    layer_norm_kernel(yoco_layer_norm_args args, int threads)
{
    YOCO_SHARED(shared);
    int64_t row = ((int64_t)blockIdx.x * NORM_THREADS + threadIdx.x) / threads;
    int first = (int)(threadIdx.x % (unsigned)threads), dim = args.dim;
    bool inside = row < args.n_rows;
    const float *x = args.x + (inside ? row : 0) * dim;
    float sum = 0.0f, squares = 0.0f;
    for (int i = first; inside && i < dim; i += threads)
        sum += x[i];
    float mean = row_sum(sum, threads, (float *)shared) / (float)dim;
    for (int i = first; inside && i < dim; i += threads)
        squares = fmaf(x[i] - mean, x[i] - mean, squares);
    __syncthreads(); /* before the sums are written over */
    float root = norm_root(row_sum(squares, threads, (float *)shared) / (float)dim + args.eps);
    for (int i = first; inside && i < dim; i += threads)
        store_value(args.out_dtype, args.out, row * dim + i,
                    fmaf((x[i] - mean) / root, args.weight[i], args.bias[i]));
}

void yoco_cuda_layer_norm(yoco_device *device, const yoco_layer_norm_args *args)
{
    int threads = args->dim >= LONG_ROW ? NORM_THREADS : WARP;
    unsigned grid = (unsigned)yoco_div_up(args->n_rows * threads, NORM_THREADS);
    YOCO_LAUNCH(layer_norm_kernel, grid, NORM_THREADS, NORM_WARPS * sizeof(float), device->stream,
                *args, threads);
}
