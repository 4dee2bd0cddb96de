/* Window attention of prefill by products of a warpgroup: the walk of window_tiles.cu, whose 64
 * queries of a head are one product for four warps: queries and weights from registers, keys and
 * values from shared memory, where the bulk copy engine brings them. Two blocks of threads share a
 * multiprocessor: one's weights are computed during the other's products.
 *
 * Sums are those of window_tiles.cu in the same order. A tile that some rows do not see adds exact
 * zeros to theirs. */
#include "kernels/cuda/bulk_copy.cuh"
#include "kernels/cuda/window_tiles.cuh"

constexpr int TILE_SIZE = TILE_KEYS * SWIZZLE_COLUMNS; /* elements */

/* Tiles of 64 columns side by side. */
template <int DIM> struct swizzled_rows {
    uint16_t tile[DIM / SWIZZLE_COLUMNS][TILE_SIZE];
};

template <int DIM> struct warpgroup_memory {
    swizzled_rows<DIM> k[WINDOW_STAGES], v[WINDOW_STAGES];
    uint64_t arrived[WINDOW_STAGES];
};

/* A warp's 16 queries, as fragments of 16 columns. */
template <int DIM> struct query_fragments {
    uint32_t part[DIM / 16][Q_PARTS][4];
};

/* Sixteen columns of the rows, from `column` on. */
template <int DIM>
__device__ static uint64_t describe_rows(const swizzled_rows<DIM> &rows, int column)
{
    return matrix_descriptor(rows.tile[column / SWIZZLE_COLUMNS] + column % SWIZZLE_COLUMNS, 0);
}

/* Sixteen rows of all columns, from `row` on. */
template <int DIM>
__device__ static uint64_t describe_columns(const swizzled_rows<DIM> &rows, int row)
{
    return matrix_descriptor(rows.tile[0] + row * SWIZZLE_COLUMNS, sizeof rows.tile[0]);
}

/* The warp's queries from `first` on, scaled and split; in place of one past the last, whose result
 * nobody takes, the last. */
template <int DIM>
__device__ static void load_queries(const yoco_window_args &args, int64_t first, int head,
                                    query_fragments<DIM> *q)
{
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
    const float *rows[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int64_t row = first + g + 8 * half;
        row = row < args.q_end ? row : args.q_end - 1;
        rows[half] = args.q + (row * args.n_heads + head) * DIM + 2 * t;
    }
#pragma unroll
    for (int i = 0; i < DIM / 4; i++) {
        float2 x = *(const float2 *)(rows[i % 2] + i / 2 * 8);
        uint32_t parts[Q_PARTS];
        split_pair<Q_PARTS>(x.x * args.scale_log2, x.y * args.scale_log2, parts);
#pragma unroll
        for (int part = 0; part < Q_PARTS; part++)
            q->part[i / 4][part][i % 4] = parts[part];
    }
}

/* Begins to copy 64 keys and values of a head, from a row of the maps on; by one thread. */
template <int DIM>
__device__ static void copy_stage(const CUtensorMap *k, const CUtensorMap *v, int row, int kv_head,
                                  int stage, warpgroup_memory<DIM> *m)
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

template <int DIM>
__device__ static void tile_scores(const query_fragments<DIM> &q, const swizzled_rows<DIM> &k,
                                   float (&scores)[8][4])
{
    wgmma_fence(scores);
#pragma unroll
    for (int column = 0; column < DIM; column += 16) {
#pragma unroll
        for (int part = Q_PARTS - 1; part >= 0; part--)
            wgmma_rows(scores, q.part[column / 16][part], describe_rows(k, column));
    }
    wgmma_commit();
    wgmma_wait(scores);
}

template <int DIM>
__device__ static void tile_values(const swizzled_rows<DIM> &v, const float (&weights)[8][4],
                                   window_rows<DIM> *rows)
{
    uint32_t a[TILE_KEYS / 16][P_PARTS][4];
#pragma unroll
    for (int i = 0; i < TILE_KEYS / 4; i++) {
        const float *from = weights[i / 2] + i % 2 * 2;
        uint32_t parts[P_PARTS];
        split_pair<P_PARTS>(from[0], from[1], parts);
#pragma unroll
        for (int part = 0; part < P_PARTS; part++)
            a[i / 4][part][i % 4] = parts[part];
    }
    wgmma_fence(rows->out);
#pragma unroll
    for (int keys = 0; keys < TILE_KEYS / 16; keys++) {
#pragma unroll
        for (int part = P_PARTS - 1; part >= 0; part--)
            wgmma_columns(rows->out, a[keys][part], describe_columns(v, 16 * keys));
    }
    wgmma_commit();
    wgmma_wait(rows->out);
}

