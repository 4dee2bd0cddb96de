/* Window attention of prefill on tensor cores: a block takes 64 queries of one head, a warp 16 of
 * them, and walks over tiles of 64 keys, the next one on its way while one is used.
 *
 * Tiles of keys lie on a grid of rows of K itself and a row's maximum is an integer, so that
 * rescaling is exact; keys outside a query's window weigh exactly 0. A query's bits depend on its
 * row and on n_edge, not on which queries share the call. Rows that no query of the block sees are
 * not read: they may not be written yet. */
#include "kernels/cuda/window_tiles.cuh"

template <int DIM> struct window_memory {
    uint16_t q[Q_PARTS][WINDOW_QUERIES * tile_shape<DIM>::STRIDE];
    uint16_t k[WINDOW_STAGES][tile_shape<DIM>::KEYS_SIZE];
    uint16_t v[WINDOW_STAGES][tile_shape<DIM>::KEYS_SIZE];
};

/* The block's queries, scaled and split; 0 past the last. */
template <int DIM>
__device__ static void load_queries(const yoco_window_args &args, int64_t first, int head,
                                    window_memory<DIM> *m)
{
    constexpr int QUADS = DIM / 4, ROWS = WINDOW_THREADS / QUADS;
    int own_row = threadIdx.x / QUADS, column = threadIdx.x % QUADS * 4;
    int n_rows = args.q_end - first < WINDOW_QUERIES ? (int)(args.q_end - first) : WINDOW_QUERIES;
    int row_size = args.n_heads * DIM;
    const float *q = args.q + (first * args.n_heads + head) * DIM + column;
#pragma unroll 8
    for (int i = 0; i < WINDOW_QUERIES; i += ROWS) {
        int row = i + own_row;
        float4 x = {0.0f, 0.0f, 0.0f, 0.0f};
        if (row < n_rows)
            x = *(const float4 *)(q + row * row_size);
        uint32_t low[Q_PARTS], high[Q_PARTS];
        split_pair<Q_PARTS>(x.x * args.scale_log2, x.y * args.scale_log2, low);
        split_pair<Q_PARTS>(x.z * args.scale_log2, x.w * args.scale_log2, high);
#pragma unroll
        for (int part = 0; part < Q_PARTS; part++)
            *(uint2 *)(m->q[part] + row * tile_shape<DIM>::STRIDE + column) = {low[part],
                                                                               high[part]};
    }
}

template <int DIM>
__device__ static void tile_scores(const window_memory<DIM> *m, int stage, int row,
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
__device__ static void tile_values(const window_memory<DIM> *m, int stage,
                                   const float (&weights)[8][4], softmax_rows<DIM> *rows)
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
                mma_bf16(rows->out[column / 8], a[part], b[0], b[1]);
                mma_bf16(rows->out[column / 8 + 1], a[part], b[2], b[3]);
            }
        }
    }
}

template <int DIM>
__global__ void __launch_bounds__(WINDOW_THREADS) window_tiles_kernel(yoco_window_args args)
{
    YOCO_SHARED(shared);
    window_memory<DIM> *m = (window_memory<DIM> *)shared;
    int head = blockIdx.y, warp_row = threadIdx.x / WARP * 16, g = threadIdx.x % WARP / 4;
    int64_t first = args.q_begin + (int64_t)blockIdx.x * WINDOW_QUERIES;
    int64_t n = args.q_end - first < WINDOW_QUERIES ? args.q_end - first : WINDOW_QUERIES;
    int64_t begin = args.n_edge + first - args.window + 1, end = args.n_edge + first + n;
    begin = begin > 0 ? begin : 0;
    int kv_head = head / (args.n_heads / args.n_kv_heads);
    int64_t row_size = (int64_t)args.n_kv_heads * DIM;
    const uint16_t *k = (const uint16_t *)args.k + kv_head * DIM;
    const uint16_t *v = (const uint16_t *)args.v + kv_head * DIM;
    auto copy = [&](int64_t key, int stage) {
        int from = begin > key ? (int)(begin - key) : 0;
        int to = end - key < TILE_KEYS ? (int)(end - key) : TILE_KEYS;
        copy_tile<DIM, WINDOW_THREADS>(m->k[stage], k + key * row_size, (int)row_size, from, to);
        copy_tile<DIM, WINDOW_THREADS>(m->v[stage], v + key * row_size, (int)row_size, from, to);
        cp_async_commit();
    };
    int64_t key = begin / TILE_KEYS * TILE_KEYS;
    copy(key, 0);
    load_queries<DIM>(args, first, head, m);
    softmax_rows<DIM> rows = {};
    rows.max[0] = rows.max[1] = -INFINITY;
    for (int stage = 0; key < end; key += TILE_KEYS, stage ^= 1) {
        if (key + TILE_KEYS < end) {
            copy(key + TILE_KEYS, stage ^ 1);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        __syncthreads();
        /* The last column that the warp's first row sees; its last row sees 15 more. */
        int last = (int)(args.n_edge + first + warp_row - key);
        if (last + 15 >= 0 && last - args.window + 1 < TILE_KEYS) {
            float scores[8][4] = {};
            tile_scores<DIM>(m, stage, warp_row, scores);
            if (last >= TILE_KEYS - 1 && last + 15 - args.window + 1 <= 0)
                tile_weights<DIM, false>(last + g, args.window, scores, &rows);
            else
                tile_weights<DIM, true>(last + g, args.window, scores, &rows);
            tile_values<DIM>(m, stage, scores, &rows);
        }
        __syncthreads();
    }
    store_rows<DIM>(args, first + warp_row, head, rows);
}

template <int DIM> static bool launch_window(yoco_device *device, const yoco_window_args *args)
{
    dim3 grid((unsigned)yoco_div_up(args->q_end - args->q_begin, WINDOW_QUERIES),
              (unsigned)args->n_heads);
    if (sizeof(window_memory<DIM>) > device->shared_limit)
        return false;
    YOCO_LAUNCH(window_tiles_kernel<DIM>, grid, WINDOW_THREADS, sizeof(window_memory<DIM>),
                device->stream, *args);
    return true;
}

bool yoco_cuda_window_tiles(yoco_device *device, const yoco_window_args *args)
{
    if (args->n_v_heads != args->n_kv_heads || args->v_dim != args->head_dim)
        return false;
    if (args->kv_dtype != YOCO_BF16 || !is_aligned(args->k, 16) || !is_aligned(args->v, 16) ||
        !is_aligned(args->q, 16) || !is_aligned(args->out, 8))
        return false;
    if (yoco_cuda_window_sm90a(device, args))
        return true;
    switch (args->head_dim) {
    case 32:
        return launch_window<32>(device, args);
    case 64:
        return launch_window<64>(device, args);
    case 128:
        return launch_window<128>(device, args);
    default:
        return false;
    }
}
