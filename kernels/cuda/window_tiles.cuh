/* What the kernels of window attention on tensor cores share: a warp's 16 rows of queries against a
 * tile of 64 keys, between the two products. */
#ifndef YOCO_CUDA_WINDOW_TILES_CUH
#define YOCO_CUDA_WINDOW_TILES_CUH

#include "kernels/cuda/softmax_rows.cuh"
#include "kernels/cuda/window.cuh"

constexpr int WINDOW_QUERIES = 64;
constexpr int WINDOW_THREADS = 128;
constexpr int WINDOW_STAGES = 2;
constexpr int Q_PARTS = 2;
constexpr int P_PARTS = 2;

/* Scores of a tile become weights. `last`: the last column that row g sees; row g + 8 sees 8 more.
 * Not MASKED: all rows see all columns. */
template <int DIM, bool MASKED>
__device__ inline void tile_weights(int last, int window, float (&scores)[8][4],
                                    softmax_rows<DIM> *rows)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int end = last + 8 * half;
        row_weights<DIM, MASKED>(half, end - window + 1, end, scores, rows);
    }
}

template <int DIM>
__device__ inline void store_rows(const yoco_window_args &args, int64_t first, int head,
                                  const softmax_rows<DIM> &rows)
{
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int64_t row = first + g + 8 * half;
        float sum = quad_sum(rows.sum[half]);
        if (row >= args.q_end)
            continue;
        int64_t at = (row * args.n_heads + head) * DIM + 2 * t;
        float inverse = 1.0f / sum;
#pragma unroll
        for (int i = 0; i < DIM / 8; i++) {
            float low = rows.out[i][2 * half] * inverse, high = rows.out[i][2 * half + 1] * inverse;
            if (args.out_dtype == YOCO_BF16)
                *(uint32_t *)((uint16_t *)args.out + at + 8 * i) = f32_to_bf16_pair(low, high);
            else
                *(float2 *)((float *)args.out + at + 8 * i) = {low, high};
        }
    }
}

/* By products of a warpgroup. False where the GPU has none, or for other heads than 64 and 128. */
bool yoco_cuda_window_sm90a(yoco_device *device, const yoco_window_args *args);

#endif
