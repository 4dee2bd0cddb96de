/* Windows of a decode step, in bf16, at the speed at which K,V come from memory. A query's window
 * is cut into splits; a block takes one split of one head, and its warps walk over 16 keys at a
 * time, the next ones on their way while these are used. A row of K is read by eight lanes, a row
 * of V by the whole warp, in full f32. The last block of a head to end adds its splits, in their
 * order.
 *
 * Splits depend on the model's window alone, and a query's bits on its own rows. */
#include "kernels/cuda/tiles.cuh"
#include "kernels/cuda/window.cuh"

constexpr int STEP_WARPS = 4;
constexpr int STEP_THREADS = STEP_WARPS * WARP;
constexpr int STEP_KEYS = 16; /* of a warp's stage */
constexpr int STEP_STAGES = 2;
constexpr int KEY_LANES = 8; /* that share a row of K */
constexpr int STEP_TILE = STEP_WARPS * STEP_KEYS;
constexpr int SPLIT_ROWS = 128; /* at least: both stages of a tile */
constexpr int MOST_SPLITS = 32;
constexpr int64_t STEP_PARTS = 2 << 20;         /* floats for the parts of a launch */
constexpr int64_t STEP_HEADS = STEP_PARTS / 32; /* more than heads of a launch: of 32 channels */

template <int DIM> struct step_memory {
    uint16_t k[STEP_STAGES][STEP_WARPS][STEP_KEYS * DIM];
    uint16_t v[STEP_STAGES][STEP_WARPS][STEP_KEYS * DIM];
    float out[STEP_WARPS][DIM];
    float max[STEP_WARPS], sum[STEP_WARPS];
    unsigned n_before; /* blocks of the same head that ended before this one */
};

/* What a launch needs besides the op's arguments. */
struct step_splits {
    int n_splits, split_rows;
    float *parts;     /* (queries, heads, splits, DIM + 2): values, maximum, sum */
    unsigned *n_done; /* (queries, heads): 0, also when the kernel has ended */
};

/* What a warp holds of its keys: lane i the channels i * DIM / 32 and on. */
template <int DIM> struct step_part {
    float out[DIM / WARP];
    float max, sum;
};

template <int N> __device__ static void load_shared(const uint16_t *x, float (&out)[N])
{
    if constexpr (N == 1) {
        out[0] = bf16_to_f32(*x);
    } else {
        struct alignas(2 * N) words {
            uint32_t at[N / 2];
        };
        const words w = *(const words *)x;
#pragma unroll
        for (int i = 0; i < N; i++)
            out[i] = __uint_as_float(i % 2 == 0 ? w.at[i / 2] << 16 : w.at[i / 2] & 0xffff0000u);
    }
}

/* A row's place in K and V. No index into arrays: registers have none. */
__device__ static void find_row(const yoco_window_view &view, int row, int row_size,
                                const uint16_t **k, const uint16_t **v)
{
    int first = (int)view.n_rows[0], second = first + (int)view.n_rows[1];
    bool in_first = row < first, in_second = row < second;
    const void *k_part = in_first ? view.k[0] : in_second ? view.k[1] : view.k[2];
    const void *v_part = in_first ? view.v[0] : in_second ? view.v[1] : view.v[2];
    int64_t at = (int64_t)(row - (in_first ? 0 : in_second ? first : second)) * row_size;
    *k = (const uint16_t *)k_part + at;
    *v = (const uint16_t *)v_part + at;
}

/* Begins to copy the warp's keys row .. row + 15 of those before `end`. */
template <int DIM>
__device__ static void copy_keys(const yoco_window_view &view, int row, int end, int row_size,
                                 int head_at, uint16_t *k, uint16_t *v)
{
    constexpr int CHUNKS = DIM / 8, ROWS = WARP / CHUNKS;
    int lane = threadIdx.x % WARP, column = lane % CHUNKS * 8;
#pragma unroll
    for (int i = 0; i < STEP_KEYS; i += ROWS) {
        int key = i + lane / CHUNKS;
        const uint16_t *from_k, *from_v;
        find_row(view, row + key < end ? row + key : row, row_size, &from_k, &from_v);
        cp_async_16(k + key * DIM + column, from_k + head_at + column, row + key < end);
        cp_async_16(v + key * DIM + column, from_v + head_at + column, row + key < end);
    }
}

