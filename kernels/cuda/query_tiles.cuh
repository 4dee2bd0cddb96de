/* 64 queries of a head against tiles of 64 keys on tensor cores, a warp 16 of them: what the
 * kernels of a chunk's attention share. Queries and weights are split into two bf16 numbers, 16
 * bits, since the output is bf16. */
#ifndef YOCO_CUDA_QUERY_TILES_CUH
#define YOCO_CUDA_QUERY_TILES_CUH

#include "kernels/cuda/softmax_rows.cuh"

constexpr int QUERY_TILE = 64;
constexpr int QUERY_THREADS = 128;
constexpr int QUERY_STAGES = 2;
constexpr int Q_PARTS = 2;
constexpr int P_PARTS = 2;

/* Queries before `end`, and where their outputs go. */
struct query_rows {
    const float *q; /* (end, n_heads, DIM) */
    int64_t end;
    int n_heads;
    float scale_log2;
    yoco_dtype out_dtype;
    void *out; /* as q */
};

template <int DIM> struct query_memory {
    uint16_t q[Q_PARTS][QUERY_TILE * tile_shape<DIM>::STRIDE];
    uint16_t k[QUERY_STAGES][tile_shape<DIM>::KEYS_SIZE];
    uint16_t v[QUERY_STAGES][tile_shape<DIM>::KEYS_SIZE];
};

/* The block's queries, scaled and split; 0 past the last. */
template <int DIM>
__device__ inline void load_queries(const query_rows &rows, int64_t first, int head,
                                    query_memory<DIM> *m)
{
    constexpr int QUADS = DIM / 4, ROWS = QUERY_THREADS / QUADS;
    int own_row = threadIdx.x / QUADS, column = threadIdx.x % QUADS * 4;
    int n_rows = rows.end - first < QUERY_TILE ? (int)(rows.end - first) : QUERY_TILE;
    int row_size = rows.n_heads * DIM;
    const float *q = rows.q + (first * rows.n_heads + head) * DIM + column;
#pragma unroll 8
    for (int i = 0; i < QUERY_TILE; i += ROWS) {
        int row = i + own_row;
        float4 x = {0.0f, 0.0f, 0.0f, 0.0f};
        if (row < n_rows)
            x = *(const float4 *)(q + row * row_size);
        uint32_t low[Q_PARTS], high[Q_PARTS];
        split_pair<Q_PARTS>(x.x * rows.scale_log2, x.y * rows.scale_log2, low);
        split_pair<Q_PARTS>(x.z * rows.scale_log2, x.w * rows.scale_log2, high);
#pragma unroll
        for (int part = 0; part < Q_PARTS; part++)
            *(uint2 *)(m->q[part] + row * tile_shape<DIM>::STRIDE + column) = {low[part],
                                                                               high[part]};
    }
}

template <int DIM>
__device__ inline void tile_scores(const query_memory<DIM> *m, int stage, int row,
                                   float (&scores)[8][4])
{
    constexpr int STRIDE = tile_shape<DIM>::STRIDE;
#pragma unroll
    for (int column = 0; column < DIM; column += 16) {
        uint32_t a[Q_PARTS][4], b[4];
#pragma unroll
        for (int part = 0; part < Q_PARTS; part++)
            load_a(a[part], m->q[part], STRIDE, row, column);
#pragma unroll
        for (int keys = 0; keys < 4; keys++) {
            load_b(b, m->k[stage], STRIDE, 16 * keys, column);
#pragma unroll
            for (int part = Q_PARTS - 1; part >= 0; part--) {
                mma_bf16(scores[2 * keys], a[part], b[0], b[1]);
                mma_bf16(scores[2 * keys + 1], a[part], b[2], b[3]);
            }
        }
    }
}

template <int DIM>
__device__ inline void tile_values(const query_memory<DIM> *m, int stage,
                                   const float (&weights)[8][4], float (&out)[DIM / 8][4])
{
#pragma unroll
    for (int keys = 0; keys < 4; keys++) {
        uint32_t a[P_PARTS][4], b[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float *from = weights[2 * keys + i / 2] + i % 2 * 2;
            uint32_t parts[P_PARTS];
            split_pair<P_PARTS>(from[0], from[1], parts);
#pragma unroll
            for (int part = 0; part < P_PARTS; part++)
                a[part][i] = parts[part];
        }
#pragma unroll
        for (int column = 0; column < DIM; column += 16) {
            load_b_trans(b, m->v[stage], tile_shape<DIM>::STRIDE, 16 * keys, column);
#pragma unroll
            for (int part = P_PARTS - 1; part >= 0; part--) {
                mma_bf16(out[column / 8], a[part], b[0], b[1]);
                mma_bf16(out[column / 8 + 1], a[part], b[2], b[3]);
            }
        }
    }
}

template <int DIM>
__device__ inline void store_rows(const query_rows &q, int64_t first, int head,
                                  const softmax_rows<DIM> &rows)
{
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int64_t row = first + g + 8 * half;
        float sum = quad_sum(rows.sum[half]);
        if (row >= q.end)
            continue;
        int64_t at = (row * q.n_heads + head) * DIM + 2 * t;
        float inverse = 1.0f / sum;
#pragma unroll
        for (int i = 0; i < DIM / 8; i++) {
            float low = rows.out[i][2 * half] * inverse, high = rows.out[i][2 * half + 1] * inverse;
            if (q.out_dtype == YOCO_BF16)
                *(uint32_t *)((uint16_t *)q.out + at + 8 * i) = f32_to_bf16_pair(low, high);
            else
                *(float2 *)((float *)q.out + at + 8 * i) = {low, high};
        }
    }
}

#endif
