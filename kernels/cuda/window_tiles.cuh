/* What the kernels of window attention on tensor cores share. */
#ifndef YOCO_CUDA_WINDOW_TILES_CUH
#define YOCO_CUDA_WINDOW_TILES_CUH

#include "kernels/cuda/query_tiles.cuh"
#include "kernels/cuda/window.cuh"

__device__ inline query_rows rows_of(const yoco_window_args &args)
{
    return {args.q, args.q_end, args.n_heads, args.scale_log2, args.out_dtype, args.out};
}

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

/* By products of a warpgroup. False where the GPU has none, or for other heads than 64 and 128. */
bool yoco_cuda_window_sm90a(yoco_device *device, const yoco_window_args *args);

#endif
