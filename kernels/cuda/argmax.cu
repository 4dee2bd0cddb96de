/* The greatest of each row, by several blocks: every thread finds its own, every warp one of these,
 * and the greatest of all comes of an atomic maximum, which no order changes. */
#include "kernels/cuda/choice.cuh"

/* Orders an id by its logit, equals by the lower id. */
__device__ static unsigned long long rank_of(uint32_t key, int id)
{
    return (unsigned long long)key << 32 | (0xffffffffu - (uint32_t)id);
}

static const unsigned long long NOT_FINITE = ~0ull; /* beats all; 0, what all beat, is none */

/* best: (rows), 0. */
__global__ void __launch_bounds__(CHOICE_THREADS)
    argmax_kernel(const float *x, int n, banned_ids banned, unsigned long long *best)
{
    uint32_t keys[CHOICE_EACH];
    unsigned long long mine = 0;
    load_keys(x + (int64_t)blockIdx.y * n, n, keys);
#pragma unroll
    for (int i = 0; i < CHOICE_EACH; i++) {
        int id = choice_id(i);
        unsigned long long rank = is_finite_key(keys[i]) ? rank_of(keys[i], id) : ~0ull;
        bool counts = id < n && (rank == ~0ull || !is_banned(banned, id));
        mine = counts && rank > mine ? rank : mine;
    }
    for (int mask = WARP / 2; mask > 0; mask /= 2) {
        unsigned long long other = __shfl_xor_sync(ALL_LANES, mine, mask);
        mine = other > mine ? other : mine;
    }
    if (threadIdx.x % WARP == 0)
        atomicMax(&best[blockIdx.y], mine);
}

/* The results lie in the ring of descriptors until they are downloaded, to its host side. */
void yoco_cuda_argmax(yoco_device *device, const yoco_argmax_args *args)
{
    size_t bytes = (size_t)args->n_rows * sizeof(unsigned long long);
    void *memory;
    if (args->n_rows == 0)
        return;
    unsigned long long *best =
        (unsigned long long *)yoco_cuda_staging_begin(device, bytes, &memory);
    if (!best)
        return;
    yoco_cuda_zero(device, memory, bytes);
    YOCO_LAUNCH(argmax_kernel, choice_grid(args->n, args->n_rows), CHOICE_THREADS, 0,
                device->stream, args->x, args->n, list_banned(args->n_banned, args->banned),
                (unsigned long long *)memory);
    yoco_cuda_download(device, best, memory, bytes);
    for (int64_t row = 0; row < args->n_rows; row++)
        args->out[row] = best[row] == NOT_FINITE ? YOCO_ARGMAX_NOT_FINITE
                         : best[row] == 0        ? YOCO_ARGMAX_NONE
                                                 : (int32_t)(0xffffffffu - (uint32_t)best[row]);
}
