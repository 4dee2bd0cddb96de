/* Partials of the cross attention on tensor cores, at the speed at which K,V come from memory.
 *
 * Rows of a product are (query, head of the group): all that read one K,V head. A block takes one
 * block of K,V rows of one K,V head and up to 16 * n_groups such rows; blocks that share K,V are
 * neighbours in the grid, so that the rest of them finds it in the cache. Its warps are n_groups
 * times 4: a group of warps shares 16 rows, and its warp w takes keys 16 w .. 16 w + 15 of every
 * tile of 64. The four parts of a row are added in the order of the warps. So a row's bits do not
 * depend on the rows beside it, nor on n_groups. */
#include "kernels/cuda/attend_task.cuh"
#include "kernels/cuda/tiles.cuh"

constexpr int ROW_TILE = 16;
constexpr int KEY_WARPS = 4;
constexpr int MAX_GROUPS = 4;
constexpr int GROUP_THREADS = KEY_WARPS * WARP;
constexpr int SPLITS = 3; /* f32 in full: 24 bits */
constexpr int STAGES = 2;

template <int DIM> struct attend_stage {
    uint16_t k[tile_shape<DIM>::KEYS_SIZE];
    uint16_t v[tile_shape<DIM>::KEYS_SIZE];
};

/* Followed by the queries: (SPLITS, ROW_TILE * n_groups, STRIDE). After the last tile, `stages`
 * holds (ROW_TILE * n_groups, DIM + 2) sums in f32. */
template <int DIM> struct attend_memory {
    float max[MAX_GROUPS][KEY_WARPS][ROW_TILE];
    float sum[MAX_GROUPS][KEY_WARPS][ROW_TILE];
    attend_stage<DIM> stages[STAGES];
    uint16_t q[8]; /* first of them */
};

template <int DIM> static size_t attend_bytes(int n_groups)
{
    return sizeof(attend_memory<DIM>) +
           sizeof(uint16_t) * SPLITS * ROW_TILE * (size_t)n_groups * tile_shape<DIM>::STRIDE;
}

template <int DIM> struct attend_rows {
    float out[DIM / 8][4];
    float max[2], sum[2];
};

template <int DIM>
__device__ static void load_queries(const yoco_attend_args &args, const attend_task &t,
                                    int tile_rows, uint16_t *q)
{
    for (int i = threadIdx.x; i < tile_rows * DIM; i += blockDim.x) {
        int row = i / DIM, column = i % DIM;
        int64_t query, head;
        uint16_t parts[SPLITS] = {};
        row_of(args, t, t.first_row + row, &query, &head);
        query += t.segment->first_query;
        if (t.first_row + row < t.n_rows)
            split<SPLITS>(args.q[(query * args.n_heads + head) * DIM + column] * args.scale_log2,
                          parts);
        for (int part = 0; part < SPLITS; part++)
            q[(part * tile_rows + row) * tile_shape<DIM>::STRIDE + column] = parts[part];
    }
}

/* Sixteen keys of a tile, from `key` on, of which `n` exist: scores, weights, values. */
template <int DIM>
__device__ static void tile_keys(const attend_stage<DIM> &stage, const uint16_t *q, int tile_rows,
                                 int row, int key, int n, attend_rows<DIM> *rows)
{
    constexpr int STRIDE = tile_shape<DIM>::STRIDE;
    float scores[2][4] = {};
#pragma unroll
    for (int column = 0; column < DIM; column += 16) {
        uint32_t a[4], b[4];
        load_b(b, stage.k, STRIDE, key, column);
#pragma unroll
        for (int part = SPLITS - 1; part >= 0; part--) {
            load_a(a, q + part * tile_rows * STRIDE, STRIDE, row, column);
            mma_bf16(scores[0], a, b[0], b[1]);
            mma_bf16(scores[1], a, b[2], b[3]);
        }
    }
    int t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float top = -INFINITY, sum = 0.0f;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            bool exists = i / 2 * 8 + 2 * t + i % 2 < n;
            top = exists ? fmaxf(top, scores[i / 2][2 * half + i % 2]) : top;
        }
        float factor = raise_max(quad_max(top), &rows->max[half]);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            bool exists = i / 2 * 8 + 2 * t + i % 2 < n;
            float *score = &scores[i / 2][2 * half + i % 2];
            *score = exists ? exp2f(*score - rows->max[half]) : 0.0f;
            sum += *score;
        }
        rows->sum[half] = rows->sum[half] * factor + sum;
