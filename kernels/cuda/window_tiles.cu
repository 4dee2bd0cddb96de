/* Window attention of prefill on tensor cores: a block takes 64 queries of one head, a warp 16 of
 * them, and walks over tiles of 64 keys, the next one on its way while one is used.
 *
 * Tiles of keys lie on a grid of rows of K itself and a row's maximum is an integer, so that
 * rescaling is exact; keys outside a query's window weigh exactly 0. A query's bits depend on its
 * row and on n_edge, not on which queries share the call. Rows that no query of the block sees are
 * not read: they may not be written yet. */
#include "kernels/cuda/window_tiles.cuh"

template <int DIM>
__global__ void __launch_bounds__(QUERY_THREADS) window_tiles_kernel(yoco_window_args args)
{
    YOCO_SHARED(shared);
    query_memory<DIM> *m = (query_memory<DIM> *)shared;
    int head = blockIdx.y, warp_row = threadIdx.x / WARP * 16, g = threadIdx.x % WARP / 4;
    int64_t first = args.q_begin + (int64_t)blockIdx.x * QUERY_TILE;
    int64_t n = args.q_end - first < QUERY_TILE ? args.q_end - first : QUERY_TILE;
    int64_t begin = args.n_edge + first - args.window + 1, end = args.n_edge + first + n;
    begin = begin > 0 ? begin : 0;
    int kv_head = head / (args.n_heads / args.n_kv_heads);
    int64_t row_size = (int64_t)args.n_kv_heads * DIM;
    const uint16_t *k = (const uint16_t *)args.k + kv_head * DIM;
    const uint16_t *v = (const uint16_t *)args.v + kv_head * DIM;
    auto copy = [&](int64_t key, int stage) {
        int from = begin > key ? (int)(begin - key) : 0;
        int to = end - key < TILE_KEYS ? (int)(end - key) : TILE_KEYS;
        copy_tile<DIM, QUERY_THREADS>(m->k[stage], k + key * row_size, (int)row_size, from, to);
        copy_tile<DIM, QUERY_THREADS>(m->v[stage], v + key * row_size, (int)row_size, from, to);
        cp_async_commit();
    };
    int64_t key = begin / TILE_KEYS * TILE_KEYS;
    copy(key, 0);
    load_queries<DIM>(rows_of(args), first, head, m);
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
            tile_values<DIM>(m, stage, scores, rows.out);
        }
        __syncthreads();
    }
    store_rows<DIM>(rows_of(args), first + warp_row, head, rows);
}

template <int DIM> static bool launch_window(yoco_device *device, const yoco_window_args *args)
{
    dim3 grid((unsigned)yoco_div_up(args->q_end - args->q_begin, QUERY_TILE),
              (unsigned)args->n_heads);
    if (sizeof(query_memory<DIM>) > device->shared_limit)
        return false;
    YOCO_LAUNCH(window_tiles_kernel<DIM>, grid, QUERY_THREADS, sizeof(query_memory<DIM>),
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
