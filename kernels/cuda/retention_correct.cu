/* Gated retention's correction, once the states are known: a block of threads takes a (block,
 * head), splits the state that entered it once, and each of its warps multiplies 16 rows of queries
 * at a time, which come straight into fragments while other warps multiply. */
#include "kernels/cuda/retention_tiles.cuh"

constexpr int CORRECT_THREADS = 256;

template <int DIM> struct correct_memory {
    split_tile<DIM, DIM> state;
};

/* A lane's share of 16 x 16 queries: pairs of rows g, g + 8 of columns 2t, then of columns 2t + 8;
 * in place of a row past the last, whose sums nobody takes, the last. */
__device__ static void load_pairs(const float *q, int row_size, int n, float2 (&x)[4])
{
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int row = g + i % 2 * 8;
        x[i] = *(const float2 *)(q + (row < n ? row : n - 1) * row_size + i / 2 * 8 + 2 * t);
    }
}

/* 16 rows, of which n exist. */
template <int DIM>
__device__ static void correct_rows(const yoco_retention_args &args, const correct_memory<DIM> *m,
                                    int64_t first, int head, int n)
{
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4, row_size = args.n_heads * DIM;
    int64_t at = first * row_size + head * DIM;
    float sums[DIM / 8][4] = {};
#pragma unroll 2
    for (int depth = 0; depth < DIM; depth += 16) {
        float2 x[4];
        uint32_t a[PARTS][4];
        load_pairs(args.q + at + depth, row_size, n, x);
#pragma unroll
        for (int i = 0; i < 4; i++)
            split_into(x[i].x, x[i].y, i, a);
        add_values<DIM>(sums, a, m->state, depth);
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int row = g + 8 * half;
        if (row >= n)
            continue;
        float factor = expf(args.decay[(first + row) * args.n_heads + head]);
        float *to = args.out + at + row * row_size + 2 * t;
#pragma unroll
        for (int i = 0; i < DIM / 8; i++) {
            float2 local = *(const float2 *)(to + 8 * i);
            *(float2 *)(to + 8 * i) = {fmaf(factor, sums[i][2 * half], local.x),
                                       fmaf(factor, sums[i][2 * half + 1], local.y)};
        }
    }
}

template <int DIM>
__global__ void __launch_bounds__(CORRECT_THREADS, 2)
    retention_correct_tiles_kernel(yoco_retention_args args)
{
    YOCO_SHARED(shared);
    correct_memory<DIM> *m = (correct_memory<DIM> *)shared;
    int head = blockIdx.y;
    retention_block rows = block_rows(args, blockIdx.x);
    {
        rows_share<DIM, DIM, CORRECT_THREADS> state;
        int64_t at = ((int64_t)blockIdx.x * args.n_heads + head) * DIM * DIM;
        load_rows(&state, args.state + at, DIM, DIM);
        store_split(state, &m->state);
    }
    __syncthreads();
    for (int row = (int)threadIdx.x / WARP * 16; row < rows.n_rows;
         row += CORRECT_THREADS / WARP * 16) {
        correct_rows<DIM>(args, m, rows.first + row, head, (int)rows.n_rows - row);
    }
}

template <int DIM> static bool launch_correct(yoco_device *device, const yoco_retention_args *args)
{
    dim3 grid((unsigned)yoco_div_up(args->n_rows, YOCO_RETENTION_ROWS), (unsigned)args->n_heads);
    if (!retention_tiles_fit(device, args, sizeof(correct_memory<DIM>)))
        return false;
    YOCO_LAUNCH(retention_correct_tiles_kernel<DIM>, grid, CORRECT_THREADS,
                sizeof(correct_memory<DIM>), device->stream, *args);
    return true;
}

bool yoco_cuda_retention_tiles_correct(yoco_device *device, const yoco_retention_args *args)
{
    switch (args->head_dim) {
    case 32:
        return launch_correct<32>(device, args);
    case 64:
        return launch_correct<64>(device, args);
    case 128:
        return launch_correct<128>(device, args);
    default:
        return false;
    }
}
