/* Gated retention of prefill on tensor cores: what its two kernels share. Inputs stay f32: every
 * number is split into three bf16, and of their nine products the six that matter are summed. */
#ifndef YOCO_CUDA_RETENTION_TILES_CUH
#define YOCO_CUDA_RETENTION_TILES_CUH

#include "kernels/cuda/retention.cuh"
#include "kernels/cuda/tiles.cuh"

constexpr int PARTS = 3;

template <int DIM, int ROWS> struct split_tile {
    uint16_t part[PARTS][ROWS * tile_shape<DIM>::STRIDE];
};

/* A thread's share of ROWS rows of f32, which all of a block's THREADS load together. */
template <int DIM, int ROWS, int THREADS> struct rows_share {
    static const int QUADS = DIM / 4, STEP = THREADS / QUADS, EACH = ROWS / STEP;
    float4 x[EACH];
};

/* Begins to load, all of a thread's loads at once; zeros from row n on. */
template <int DIM, int ROWS, int THREADS>
__device__ inline void load_rows(rows_share<DIM, ROWS, THREADS> *share, const float *rows,
                                 int row_size, int n)
{
    typedef rows_share<DIM, ROWS, THREADS> shape;
    int first = threadIdx.x / shape::QUADS, column = threadIdx.x % shape::QUADS * 4;
#pragma unroll
    for (int i = 0; i < shape::EACH; i++) {
        int row = first + i * shape::STEP;
        share->x[i] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (row < n)
            share->x[i] = *(const float4 *)(rows + row * row_size + column);
    }
}

template <int DIM, int ROWS, int THREADS>
__device__ inline void store_split(const rows_share<DIM, ROWS, THREADS> &share,
                                   split_tile<DIM, ROWS> *tile)
{
    typedef rows_share<DIM, ROWS, THREADS> shape;
    int first = threadIdx.x / shape::QUADS, column = threadIdx.x % shape::QUADS * 4;
#pragma unroll
    for (int i = 0; i < shape::EACH; i++) {
        uint32_t low[PARTS], high[PARTS];
        split_pair<PARTS>(share.x[i].x, share.x[i].y, low);
        split_pair<PARTS>(share.x[i].z, share.x[i].w, high);
        int at = (first + i * shape::STEP) * tile_shape<DIM>::STRIDE + column;
#pragma unroll
        for (int part = 0; part < PARTS; part++)
            *(uint2 *)(tile->part[part] + at) = {low[part], high[part]};
    }
}

/* Pair i of a fragment of 16 x 16. */
__device__ inline void split_into(float low, float high, int i, uint32_t (&a)[PARTS][4])
{
    uint32_t parts[PARTS];
    split_pair<PARTS>(low, high, parts);
#pragma unroll
    for (int part = 0; part < PARTS; part++)
        a[part][i] = parts[part];
}

/* Two products of 16 x 8 with split factors, the smallest parts first; b is that of load_b. */
__device__ inline void multiply(float (&left)[4], float (&right)[4], const uint32_t (&a)[PARTS][4],
                                const uint32_t (&b)[PARTS][4])
{
#pragma unroll
    for (int both = PARTS - 1; both >= 0; both--) {
#pragma unroll
        for (int i = 0; i <= both; i++) {
            mma_bf16(left, a[i], b[both - i][0], b[both - i][1]);
            mma_bf16(right, a[i], b[both - i][2], b[both - i][3]);
        }
    }
}

/* out (16 x DIM) += a (16 x 16) times rows row .. row + 15 of the tile. */
template <int DIM, int ROWS>
__device__ inline void add_values(float (&out)[DIM / 8][4], const uint32_t (&a)[PARTS][4],
                                  const split_tile<DIM, ROWS> &tile, int row)
{
#pragma unroll
    for (int column = 0; column < DIM; column += 16) {
        uint32_t b[PARTS][4];
#pragma unroll
        for (int part = 0; part < PARTS; part++)
            load_b_trans(b[part], tile.part[part], tile_shape<DIM>::STRIDE, row, column);
        multiply(out[column / 8], out[column / 8 + 1], a, b);
    }
}

/* Whether a kernel that reads 16 bytes of the inputs at once can have so much shared memory. */
static inline bool retention_tiles_fit(const yoco_device *device, const yoco_retention_args *args,
                                       size_t bytes)
{
    return bytes <= device->shared_limit && is_aligned(args->q, 16) && is_aligned(args->k, 16) &&
           is_aligned(args->v, 16) && is_aligned(args->state, 16) && is_aligned(args->out, 8);
}

#endif
