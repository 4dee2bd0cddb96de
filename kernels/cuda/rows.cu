/* Products of few rows: the weight is read once, at the speed of memory.
 *
 * In bf16 a block computes 16 outputs for up to 64 rows on tensor cores. Its warps take 32 inputs
 * each in turn; a lane reads 8 consecutive numbers of a weight's row and of x, which serve two
 * products, the k axis being permuted alike on both sides. The warps' sums are added in their
 * order. So a sum's order depends on the depth alone, and rows never mix. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"

constexpr int ROWS_THREADS = 256;
constexpr int ROWS_WARPS = ROWS_THREADS / WARP;
constexpr int TILE_ROWS = 8; /* rows of x in one product */
constexpr int F32_ROWS = 4;

struct rows_args {
    int64_t n_rows, n_in, n_out, depth;
    const void *weight, *x;
    float *y;
    bool accumulate;
};

template <int N_TILES>
__global__ void __launch_bounds__(ROWS_THREADS) rows_bf16_kernel(rows_args args)
{
    YOCO_SHARED(shared);
    float *parts = (float *)shared; /* (warps, tiles, 16, 8) */
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, g = lane / 4, t = lane % 4;
    int64_t first_out = (int64_t)blockIdx.x * OUTPUT_MULTIPLE;
    int64_t first_row = (int64_t)blockIdx.y * N_TILES * TILE_ROWS;
    const uint16_t *w = (const uint16_t *)args.weight + (first_out + g) * args.depth;
    const uint16_t *x = (const uint16_t *)args.x;
    float sums[N_TILES][4] = {};
#pragma unroll 2
    for (int64_t k = warp * 32 + t * 8; k < args.depth; k += ROWS_WARPS * 32) {
        uint4 top = *(const uint4 *)(w + k), bottom = *(const uint4 *)(w + 8 * args.depth + k);
        const uint32_t a[4] = {top.x, bottom.x, top.y, bottom.y};
        const uint32_t b[4] = {top.z, bottom.z, top.w, bottom.w};
#pragma unroll
        for (int tile = 0; tile < N_TILES; tile++) {
            int64_t row = first_row + tile * TILE_ROWS + g;
            uint4 v = {0, 0, 0, 0};
            if (row < args.n_rows)
                v = load_8_bf16(x + row * args.n_in, k, args.n_in);
            mma_bf16(sums[tile], a, v.x, v.y);
            mma_bf16(sums[tile], b, v.z, v.w);
        }
    }
    for (int tile = 0; tile < N_TILES; tile++) {
        float *part = parts + (warp * N_TILES + tile) * OUTPUT_MULTIPLE * TILE_ROWS;
        for (int i = 0; i < 4; i++)
            part[(2 * t + i % 2) * OUTPUT_MULTIPLE + g + i / 2 * 8] = sums[tile][i];
    }
    __syncthreads();
    constexpr int PART = N_TILES * OUTPUT_MULTIPLE * TILE_ROWS;
    for (int i = threadIdx.x; i < PART; i += ROWS_THREADS) {
        int64_t row = first_row + i / OUTPUT_MULTIPLE, out = first_out + i % OUTPUT_MULTIPLE;
        if (row >= args.n_rows || out >= args.n_out)
            continue;
        float sum = 0.0f;
        for (int j = 0; j < ROWS_WARPS; j++)
            sum += parts[j * PART + i];
        float *y = args.y + row * args.n_out + out;
        *y = args.accumulate ? *y + sum : sum;
    }
}

/* A warp per output, F32_ROWS rows at a time. */
__global__ void __launch_bounds__(ROWS_THREADS) rows_f32_kernel(rows_args args)
{
    int lane = threadIdx.x % WARP;
    int64_t out = (int64_t)blockIdx.x * ROWS_WARPS + threadIdx.x / WARP;
    if (out >= args.n_out)
        return;
    const float *w = (const float *)args.weight + out * args.depth;
    int64_t first = (int64_t)blockIdx.y * F32_ROWS;
    float sums[F32_ROWS] = {};
    for (int64_t k = lane; k < args.n_in; k += WARP) {
        float weight = w[k];
        for (int i = 0; i < F32_ROWS; i++) {
            if (first + i < args.n_rows)
                sums[i] =
                    fmaf(weight, ((const float *)args.x)[(first + i) * args.n_in + k], sums[i]);
        }
    }
    for (int i = 0; i < F32_ROWS; i++) {
        float sum = warp_sum(sums[i]);
        if (lane == 0 && first + i < args.n_rows) {
            float *y = args.y + (first + i) * args.n_out + out;
            *y = args.accumulate ? *y + sum : sum;
        }
    }
}

template <int N_TILES> static void launch_bf16(yoco_device *device, const rows_args &args)
{
    dim3 grid((unsigned)yoco_div_up(args.n_out, OUTPUT_MULTIPLE),
              (unsigned)yoco_div_up(args.n_rows, N_TILES * TILE_ROWS));
    size_t shared = sizeof(float) * ROWS_WARPS * N_TILES * OUTPUT_MULTIPLE * TILE_ROWS;
    YOCO_LAUNCH(rows_bf16_kernel<N_TILES>, grid, ROWS_THREADS, shared, device->stream, args);
}

void yoco_cuda_linear_rows(yoco_device *device, const yoco_linear_args *linear)
{
    const yoco_weight *weight = linear->weight;
    rows_args args = {linear->n_rows, weight->n_in, weight->n_out, weight->depth,
                      weight->data,   linear->x,    linear->y,     linear->accumulate};
    if (weight->dtype == YOCO_BF16 && args.n_rows <= TILE_ROWS) {
        launch_bf16<1>(device, args);
    } else if (weight->dtype == YOCO_BF16) {
        launch_bf16<8>(device, args);
    } else {
        dim3 grid((unsigned)yoco_div_up(args.n_out, ROWS_WARPS),
                  (unsigned)yoco_div_up(args.n_rows, F32_ROWS));
        YOCO_LAUNCH(rows_f32_kernel, grid, ROWS_THREADS, 0, device->stream, args);
    }
}
