/* The greatest of each row, by a block: every thread finds its own, then halves of the block merge.
 * No order changes the result: equals go to the lower index. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"

#include <string.h>

constexpr int ARGMAX_THREADS = 256;

struct argmax_args {
    int n, n_banned;
    const float *x;
    int32_t *out;
    int32_t banned[YOCO_MAX_BANNED];
};

struct candidate {
    float value;
    int index; /* YOCO_ARGMAX_NOT_FINITE beats all, YOCO_ARGMAX_NONE nothing */
};

__device__ static bool is_banned(const argmax_args &args, int index)
{
    for (int i = 0; i < args.n_banned; i++)
        if (args.banned[i] == index)
            return true;
    return false;
}

__device__ static candidate better(candidate a, candidate b)
{
    if (a.index == YOCO_ARGMAX_NOT_FINITE || b.index == YOCO_ARGMAX_NONE)
        return a;
    if (b.index == YOCO_ARGMAX_NOT_FINITE || a.index == YOCO_ARGMAX_NONE)
        return b;
    return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}

__global__ void __launch_bounds__(ARGMAX_THREADS) argmax_kernel(argmax_args args)
{
    YOCO_SHARED(shared);
    candidate *all = (candidate *)shared; /* (ARGMAX_THREADS) */
    const float *x = args.x + (int64_t)blockIdx.x * args.n;
    candidate mine = {0.0f, YOCO_ARGMAX_NONE};
    for (int i = threadIdx.x; i < args.n; i += ARGMAX_THREADS) {
        bool finite = (__float_as_uint(x[i]) & 0x7f800000u) != 0x7f800000u;
        if (!finite || !is_banned(args, i))
            mine = better(mine, {x[i], finite ? i : YOCO_ARGMAX_NOT_FINITE});
    }
    all[threadIdx.x] = mine;
    __syncthreads();
    for (int n = ARGMAX_THREADS / 2; n > 0; n /= 2) {
        if ((int)threadIdx.x < n)
            all[threadIdx.x] = better(all[threadIdx.x], all[threadIdx.x + n]);
        __syncthreads();
    }
    if (threadIdx.x == 0)
        args.out[blockIdx.x] = all[0].index;
}

/* The result lies in the ring of descriptors until it is downloaded. */
void yoco_cuda_argmax(yoco_device *device, const yoco_argmax_args *args)
{
    size_t bytes = (size_t)args->n_rows * sizeof *args->out;
    void *out;
    if (args->n_rows == 0 || !yoco_cuda_staging_begin(device, bytes, &out))
        return;
    argmax_args own = {args->n, args->n_banned, args->x, (int32_t *)out, {}};
    if (args->n_banned > 0)
        memcpy(own.banned, args->banned, (size_t)args->n_banned * sizeof *args->banned);
    YOCO_LAUNCH(argmax_kernel, (unsigned)args->n_rows, ARGMAX_THREADS,
                ARGMAX_THREADS * sizeof(candidate), device->stream, own);
    yoco_cuda_download(device, args->out, out, bytes);
}
