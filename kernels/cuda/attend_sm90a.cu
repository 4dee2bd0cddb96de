/* Partials of the cross attention by products of a warpgroup: as attend_tiles.cu, but a block of
 * threads takes 64 rows of queries, which are one product against a tile of 64 keys. Two blocks
 * share a multiprocessor: one's weights are computed during the other's products.
 *
 * Rows that no query fills, down to one query's group alone, are multiplied all the same: that
 * takes less time than their K,V take from memory, and a row's bits do not depend on how many
 * others there are. Their weights are not computed. */
#include "kernels/cuda/attend_task.cuh"
#include "kernels/cuda/warpgroup_tiles.cuh"

constexpr int PARTS = 3; /* of queries and weights: f32 in full, 24 bits */
constexpr int STAGES = 2;
constexpr int RUN_TILES = 4; /* whose sums tensor cores make */

/* Tensor cores cut sums off, so they sum the values of a run of tiles, and `sums` of all earlier
 * runs are rounded: a thread's own, four neighbours together. */
template <int DIM> struct attend_memory {
    warpgroup_memory<DIM, STAGES> tiles;
    float4 sums[DIM / 8][WARPGROUP_THREADS];
};

/* The first of the warp's 16 rows. */
__device__ static int warp_row(const attend_task &t)
{
    return t.first_row + (int)threadIdx.x / WARP * 16;
}

/* In place of a row that does not exist, whose result nobody takes, the last. */
template <int DIM>
__device__ static void load_queries(const yoco_attend_args &args, const attend_task &t,
                                    query_fragments<DIM, PARTS> *q)
{
    const float *rows[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int row = warp_row(t) + (int)threadIdx.x % WARP / 4 + 8 * half;
        int64_t query, head;
        row_of(args, t, row < t.n_rows ? row : t.n_rows - 1, &query, &head);
        query += t.segment->first_query;
        rows[half] = args.q + (query * args.n_heads + head) * DIM + threadIdx.x % 4 * 2;
    }
    split_queries(rows, args.scale_log2, q);
}

/* A lane's share of its rows' partials, and what the merge wants of them before it adds. */
template <int DIM>
__device__ static void store_partials(const yoco_attend_args &args, const attend_task &t,
                                      const softmax_rows<DIM> &rows)
{
    int lane = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int row = warp_row(t) + (int)threadIdx.x % WARP / 4 + 8 * half;
        float max = rows.max[half], sum = quad_sum(rows.sum[half]);
        int64_t query, head;
        if (row >= t.n_rows)
            continue;
        row_of(args, t, row, &query, &head);
        int64_t p = t.segment->first_partial + (int64_t)t.block * t.segment->n_queries + query;
        int64_t at = p * args.n_heads + head;
        bool finite = is_finite(max) && is_finite(sum);
#pragma unroll
        for (int i = 0; i < DIM / 8; i++) {
            float2 values = {rows.out[i][2 * half], rows.out[i][2 * half + 1]};
            finite = finite && is_finite(values.x) && is_finite(values.y);
            *(float2 *)(args.partial + at * DIM + 8 * i + 2 * lane) = values;
        }
        if (!finite)
            atomicOr(args.bad, 1);
        if (lane == 0) {
            args.max[at] = max;
            args.sum[at] = sum;
            query += t.segment->first_query;
            atomic_max(&args.global_max[query * args.n_heads + head], max);
        }
    }
}

/* Of a tile of which `n` keys exist. */
template <int DIM>
__device__ static void tile_weights(const attend_task &t, int n, float (&scores)[8][4],
                                    softmax_rows<DIM> *rows)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        if (warp_row(t) + 8 * half >= t.n_rows)
            return;
        if (n >= TILE_KEYS)
            row_weights<DIM, false>(half, 0, n - 1, scores, rows);
        else
            row_weights<DIM, true>(half, 0, n - 1, scores, rows);
    }
}

/* The values of a run and of those before it, which stand under the maxima `old`: under rows.max.
 */
template <int DIM>
__device__ static void add_runs(const attend_memory<DIM> &m, const float (&old)[2],
                                softmax_rows<DIM> *rows)
{
    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; half++)
        factor[half] =
            old[half] == rows->max[half] ? 1.0f : power_of_two(old[half] - rows->max[half]);
