/* Attention of 64 rows of queries by products of a warpgroup: queries and weights from registers,
 * keys and values from shared memory, where the bulk copy engine brings tiles of 64 of them. */
#ifndef YOCO_CUDA_WARPGROUP_TILES_CUH
#define YOCO_CUDA_WARPGROUP_TILES_CUH

#include "kernels/cuda/bulk_copy.cuh"
#include "kernels/cuda/softmax_rows.cuh"

constexpr int WARPGROUP_ROWS = 64;
constexpr int WARPGROUP_THREADS = 128;

/* Tiles of 64 columns side by side. */
template <int DIM> struct swizzled_rows {
    uint16_t tile[DIM / SWIZZLE_COLUMNS][TILE_KEYS * SWIZZLE_COLUMNS];
};

template <int DIM, int STAGES> struct warpgroup_memory {
    swizzled_rows<DIM> k[STAGES], v[STAGES];
    uint64_t arrived[STAGES];
};

/* A warp's 16 queries in PARTS, as fragments of 16 columns. */
template <int DIM, int PARTS> struct query_fragments {
    uint32_t part[DIM / 16][PARTS][4];
};

/* Sixteen columns of the rows, from `column` on. */
template <int DIM>
__device__ inline uint64_t describe_rows(const swizzled_rows<DIM> &rows, int column)
{
    return matrix_descriptor(rows.tile[column / SWIZZLE_COLUMNS] + column % SWIZZLE_COLUMNS, 0);
}

/* Sixteen rows of all columns, from `row` on. */
template <int DIM>
__device__ inline uint64_t describe_columns(const swizzled_rows<DIM> &rows, int row)
{
    return matrix_descriptor(rows.tile[0] + row * SWIZZLE_COLUMNS, sizeof rows.tile[0]);
}

/* A lane's two rows of queries, each from its column 2t on, scaled and split. */
template <int DIM, int PARTS>
__device__ inline void split_queries(const float *const (&rows)[2], float scale,
                                     query_fragments<DIM, PARTS> *q)
{
#pragma unroll
    for (int i = 0; i < DIM / 4; i++) {
        float2 x = *(const float2 *)(rows[i % 2] + i / 2 * 8);
        uint32_t parts[PARTS];
        split_pair<PARTS>(x.x * scale, x.y * scale, parts);
#pragma unroll
        for (int part = 0; part < PARTS; part++)
            q->part[i / 4][part][i % 4] = parts[part];
    }
}

/* Before the first copy, by one thread; the others meet it at a barrier. */
template <int DIM, int STAGES> __device__ inline void begin_stages(warpgroup_memory<DIM, STAGES> *m)
{
    for (int stage = 0; stage < STAGES; stage++)
        barrier_init(&m->arrived[stage]);
    fence_barrier_init();
}

/* Begins to copy 64 keys and values of a head, from a row of the maps on; by one thread. */
template <int DIM, int STAGES>
__device__ inline void copy_stage(const CUtensorMap *k, const CUtensorMap *v, int row, int kv_head,
                                  int stage, warpgroup_memory<DIM, STAGES> *m)
{
    uint64_t *arrived = &m->arrived[stage];
    barrier_expect(arrived, sizeof m->k[stage] + sizeof m->v[stage]);
#pragma unroll
    for (int i = 0; i < DIM / SWIZZLE_COLUMNS; i++) {
        int column = kv_head * DIM + i * SWIZZLE_COLUMNS;
        bulk_copy_tile(m->k[stage].tile[i], k, row, column, arrived);
        bulk_copy_tile(m->v[stage].tile[i], v, row, column, arrived);
    }
}

template <int DIM, int PARTS>
__device__ inline void tile_scores(const query_fragments<DIM, PARTS> &q,
                                   const swizzled_rows<DIM> &k, float (&scores)[8][4])
{
    wgmma_fence(scores);
#pragma unroll
    for (int column = 0; column < DIM; column += 16) {
#pragma unroll
        for (int part = PARTS - 1; part >= 0; part--)
            wgmma_rows(scores, q.part[column / 16][part], describe_rows(k, column));
    }
    wgmma_commit();
    wgmma_wait(scores);
}

template <int DIM, int PARTS>
__device__ inline void tile_values(const swizzled_rows<DIM> &v, const float (&weights)[8][4],
                                   softmax_rows<DIM> *rows)
{
    uint32_t a[TILE_KEYS / 16][PARTS][4];
#pragma unroll
    for (int i = 0; i < TILE_KEYS / 4; i++) {
        const float *from = weights[i / 2] + i % 2 * 2;
        uint32_t parts[PARTS];
        split_pair<PARTS>(from[0], from[1], parts);
#pragma unroll
        for (int part = 0; part < PARTS; part++)
            a[i / 4][part][i % 4] = parts[part];
    }
    wgmma_fence(rows->out);
#pragma unroll
    for (int keys = 0; keys < TILE_KEYS / 16; keys++) {
#pragma unroll
        for (int part = PARTS - 1; part >= 0; part--)
            wgmma_columns(rows->out, a[keys][part], describe_columns(v, 16 * keys));
    }
    wgmma_commit();
    wgmma_wait(rows->out);
}

#endif
