/* A warp's 16 rows of queries against a tile of 64 keys, between the two products: what the kernels
 * of attention on tensor cores do that take a whole tile at once. */
#ifndef YOCO_CUDA_SOFTMAX_ROWS_CUH
#define YOCO_CUDA_SOFTMAX_ROWS_CUH

#include "kernels/cuda/tiles.cuh"

/* What a lane holds of its two rows, g and g + 8 of the warp's 16. */
template <int DIM> struct softmax_rows {
    float out[DIM / 8][4];
    float max[2], sum[2];
};

/* Scores of row g + 8 * half become weights; it sees columns begin .. end. Not MASKED: all. */
template <int DIM, bool MASKED>
__device__ inline void row_weights(int half, int begin, int end, float (&scores)[8][4],
                                   softmax_rows<DIM> *rows)
{
    int t = threadIdx.x % 4;
    float top = -INFINITY;
#pragma unroll
    for (int i = 0; i < 16; i++) {
        int column = i / 2 * 8 + 2 * t + i % 2;
        bool visible = !MASKED || (column >= begin && column <= end);
        float *score = &scores[i / 2][2 * half + i % 2];
        top = visible ? fmaxf(top, *score) : top;
    }
    float factor = raise_max(quad_max(top), &rows->max[half]);
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < 16; i++) {
        int column = i / 2 * 8 + 2 * t + i % 2;
        bool visible = !MASKED || (column >= begin && column <= end);
        float *score = &scores[i / 2][2 * half + i % 2];
        *score = visible ? exp2f(*score - rows->max[half]) : 0.0f;
        sum += *score;
    }
    rows->sum[half] = rows->sum[half] * factor + sum;
#pragma unroll
    for (int i = 0; i < DIM / 8; i++) {
        rows->out[i][2 * half] *= factor;
        rows->out[i][2 * half + 1] *= factor;
    }
}

#endif