#pragma unroll
        for (int i = 0; i < DIM / 8; i++) {
            rows->out[i][2 * half] *= factor;
            rows->out[i][2 * half + 1] *= factor;
        }
    }
    uint32_t weights[SPLITS][4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        uint32_t parts[SPLITS];
        split_pair<SPLITS>(scores[i / 2][i % 2 * 2], scores[i / 2][i % 2 * 2 + 1], parts);
#pragma unroll
        for (int part = 0; part < SPLITS; part++)
            weights[part][i] = parts[part];
    }
#pragma unroll
    for (int column = 0; column < DIM; column += 16) {
        uint32_t b[4];
        load_b_trans(b, stage.v, STRIDE, key, column);
#pragma unroll
        for (int part = SPLITS - 1; part >= 0; part--) {
            mma_bf16(rows->out[column / 8], weights[part], b[0], b[1]);
            mma_bf16(rows->out[column / 8 + 1], weights[part], b[2], b[3]);
        }
    }
}

/* The four parts of each row become one, in `total` (rows, DIM + 2): values, max, sum. */
template <int DIM>
__device__ static void add_parts(attend_memory<DIM> *m, const attend_rows<DIM> &rows, int group,
                                 int warp, float *total)
{
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float sum = quad_sum(rows.sum[half]);
        if (t == 0) {
            m->max[group][warp][g + 8 * half] = rows.max[half];
            m->sum[group][warp][g + 8 * half] = sum;
        }
    }
    for (int turn = 0; turn < KEY_WARPS; turn++) {
        __syncthreads();
        if (warp != turn)
            continue;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int row = g + 8 * half;
            float max = -INFINITY, sum = 0.0f;
            for (int i = 0; i < KEY_WARPS; i++)
                max = fmaxf(max, m->max[group][i][row]);
            for (int i = 0; i < KEY_WARPS; i++)
                sum += m->sum[group][i][row] * (m->max[group][i][row] == max
                                                    ? 1.0f
                                                    : power_of_two(m->max[group][i][row] - max));
            float factor = rows.max[half] == max ? 1.0f : power_of_two(rows.max[half] - max);
            float *to = total + (group * ROW_TILE + row) * (DIM + 2);
#pragma unroll
            for (int i = 0; i < DIM / 4; i++) {
                float *at = to + i / 2 * 8 + 2 * t + i % 2;
                float part = rows.out[i / 2][2 * half + i % 2] * factor;
                *at = turn == 0 ? part : *at + part;
            }
            if (turn == 0 && t == 0) {
                to[DIM] = max;
                to[DIM + 1] = sum;
            }
        }
    }
    __syncthreads();
}

/* A warp for each row: its partial, and what the merge wants of it before it adds. */
template <int DIM>
__device__ static void store_totals(const yoco_attend_args &args, const attend_task &t,
                                    int tile_rows, const float *total)
{
    int lane = threadIdx.x % WARP, n_warps = (int)blockDim.x / WARP;
    for (int row = threadIdx.x / WARP; row < tile_rows; row += n_warps) {
        const float *from = total + row * (DIM + 2);
        int64_t query, head;
        if (t.first_row + row >= t.n_rows)
            break;
        row_of(args, t, t.first_row + row, &query, &head);
        int64_t p = t.segment->first_partial + (int64_t)t.block * t.segment->n_queries + query;
        int64_t at = p * args.n_heads + head;
        bool finite = is_finite(from[DIM]) && is_finite(from[DIM + 1]);
#pragma unroll
        for (int i = 0; i < DIM / WARP; i++) {
            float value = from[i * WARP + lane];
            finite = finite && is_finite(value);
            args.partial[at * DIM + i * WARP + lane] = value;
        }
        if (!finite)
            atomicOr(args.bad, 1);
        if (lane == 0) {
            args.max[at] = from[DIM];
            args.sum[at] = from[DIM + 1];
            query += t.segment->first_query;
            atomic_max(&args.global_max[query * args.n_heads + head], from[DIM]);
        }
    }
}

/* Begins to copy a tile, of which `n` rows exist. A loop: the products leave no registers for more.
 */
template <int DIM>
__device__ static void copy_rows(uint16_t *tile, const uint16_t *rows, int row_size, int n)
{
    constexpr int CHUNKS = DIM / 8;
    for (int i = threadIdx.x; i < TILE_KEYS * CHUNKS; i += blockDim.x) {
        int row = i / CHUNKS, column = i % CHUNKS * 8;
        cp_async_16(tile + row * tile_shape<DIM>::STRIDE + column,
                    rows + (row < n ? row * row_size + column : 0), row < n);
    }
}