/* The channels of q that a lane multiplies with a row of K: 8 of every 64, scaled. */
template <int DIM>
__device__ static void load_query(const float *q, float scale, float (&out)[DIM / KEY_LANES])
{
    int lane = threadIdx.x % KEY_LANES;
#pragma unroll
    for (int i = 0; i < DIM / KEY_LANES; i++) {
        int at = DIM >= 64 ? i / 8 * 64 + lane * 8 + i % 8 : lane * (DIM / KEY_LANES) + i;
        out[i] = q[at] * scale;
    }
}

/* Scores of the warp's 16 keys, of which n exist: key 4 i + lane / 8 in score[i]. */
template <int DIM>
__device__ static void key_scores(const uint16_t *k, const float (&q)[DIM / KEY_LANES], int n,
                                  float (&scores)[STEP_KEYS * KEY_LANES / WARP])
{
    constexpr int PASS = WARP / KEY_LANES, PIECE = DIM >= 64 ? 8 : DIM / KEY_LANES;
    int lane = threadIdx.x % WARP;
#pragma unroll
    for (int i = 0; i < STEP_KEYS / PASS; i++) {
        int key = PASS * i + lane / KEY_LANES;
        const uint16_t *row = k + key * DIM + lane % KEY_LANES * PIECE;
        float sum = 0.0f;
#pragma unroll
        for (int j = 0; j < DIM / KEY_LANES; j += PIECE) {
            float values[PIECE];
            load_shared<PIECE>(row + j * KEY_LANES, values);
#pragma unroll
            for (int c = 0; c < PIECE; c++)
                sum = fmaf(q[j + c], values[c], sum);
        }
        for (int mask = KEY_LANES / 2; mask > 0; mask /= 2)
            sum += __shfl_xor_sync(ALL_LANES, sum, mask);
        scores[i] = key < n ? sum : -INFINITY;
    }
}

/* Sixteen keys more. A NaN does not raise the maximum, but it reaches the sum. */
template <int DIM>
__device__ static void add_keys(const uint16_t *k, const uint16_t *v,
                                const float (&q)[DIM / KEY_LANES], int n, step_part<DIM> *part)
{
    constexpr int PASS = WARP / KEY_LANES, LANE_DIMS = DIM / WARP;
    int lane = threadIdx.x % WARP;
    float weights[STEP_KEYS / PASS], top = -INFINITY, sum = 0.0f;
    key_scores<DIM>(k, q, n, weights);
#pragma unroll
    for (int i = 0; i < STEP_KEYS / PASS; i++)
        top = fmaxf(top, weights[i]);
    for (int mask = KEY_LANES; mask < WARP; mask *= 2)
        top = fmaxf(top, __shfl_xor_sync(ALL_LANES, top, mask));
    float factor = raise_max(top, &part->max);
#pragma unroll
    for (int i = 0; i < STEP_KEYS / PASS; i++) {
        weights[i] = PASS * i + lane / KEY_LANES < n ? exp2f(weights[i] - part->max) : 0.0f;
        sum += weights[i];
    }
    for (int mask = KEY_LANES; mask < WARP; mask *= 2)
        sum += __shfl_xor_sync(ALL_LANES, sum, mask);
    part->sum = part->sum * factor + sum;
#pragma unroll
    for (int c = 0; c < LANE_DIMS; c++)
        part->out[c] *= factor;
#pragma unroll
    for (int key = 0; key < STEP_KEYS; key++) {
        float weight = __shfl_sync(ALL_LANES, weights[key / PASS], key % PASS * KEY_LANES);
        float values[LANE_DIMS];
        load_shared<LANE_DIMS>(v + key * DIM + lane * LANE_DIMS, values);
#pragma unroll
        for (int c = 0; c < LANE_DIMS; c++)
            part->out[c] = fmaf(weight, values[c], part->out[c]);
    }
}

