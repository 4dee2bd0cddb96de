/* Tiles of bf16 in shared memory and the fragments of tensor cores that come from them.
 *
 * Inputs in f32 are split into two or three bf16 numbers whose sum they are (to 16 or 24 bits), so
 * that products on tensor cores keep the precision that the ops promise. A tile's rows are padded
 * by 16 bytes: then the 8 rows that ldmatrix reads at once lie in different banks. */
#ifndef YOCO_CUDA_TILES_CUH
#define YOCO_CUDA_TILES_CUH

#include "kernels/cuda/values.cuh"

constexpr int TILE_KEYS = 64;
constexpr int TILE_PAD = 8;

template <int DIM> struct tile_shape {
    static const int STRIDE = DIM + TILE_PAD;
    static const int KEYS_SIZE = TILE_KEYS * STRIDE; /* elements of a tile of 64 rows */
};

/* x = sum of parts, but for what is left after the last. */
template <int N> __device__ inline void split(float x, uint16_t (&parts)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++) {
        parts[i] = f32_to_bf16(x);
        x -= bf16_to_f32(parts[i]);
    }
}

/* Two neighbours, for a fragment. */
template <int N> __device__ inline void split_pair(float low, float high, uint32_t (&parts)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++) {
        parts[i] = f32_to_bf16_pair(low, high);
        low -= __uint_as_float(parts[i] << 16);
        high -= __uint_as_float(parts[i] & 0xffff0000u);
    }
}

/* a: rows row.. row+15 and columns column.. column+15 of a tile. */
__device__ inline void load_a(uint32_t (&a)[4], const uint16_t *tile, int stride, int row,
                              int column)
{
    int lane = threadIdx.x % WARP;
    ldmatrix_x4(a, tile + (row + lane % 16) * stride + column + lane / 16 * 8);
}

/* The same of the tile's transpose: a's row i is the tile's column. */
__device__ inline void load_a_trans(uint32_t (&a)[4], const uint16_t *tile, int stride, int row,
                                    int column)
{
    int lane = threadIdx.x % WARP, matrix = lane / 8;
    ldmatrix_x4_trans(a,
                      tile + (column + matrix / 2 * 8 + lane % 8) * stride + row + matrix % 2 * 8);
}

/* b for two products: their columns are rows row.. row+7 and row+8.. row+15 of the tile, their
 * depth its columns column.. column+15. */
__device__ inline void load_b(uint32_t (&b)[4], const uint16_t *tile, int stride, int row,
                              int column)
{
    int lane = threadIdx.x % WARP;
    ldmatrix_x4(b, tile + (row + lane % 8 + lane / 16 * 8) * stride + column + lane / 8 % 2 * 8);
}

/* The same where depth runs along the tile's rows and the products' columns along its columns. */
__device__ inline void load_b_trans(uint32_t (&b)[4], const uint16_t *tile, int stride, int row,
                                    int column)
{
    int lane = threadIdx.x % WARP;
    ldmatrix_x4_trans(b, tile + (row + lane % 16) * stride + column + lane / 16 * 8);
}

/* Begins to copy 64 rows, `row_size` elements apart, by all of the block's THREADS; rows from
 * `begin` to `end` - 1 alone, zeros for the others. One piece of code without branches. */
template <int DIM, int THREADS>
__device__ inline void copy_tile(uint16_t *tile, const uint16_t *rows, int row_size, int begin,
                                 int end)
{
    constexpr int CHUNKS = DIM / 8;
    int first = threadIdx.x / CHUNKS, column = threadIdx.x % CHUNKS * 8;
    int from = first * row_size + column;
    uint16_t *to = tile + first * tile_shape<DIM>::STRIDE + column;
#pragma unroll
    for (int i = 0; i < TILE_KEYS; i += THREADS / CHUNKS) {
        bool valid = first + i >= begin && first + i < end;
        cp_async_16(to + i * tile_shape<DIM>::STRIDE, rows + (valid ? from + i * row_size : 0),
                    valid);
    }
}

/* The maximum of a row rises to that of `scores_max`, an integer; gives the factor for what was
 * summed under the old one. NaN does not raise it. */
__device__ inline float raise_max(float scores_max, float *max)
{
    float raised = fmaxf(*max, ceilf(scores_max) + 0.0f); /* + 0: -0 becomes 0 */
    float factor = raised > *max ? power_of_two(*max - raised) : 1.0f;
    *max = raised;
    return factor;
}

/* The maximum and the sum over the four lanes that share a fragment's row. */
__device__ inline float quad_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}

__device__ inline float quad_sum(float x)
{
    x += __shfl_xor_sync(ALL_LANES, x, 1);
    return x + __shfl_xor_sync(ALL_LANES, x, 2);
}

#endif
