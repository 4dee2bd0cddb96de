/* Attention of a chunk over all rows before on tensor cores: the walk of window_tiles.cu from the
 * run's first row on. Tiles of keys lie on a grid of the run's rows, so a query's bits do not
 * depend on which queries share the call.
 *
 * Tensor cores cut sums off, and a document may have a million rows: they sum a few tiles, and what
 * these give is added, rounded, to what the query has summed so far. */
#include "kernels/cuda/causal.cuh"
#include "kernels/cuda/query_tiles.cuh"

constexpr int SUM_TILES = 4;

/* What the rows have summed in the runs before: a row's sum is its first lane's. */
template <int DIM>
__device__ static void load_sums(const yoco_causal_args &args, int64_t first, int head,
                                 softmax_rows<DIM> *rows)
{
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int64_t row = first + g + 8 * half, at = row * args.n_heads + head;
        if (row >= args.n_queries)
            continue;
        rows->max[half] = args.max[at];
        rows->sum[half] = t == 0 ? args.sum[at] : 0.0f;
#pragma unroll
        for (int i = 0; i < DIM / 8; i++) {
            float2 values = *(const float2 *)(args.partial + at * DIM + 8 * i + 2 * t);
            rows->out[i][2 * half] = values.x;
            rows->out[i][2 * half + 1] = values.y;
        }
    }
}

template <int DIM>
__device__ static void store_sums(const yoco_causal_args &args, int64_t first, int head,
                                  const softmax_rows<DIM> &rows)
{
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int64_t row = first + g + 8 * half, at = row * args.n_heads + head;
        float sum = quad_sum(rows.sum[half]);
        if (row >= args.n_queries)
            continue;
        if (t == 0) {
            args.max[at] = rows.max[half];
            args.sum[at] = sum;
        }
#pragma unroll
        for (int i = 0; i < DIM / 8; i++)
            *(float2 *)(args.partial + at * DIM + 8 * i + 2 * t) = {rows.out[i][2 * half],
                                                                    rows.out[i][2 * half + 1]};
    }
}

/* What some tiles gave, and the next ones' beginning under the same maximum. */
template <int DIM> __device__ static void add_part(softmax_rows<DIM> *part, softmax_rows<DIM> *rows)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float max = part->max[half];
        float factor = rows->max[half] == max ? 1.0f : power_of_two(rows->max[half] - max);
        rows->max[half] = max;
        rows->sum[half] = fmaf(rows->sum[half], factor, part->sum[half]);
        part->sum[half] = 0.0f;
#pragma unroll
        for (int i = 0; i < DIM / 4; i++) {
            float *out = &rows->out[i / 2][2 * half + i % 2];
            float *added = &part->out[i / 2][2 * half + i % 2];
            *out = fmaf(*out, factor, *added);
            *added = 0.0f;
        }
    }
}

/* `last`: the last column that row g sees, row g + 8 sees 8 more; `n` columns exist. */
template <int DIM>
__device__ static void tile_weights(int64_t last, int64_t n, float (&scores)[8][4],
                                    softmax_rows<DIM> *part)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int64_t end = last + 8 * half < n - 1 ? last + 8 * half : n - 1;
        row_weights<DIM, true>(half, 0, end < TILE_KEYS ? (int)end : TILE_KEYS, scores, part);
    }
}

template <int DIM>
__global__ void __launch_bounds__(QUERY_THREADS, 2) causal_tiles_kernel(yoco_causal_args args)
{
    YOCO_SHARED(shared);
    query_memory<DIM> *m = (query_memory<DIM> *)shared;
    const query_rows queries = {args.q,          args.n_queries, args.n_heads,
                                args.scale_log2, args.out_dtype, args.out};
    int head = blockIdx.y, warp_row = threadIdx.x / WARP * 16, g = threadIdx.x % WARP / 4;
    int64_t first = (int64_t)blockIdx.x * QUERY_TILE, behind = first + QUERY_TILE;
    int64_t end = args.diagonal + (behind < args.n_queries ? behind : args.n_queries);
    end = end < args.n_rows ? end : args.n_rows;
    int kv_head = head / (args.n_heads / args.n_kv_heads), row_size = args.n_kv_heads * DIM;
    const uint16_t *k = (const uint16_t *)args.k + kv_head * DIM;
    const uint16_t *v = (const uint16_t *)args.v + kv_head * DIM;
    auto copy = [&](int64_t key, int stage) {
        int n = end - key < TILE_KEYS ? (int)(end - key) : TILE_KEYS;
        copy_tile<DIM, QUERY_THREADS>(m->k[stage], k + key * row_size, row_size, 0, n);
        copy_tile<DIM, QUERY_THREADS>(m->v[stage], v + key * row_size, row_size, 0, n);
        cp_async_commit();
    };
    copy(0, 0);
    load_queries<DIM>(queries, first, head, m);
    softmax_rows<DIM> rows = {}, part = {};
    rows.max[0] = rows.max[1] = -INFINITY;
    if (!args.first)
        load_sums<DIM>(args, first + warp_row, head, &rows);
    part.max[0] = rows.max[0];
    part.max[1] = rows.max[1];
    int tile = 0;
    for (int64_t key = 0; key < end; key += TILE_KEYS, tile++) {
        int stage = tile % QUERY_STAGES;
        if (key + TILE_KEYS < end) {
            copy(key + TILE_KEYS, stage ^ 1);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        __syncthreads();
        /* The last column that the warp's first row sees; its last row sees 15 more. */
        int64_t last = args.diagonal + first + warp_row - key;
        if (last + 15 >= 0) {
            float scores[8][4] = {};
            tile_scores<DIM>(m, stage, warp_row, scores);
            if (last >= TILE_KEYS - 1 && args.n_rows - key >= TILE_KEYS)
                for (int half = 0; half < 2; half++)
                    row_weights<DIM, false>(half, 0, 0, scores, &part);
            else
                tile_weights<DIM>(last + g, args.n_rows - key, scores, &part);
            tile_values<DIM>(m, stage, scores, part.out);
        }
        if (tile % SUM_TILES == SUM_TILES - 1)
            add_part<DIM>(&part, &rows);
        __syncthreads();
    }
    add_part<DIM>(&part, &rows);
    if (args.last)
        store_rows<DIM>(queries, first + warp_row, head, rows);
    else
        store_sums<DIM>(args, first + warp_row, head, rows);
}

template <int DIM> static bool launch_causal(yoco_device *device, const yoco_causal_args *args)
{
    dim3 grid((unsigned)yoco_div_up(args->n_queries, QUERY_TILE), (unsigned)args->n_heads);
    if (sizeof(query_memory<DIM>) > device->shared_limit)
        return false;
    YOCO_LAUNCH(causal_tiles_kernel<DIM>, grid, QUERY_THREADS, sizeof(query_memory<DIM>),
                device->stream, *args);
    return true;
}

bool yoco_cuda_causal_tiles(yoco_device *device, const yoco_causal_args *args)
{
    if (args->n_v_heads != args->n_kv_heads || args->v_dim != args->head_dim)
        return false;
    if (args->kv_dtype != YOCO_BF16 || !is_aligned(args->k, 16) || !is_aligned(args->v, 16) ||
        !is_aligned(args->q, 16) || !is_aligned(args->partial, 8) || !is_aligned(args->out, 8))
        return false;
    switch (args->head_dim) {
    case 32:
        return launch_causal<32>(device, args);
    case 64:
        return launch_causal<64>(device, args);
    case 128:
        return launch_causal<128>(device, args);
    default:
        return false;
    }
}