#pragma unroll
    for (int i = 0; i < DIM / 8; i++) {
        float4 sums = m.sums[i][threadIdx.x];
        rows->out[i][0] = fmaf(sums.x, factor[0], rows->out[i][0]);
        rows->out[i][1] = fmaf(sums.y, factor[0], rows->out[i][1]);
        rows->out[i][2] = fmaf(sums.z, factor[1], rows->out[i][2]);
        rows->out[i][3] = fmaf(sums.w, factor[1], rows->out[i][3]);
    }
}

/* The sums so far leave the registers. */
template <int DIM>
__device__ static void keep_runs(attend_memory<DIM> *m, float (&old)[2], softmax_rows<DIM> *rows)
{
#pragma unroll
    for (int i = 0; i < DIM / 8; i++) {
        float(&out)[4] = rows->out[i];
        m->sums[i][threadIdx.x] = {out[0], out[1], out[2], out[3]};
        out[0] = out[1] = out[2] = out[3] = 0.0f;
    }
    old[0] = rows->max[0];
    old[1] = rows->max[1];
}

template <int DIM>
__global__ void __launch_bounds__(WARPGROUP_THREADS, 2)
    attend_sm90a_kernel(yoco_attend_args args, segment_list list)
{
    YOCO_SHARED_TILES(shared);
    attend_memory<DIM> *m = (attend_memory<DIM> *)shared;
    int64_t key_row;
    attend_task task = find_task(args, list, WARPGROUP_ROWS, &key_row);
    const segment_maps *maps = list.maps + task.in_list;
    int n_tiles = (task.n_keys + TILE_KEYS - 1) / TILE_KEYS;
    auto copy = [&](int tile) {
        if (threadIdx.x == 0 && tile < n_tiles)
            copy_stage(&maps->k, &maps->v, (int)key_row + tile * TILE_KEYS, task.kv_head,
                       tile % STAGES, &m->tiles);
    };
    if (threadIdx.x == 0) {
        acquire_map(&maps->k);
        acquire_map(&maps->v);
        begin_stages(&m->tiles);
    }
    copy(0);
    query_fragments<DIM, PARTS> q;
    load_queries(args, task, &q);
    softmax_rows<DIM> rows = {};
    rows.max[0] = rows.max[1] = -INFINITY;
    float old[2];
    bool has_rows = warp_row(task) < task.n_rows;
    __syncthreads();
    for (int tile = 0; tile < n_tiles; tile++) {
        int stage = tile % STAGES;
        copy(tile + 1);
        if (has_rows && tile > 0 && tile % RUN_TILES == 0) {
            if (tile > RUN_TILES)
                add_runs(*m, old, &rows);
            keep_runs(m, old, &rows);
        }
        barrier_wait(&m->tiles.arrived[stage], tile / STAGES % 2);
        float scores[8][4] = {};
        tile_scores(q, m->tiles.k[stage], scores);
        tile_weights(task, task.n_keys - tile * TILE_KEYS, scores, &rows);
        tile_values<DIM, PARTS>(m->tiles.v[stage], scores, &rows);
        __syncthreads();
    }
    if (has_rows && n_tiles > RUN_TILES)
        add_runs(*m, old, &rows);
    store_partials(args, task, rows);
}

template <int DIM>
static bool launch_attend_sm90a(yoco_device *device, const yoco_attend_args *args)
{
    segment_list list;
    auto n_tasks = [=](int64_t n_blocks, int64_t n_queries) {
        int64_t rows = n_queries * (args->n_heads / args->n_kv_heads);
        return n_blocks * args->n_kv_heads * yoco_div_up(rows, WARPGROUP_ROWS);
    };
    if (sizeof(attend_memory<DIM>) > device->shared_limit)
        return false;
    if (yoco_cuda_send_segments(device, SEGMENTS_ATTEND, args, n_tasks, TILE_KEYS, &list))
        YOCO_LAUNCH_ON(90, attend_sm90a_kernel<DIM>, (unsigned)list.n_tasks, WARPGROUP_THREADS,
                       sizeof(attend_memory<DIM>), device->stream, attend_args(device, args), list);
    return true;
}

bool yoco_cuda_attend_sm90a(yoco_device *device, const yoco_attend_args *args)
{
    if (device->capability != 90)
        return false;
    switch (args->head_dim) {
    case 64:
        return launch_attend_sm90a<64>(device, args);
    case 128:
        return launch_attend_sm90a<128>(device, args);
    default:
        return false;
    }
}
