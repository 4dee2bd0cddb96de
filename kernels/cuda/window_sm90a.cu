/* Window attention of prefill by products of a warpgroup: the walk of window_tiles.cu, whose 64
 * queries of a head are one product for four warps: queries and weights from registers, keys and
 * values from shared memory, where the bulk copy engine brings them. Two blocks of threads share a
 * multiprocessor: one's weights are computed during the other's products.
 *
 * Sums are those of window_tiles.cu in the same order. A tile that some rows do not see adds exact
 * zeros to theirs. */
#include "kernels/cuda/warpgroup_tiles.cuh"
#include "kernels/cuda/window_tiles.cuh"

template <int DIM> using window_memory = warpgroup_memory<DIM, QUERY_STAGES>;

/* The warp's queries from `first` on; in place of one past the last, whose result nobody takes, the
 * last. */
template <int DIM>
__device__ static void load_queries(const yoco_window_args &args, int64_t first, int head,
                                    query_fragments<DIM, Q_PARTS> *q)
{
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
    const float *rows[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int64_t row = first + g + 8 * half;
        row = row < args.q_end ? row : args.q_end - 1;
        rows[half] = args.q + (row * args.n_heads + head) * DIM + 2 * t;
    }
    split_queries(rows, args.scale_log2, q);
}

/* The maps begin at row `first_key` of K and V. */
template <int DIM>
__global__ void __launch_bounds__(QUERY_THREADS, 2)
    window_sm90a_kernel(yoco_window_args args, const __grid_constant__ CUtensorMap k_map,
                        const __grid_constant__ CUtensorMap v_map, int64_t first_key)
{
    YOCO_SHARED_TILES(shared);
    window_memory<DIM> *m = (window_memory<DIM> *)shared;
    int head = blockIdx.y, warp_row = threadIdx.x / WARP * 16, g = threadIdx.x % WARP / 4;
    int kv_head = head / (args.n_heads / args.n_kv_heads);
    int64_t first = args.q_begin + (int64_t)blockIdx.x * QUERY_TILE;
    int64_t n = args.q_end - first < QUERY_TILE ? args.q_end - first : QUERY_TILE;
    int64_t begin = args.n_edge + first - args.window + 1, end = args.n_edge + first + n;
    int64_t key = (begin > 0 ? begin : 0) / TILE_KEYS * TILE_KEYS;
    if (threadIdx.x == 0) {
        begin_stages(m);
        copy_stage(&k_map, &v_map, (int)(key - first_key), kv_head, 0, m);
    }
    query_fragments<DIM, Q_PARTS> q;
    load_queries(args, first + warp_row, head, &q);
    softmax_rows<DIM> rows = {};
    rows.max[0] = rows.max[1] = -INFINITY;
    __syncthreads();
    for (int tile = 0; key < end; key += TILE_KEYS, tile++) {
        int stage = tile % QUERY_STAGES;
        if (threadIdx.x == 0 && key + TILE_KEYS < end)
            copy_stage(&k_map, &v_map, (int)(key + TILE_KEYS - first_key), kv_head, stage ^ 1, m);
        barrier_wait(&m->arrived[stage], tile / QUERY_STAGES % 2);
        /* The last column that the warp's first row sees; its last row sees 15 more. */
        int last = (int)(args.n_edge + first + warp_row - key);
        float scores[8][4] = {};
        tile_scores(q, m->k[stage], scores);
        if (last >= TILE_KEYS - 1 && last + 15 - args.window + 1 <= 0)
            tile_weights<DIM, false>(last + g, args.window, scores, &rows);
        else
            tile_weights<DIM, true>(last + g, args.window, scores, &rows);
        tile_values<DIM, P_PARTS>(m->v[stage], scores, &rows);
        __syncthreads();
    }
    store_rows<DIM>(rows_of(args), first + warp_row, head, rows);
}

/* The keys that any of the queries sees, and no others, lie in the maps: other rows may not be
 * written yet. */
template <int DIM>
static bool launch_window_sm90a(yoco_device *device, const yoco_window_args *args)
{
    dim3 grid((unsigned)yoco_div_up(args->q_end - args->q_begin, QUERY_TILE),
              (unsigned)args->n_heads);
    int64_t begin = yoco_i64_max(0, args->n_edge + args->q_begin - args->window + 1);
    int64_t n = args->n_edge + args->q_end - begin, row_size = (int64_t)args->n_kv_heads * DIM;
    CUtensorMap k, v;
    if (sizeof(window_memory<DIM>) > device->shared_limit)
        return false;
    if (yoco_cuda_tile_map(device, (const uint16_t *)args->k + begin * row_size, n, row_size,
                           TILE_KEYS, &k) &&
        yoco_cuda_tile_map(device, (const uint16_t *)args->v + begin * row_size, n, row_size,
                           TILE_KEYS, &v))
        YOCO_LAUNCH_ON(90, window_sm90a_kernel<DIM>, grid, QUERY_THREADS,
                       sizeof(window_memory<DIM>), device->stream, *args, k, v, begin);
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