/* The factor for a part whose maximum is `max`, where the greatest of all parts is `top`. */
__device__ static float part_factor(float max, float top)
{
    return max == top ? 1.0f : power_of_two(max - top);
}

/* The warps' parts of a split become one, in `to`: its values, its maximum, its sum. */
template <int DIM>
__device__ static void store_split(step_memory<DIM> *m, const step_part<DIM> &part, float *to)
{
    constexpr int LANE_DIMS = DIM / WARP;
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
#pragma unroll
    for (int c = 0; c < LANE_DIMS; c++)
        m->out[warp][lane * LANE_DIMS + c] = part.out[c];
    if (lane == 0) {
        m->max[warp] = part.max;
        m->sum[warp] = part.sum;
    }
    __syncthreads();
    float top = -INFINITY, sum = 0.0f, value = 0.0f;
    for (int i = 0; i < STEP_WARPS; i++)
        top = fmaxf(top, m->max[i]);
    int j = threadIdx.x;
    for (int i = 0; i < STEP_WARPS; i++) {
        float factor = part_factor(m->max[i], top);
        sum += m->sum[i] * factor;
        value += j < DIM ? m->out[i][j] * factor : 0.0f;
    }
    if (j < DIM)
        to[j] = value;
    if (j == 0) {
        to[DIM] = top;
        to[DIM + 1] = sum;
    }
}

/* The splits' parts become the head's output; by the first DIM threads. */
template <int DIM>
__device__ static void finish_head(const float *parts, int n_splits, yoco_dtype out_dtype,
                                   void *out, int64_t at)
{
    int j = threadIdx.x;
    float top = -INFINITY, sum = 0.0f, value = 0.0f;
    for (int i = 0; i < n_splits; i++)
        top = fmaxf(top, parts[i * (DIM + 2) + DIM]);
#pragma unroll 4
    for (int i = 0; i < n_splits; i++) {
        const float *part = parts + i * (DIM + 2);
        float factor = part_factor(part[DIM], top);
        sum += part[DIM + 1] * factor;
        value += (j < DIM ? part[j] : 0.0f) * factor;
    }
    if (j < DIM)
        store_value(out_dtype, out, at + j, value / sum);
}

template <int DIM>
__global__ void __launch_bounds__(STEP_THREADS)
    window_step_tiles_kernel(yoco_window_step_args args, step_splits splits,
                             by_value<yoco_window_view, MOST_VIEWS> views)
{
    YOCO_SHARED(shared);
    step_memory<DIM> *m = (step_memory<DIM> *)shared;
    int split = blockIdx.x, head = blockIdx.y, query = blockIdx.z, warp = threadIdx.x / WARP;
    const yoco_window_view view = views.at[query];
    int index = query * args.n_heads + head, row_size = args.n_kv_heads * DIM;
    int head_at = head / (args.n_heads / args.n_kv_heads) * DIM;
    int n_rows = (int)(view.n_rows[0] + view.n_rows[1] + view.n_rows[2]);
    int begin = split * splits.split_rows + warp * STEP_KEYS;
    int end = (split + 1) * splits.split_rows < n_rows ? (split + 1) * splits.split_rows : n_rows;
    float q[DIM / KEY_LANES];
    step_part<DIM> part = {};
    part.max = -INFINITY;
    auto copy = [&](int row, int stage) {
        if (row < end)
            copy_keys<DIM>(view, row, end, row_size, head_at, m->k[stage][warp], m->v[stage][warp]);
        cp_async_commit();
    };
    copy(begin, 0);
    copy(begin + STEP_TILE, 1);
    load_query<DIM>(args.q + (int64_t)index * DIM, args.scale_log2, q);
    for (int row = begin, stage = 0; row < end; row += STEP_TILE, stage ^= 1) {
        cp_async_wait<STEP_STAGES - 1>();
        __syncwarp();
        add_keys<DIM>(m->k[stage][warp], m->v[stage][warp], q, end - row, &part);
        __syncwarp(); /* before the stage is overwritten */
        copy(row + STEP_STAGES * STEP_TILE, stage);
    }
    cp_async_wait<0>();
    float *parts = splits.parts + (int64_t)index * splits.n_splits * (DIM + 2);
    store_split<DIM>(m, part, parts + split * (DIM + 2));
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0)
        m->n_before = atomicInc(&splits.n_done[index], (unsigned)splits.n_splits - 1);
    __syncthreads();
    if (m->n_before + 1 < (unsigned)splits.n_splits)
        return;
    __threadfence();
    finish_head<DIM>(parts, splits.n_splits, args.out_dtype, args.out, (int64_t)index * DIM);
}