template <int DIM>
__global__ void __launch_bounds__(MAX_GROUPS *GROUP_THREADS)
    attend_tiles_kernel(yoco_attend_args args, segment_list list)
{
    YOCO_SHARED(shared);
    attend_memory<DIM> *m = (attend_memory<DIM> *)shared;
    int tile_rows = (int)blockDim.x / GROUP_THREADS * ROW_TILE;
    int group = threadIdx.x / GROUP_THREADS, warp = threadIdx.x / WARP % KEY_WARPS;
    int64_t key_row;
    int row_size = args.n_kv_heads * DIM;
    attend_task task = find_task(args, list, tile_rows, &key_row);
    int64_t skipped = key_row * row_size + task.kv_head * DIM;
    const uint16_t *k = (const uint16_t *)task.segment->k + skipped;
    const uint16_t *v = (const uint16_t *)task.segment->v + skipped;
    auto copy = [&](int key, int stage) {
        int end = task.n_keys - key < TILE_KEYS ? task.n_keys - key : TILE_KEYS;
        copy_rows<DIM>(m->stages[stage].k, k + key * row_size, row_size, end);
        copy_rows<DIM>(m->stages[stage].v, v + key * row_size, row_size, end);
        cp_async_commit();
    };
    copy(0, 0);
    load_queries<DIM>(args, task, tile_rows, m->q);
    attend_rows<DIM> rows = {};
    rows.max[0] = rows.max[1] = -INFINITY;
    bool has_rows = task.first_row + group * ROW_TILE < task.n_rows;
    for (int key = 0, stage = 0; key < task.n_keys; key += TILE_KEYS, stage ^= 1) {
        if (key + TILE_KEYS < task.n_keys) {
            copy(key + TILE_KEYS, stage ^ 1);
            cp_async_wait<1>();
        } else {
            cp_async_wait<0>();
        }
        __syncthreads();
        int n = task.n_keys - key - 16 * warp;
        if (has_rows && n > 0)
            tile_keys<DIM>(m->stages[stage], m->q, tile_rows, group * ROW_TILE, 16 * warp, n,
                           &rows);
        __syncthreads();
    }
    float *total = (float *)m->stages;
    add_parts<DIM>(m, rows, group, warp, total);
    store_totals<DIM>(args, task, tile_rows, total);
}

/* As many groups as the widest segment needs and shared memory holds; 0: none. */
template <int DIM> static int choose_groups(const yoco_device *device, const yoco_attend_args *args)
{
    int64_t rows = 0;
    int n = 1;
    for (int i = 0; i < args->n_segments; i++)
        rows = yoco_i64_max(rows, args->segments[i].n_queries * (args->n_heads / args->n_kv_heads));
    while (n < MAX_GROUPS && n * ROW_TILE < rows)
        n *= 2;
    while (n > 0 && attend_bytes<DIM>(n) > device->shared_limit)
        n /= 2;
    return n;
}

template <int DIM> static bool launch_attend(yoco_device *device, const yoco_attend_args *args)
{
    segment_list list;
    int n_groups = choose_groups<DIM>(device, args);
    size_t bytes = attend_bytes<DIM>(n_groups);
    if (n_groups == 0)
        return false;
    auto n_tasks = [=](int64_t n_blocks, int64_t n_queries) {
        int64_t rows = n_queries * (args->n_heads / args->n_kv_heads);
        return n_blocks * args->n_kv_heads * yoco_div_up(rows, ROW_TILE * n_groups);
    };
    if (!yoco_cuda_send_segments(device, SEGMENTS_ATTEND, args, n_tasks, 0, &list))
        return true;
    YOCO_LAUNCH(attend_tiles_kernel<DIM>, (unsigned)list.n_tasks,
                (unsigned)(n_groups * GROUP_THREADS), bytes, device->stream,
                attend_args(device, args), list);
    return true;
}

bool yoco_cuda_attend_tiles(yoco_device *device, const yoco_attend_args *args)
{
    if (!tiles_take(args))
        return false;
    if (yoco_cuda_attend_sm90a(device, args))
        return true;
    switch (args->head_dim) {
    case 32:
        return launch_attend<32>(device, args);
    case 64:
        return launch_attend<64>(device, args);
    case 128:
        return launch_attend<128>(device, args);
    default:
        return false;
    }
}