/* The maps begin at row `first_key` of K and V. */
template <int DIM>
__global__ void __launch_bounds__(WINDOW_THREADS, 2)
    window_sm90a_kernel(yoco_window_args args, const __grid_constant__ CUtensorMap k_map,
                        const __grid_constant__ CUtensorMap v_map, int64_t first_key)
{
    YOCO_SHARED_TILES(shared);
    warpgroup_memory<DIM> *m = (warpgroup_memory<DIM> *)shared;
    int head = blockIdx.y, warp_row = threadIdx.x / WARP * 16, g = threadIdx.x % WARP / 4;
    int kv_head = head / (args.n_heads / args.n_kv_heads);
    int64_t first = args.q_begin + (int64_t)blockIdx.x * WINDOW_QUERIES;
    int64_t n = args.q_end - first < WINDOW_QUERIES ? args.q_end - first : WINDOW_QUERIES;
    int64_t begin = args.n_edge + first - args.window + 1, end = args.n_edge + first + n;
    int64_t key = (begin > 0 ? begin : 0) / TILE_KEYS * TILE_KEYS;
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < WINDOW_STAGES; stage++)
            barrier_init(&m->arrived[stage]);
        fence_barrier_init();
        copy_stage<DIM>(&k_map, &v_map, (int)(key - first_key), kv_head, 0, m);
    }
    query_fragments<DIM> q;
    load_queries<DIM>(args, first + warp_row, head, &q);
    window_rows<DIM> rows = {};
    rows.max[0] = rows.max[1] = -INFINITY;
    __syncthreads();
    for (int tile = 0; key < end; key += TILE_KEYS, tile++) {
        int stage = tile % WINDOW_STAGES;
        if (threadIdx.x == 0 && key + TILE_KEYS < end)
            copy_stage<DIM>(&k_map, &v_map, (int)(key + TILE_KEYS - first_key), kv_head, stage ^ 1,
                            m);
        barrier_wait(&m->arrived[stage], tile / WINDOW_STAGES % 2);
        /* The last column that the warp's first row sees; its last row sees 15 more. */
        int last = (int)(args.n_edge + first + warp_row - key);
        float scores[8][4] = {};
        tile_scores<DIM>(q, m->k[stage], scores);
        if (last >= TILE_KEYS - 1 && last + 15 - args.window + 1 <= 0)
            tile_weights<DIM, false>(last + g, args.window, scores, &rows);
        else
            tile_weights<DIM, true>(last + g, args.window, scores, &rows);
        tile_values<DIM>(m->v[stage], scores, &rows);
        __syncthreads();
    }
    store_rows<DIM>(args, first + warp_row, head, rows);
}

/* The keys that any of the queries sees, and no others, lie in the maps: other rows may not be
 * written yet. */
template <int DIM>
static bool launch_window_sm90a(yoco_device *device, const yoco_window_args *args)
{
    dim3 grid((unsigned)yoco_div_up(args->q_end - args->q_begin, WINDOW_QUERIES),
              (unsigned)args->n_heads);
    int64_t begin = yoco_i64_max(0, args->n_edge + args->q_begin - args->window + 1);
    int64_t n = args->n_edge + args->q_end - begin, row_size = (int64_t)args->n_kv_heads * DIM;
    CUtensorMap k, v;
    if (sizeof(warpgroup_memory<DIM>) > device->shared_limit)
        return false;
    if (yoco_cuda_tile_map(device, (const uint16_t *)args->k + begin * row_size, n, row_size,
                           TILE_KEYS, &k) &&
        yoco_cuda_tile_map(device, (const uint16_t *)args->v + begin * row_size, n, row_size,
                           TILE_KEYS, &v))
        YOCO_LAUNCH_ON(90, window_sm90a_kernel<DIM>, grid, WINDOW_THREADS,
                       sizeof(warpgroup_memory<DIM>), device->stream, *args, k, v, begin);
    return true;
}

bool yoco_cuda_window_sm90a(yoco_device *device, const yoco_window_args *args)
{
    if (device->capability != 90)
        return false;
    switch (args->head_dim) {
    case 64:
        return launch_window_sm90a<64>(device, args);
    case 128:
        return launch_window_sm90a<128>(device, args);
    default:
        return false;
    }
}