/* Splits of a window, and queries whose parts fit the device's memory at once; 0: not even one's.
 */
template <int DIM>
static int64_t choose_splits(const yoco_device *device, const yoco_window_step_args *args,
                             step_splits *out)
{
    int64_t rows = yoco_round_up(yoco_div_up(args->window, MOST_SPLITS), STEP_TILE);
    rows = yoco_i64_max(rows, SPLIT_ROWS);
    int64_t n_splits = yoco_div_up(args->window, rows);
    *out = {(int)n_splits, (int)rows, device->step_parts, device->step_done};
    return yoco_i64_min(MOST_VIEWS, STEP_PARTS / (args->n_heads * n_splits * (DIM + 2)));
}

template <int DIM> static bool launch_step(yoco_device *device, const yoco_window_step_args *args)
{
    step_splits splits;
    int64_t most = choose_splits<DIM>(device, args, &splits);
    if (most == 0 || sizeof(step_memory<DIM>) > device->shared_limit)
        return false;
    for (int64_t first = 0; first < args->n_queries; first += most) {
        by_value<yoco_window_view, MOST_VIEWS> views;
        int64_t n = yoco_i64_min(most, args->n_queries - first);
        yoco_window_step_args own = yoco_cuda_step_part(args, first, n, &views);
        dim3 grid((unsigned)splits.n_splits, (unsigned)args->n_heads, (unsigned)n);
        YOCO_LAUNCH(window_step_tiles_kernel<DIM>, grid, STEP_THREADS, sizeof(step_memory<DIM>),
                    device->stream, own, splits, views);
    }
    return true;
}

static bool takes(const yoco_window_step_args *args)
{
    for (int64_t i = 0; i < args->n_queries; i++)
        for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++)
            if (!is_aligned(args->views[i].k[part], 16) || !is_aligned(args->views[i].v[part], 16))
                return false;
    return args->kv_dtype == YOCO_BF16 && args->n_v_heads == args->n_kv_heads &&
           args->v_dim == args->head_dim;
}

bool yoco_cuda_window_step_tiles(yoco_device *device, const yoco_window_step_args *args)
{
    if (!takes(args))
        return false;
    switch (args->head_dim) {
    case 32:
        return launch_step<32>(device, args);
    case 64:
        return launch_step<64>(device, args);
    case 128:
        return launch_step<128>(device, args);
    default:
        return false;
    }
}

yoco_status yoco_cuda_window_open(yoco_device *device)
{
    YOCO_TRY(yoco_cuda_alloc(device, STEP_PARTS * sizeof(float), "parts of windows",
                             (void **)&device->step_parts));
    YOCO_TRY(yoco_cuda_alloc(device, STEP_HEADS * sizeof(unsigned), "counts of parts",
                             (void **)&device->step_done));
    yoco_cuda_zero(device, device->step_done, STEP_HEADS * sizeof(unsigned));
    return YOCO_OK;
}

void yoco_cuda_window_close(yoco_device *device)
{
    yoco_cuda_free(device, device->step_parts);
    yoco_cuda_free(device, device->step_done);
}
