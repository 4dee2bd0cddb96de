/* Gated retention within blocks: a block of threads takes 128 rows of queries of a (block, head),
 * 16 for each warp, and walks over the keys up to them, 32 at a time: scores q k^T, weighed by the
 * decay between the rows, times v. The next keys are on their way from memory meanwhile, and are
 * split into the other of two stages when the products are done. Whoever has the block's last row
 * sees all keys, and sums what they add to the state as well.
 *
 * Where shared memory has no room for 128 rows it takes 64: a row's sums are the same. */
#include "kernels/cuda/retention_tiles.cuh"

constexpr int LOCAL_KEYS = 32;
constexpr int LOCAL_STAGES = 2;
constexpr int QUERY_ROWS = 64; /* of a tile of queries, of which there are */
constexpr int MOST_TILES = 2;

template <int DIM> struct local_stage {
    split_tile<DIM, LOCAL_KEYS> k, v;
};

template <int DIM> struct local_memory {
    local_stage<DIM> stages[LOCAL_STAGES];
    float decay[2][YOCO_RETENTION_ROWS]; /* high and low part */
    float to_end[YOCO_RETENTION_ROWS];   /* a key's weight in the state */
    split_tile<DIM, QUERY_ROWS> q[1];    /* first of n_tiles */
};

/* Rows `row`.. of the block against 16 rows `key`.. of it, which lie at key % 32 of the stage. */
template <int DIM>
__device__ static void add_out(const local_memory<DIM> *m, const local_stage<DIM> &stage, int tile,
                               int row, int key, float (&out)[DIM / 8][4])
{
    const split_tile<DIM, QUERY_ROWS> &q = m->q[tile];
    float scores[2][4] = {}, others[2][4] = {}; /* two chains each, so that neither waits */
    uint32_t a[PARTS][4], b[PARTS][4];
#pragma unroll
    for (int column = 0; column < DIM; column += 16) {
#pragma unroll
        for (int part = 0; part < PARTS; part++) {
            load_a(a[part], q.part[part], tile_shape<DIM>::STRIDE, row % QUERY_ROWS, column);
            load_b(b[part], stage.k.part[part], tile_shape<DIM>::STRIDE, key % LOCAL_KEYS, column);
        }
        if (column % 32 == 0)
            multiply(scores[0], scores[1], a, b);
        else
            multiply(others[0], others[1], a, b);
    }
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int to = row + g + i % 4 / 2 * 8, from = key + i / 4 * 8 + 2 * t + i % 2;
        float decay = (m->decay[0][to] - m->decay[0][from]) + (m->decay[1][to] - m->decay[1][from]);
        float *score = &scores[i / 4][i % 4];
        *score = from <= to ? expf(decay) * (*score + others[i / 4][i % 4]) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
        split_into(scores[i / 2][i % 2 * 2], scores[i / 2][i % 2 * 2 + 1], i, a);
    add_values<DIM>(out, a, stage.v, key % LOCAL_KEYS);
}

/* state (16 x DIM) += columns `row`.. of 16 keys, weighed, times their values. The keys' parts are
 * put together again for their weights: that costs less than to read them anew. */
template <int DIM>
__device__ static void add_state(const local_memory<DIM> *m, const local_stage<DIM> &stage, int row,
                                 int key, float (&state)[DIM / 8][4])
{
    uint32_t k[PARTS][4], a[PARTS][4];
    int t = threadIdx.x % 4;
#pragma unroll
    for (int part = 0; part < PARTS; part++)
        load_a_trans(k[part], stage.k.part[part], tile_shape<DIM>::STRIDE, row, key % LOCAL_KEYS);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        float low = 0.0f, high = 0.0f;
#pragma unroll
        for (int part = PARTS - 1; part >= 0; part--) {
            low += __uint_as_float(k[part][i] << 16);
            high += __uint_as_float(k[part][i] & 0xffff0000u);
        }
        float2 weight = *(const float2 *)&m->to_end[key + i / 2 * 8 + 2 * t];
        split_into(weight.x * low, weight.y * high, i, a);
    }
    add_values<DIM>(state, a, stage.v, key % LOCAL_KEYS);
}

/* The decays in two floats each, and as results; and to the block's end. Uses the stages. */
template <int DIM>
__device__ static void share_decays(const yoco_retention_args &args, const retention_block &rows,
                                    int head, bool store, local_memory<DIM> *m)
{
    double *scratch = (double *)m->stages;
    sum_decays(args, rows, head, scratch, scratch + YOCO_RETENTION_ROWS);
    double sum = scratch[threadIdx.x];
    m->decay[0][threadIdx.x] = (float)sum;
    m->decay[1][threadIdx.x] = (float)(sum - (float)sum);
    m->to_end[threadIdx.x] = expf((float)(scratch[rows.n_rows - 1] - sum));
    if (store && threadIdx.x < rows.n_rows)
        args.decay[(rows.first + threadIdx.x) * args.n_heads + head] = (float)sum;
    __syncthreads();
}

/* 256 threads sum the decays and the state; of their warps as many take queries as there are rows
 * for: sharing the keys would split sums. Blocks with the most keys start first. */
template <int DIM>
__global__ void __launch_bounds__(DECAY_THREADS, 1)
    retention_local_kernel(yoco_retention_args args, int n_tiles)
{
    YOCO_SHARED(shared);
    local_memory<DIM> *m = (local_memory<DIM> *)shared;
    int head = blockIdx.y, n_queries = n_tiles * QUERY_ROWS;
    int first = (int)(gridDim.z - 1 - blockIdx.z) * n_queries;
    retention_block rows = block_rows(args, blockIdx.x);
    int n_rows = (int)rows.n_rows, row_size = args.n_heads * DIM;
    int64_t at = rows.first * row_size + head * DIM;
    if (first >= n_rows)
        return;
    bool has_last = first + n_queries >= n_rows;
    int n_keys = has_last ? n_rows : first + n_queries;
    int warp_row = (int)threadIdx.x / WARP * 16, row = first + warp_row;
    bool has_out = warp_row < n_queries && row < n_rows, has_state = has_last && warp_row < DIM;
    rows_share<DIM, LOCAL_KEYS, DECAY_THREADS> k, v;
    auto load = [&](int key) {
        load_rows(&k, args.k + at + key * row_size, row_size, n_rows - key);
        load_rows(&v, args.v + at + key * row_size, row_size, n_rows - key);
    };
    auto store = [&](int stage) {
        store_split(k, &m->stages[stage].k);
        store_split(v, &m->stages[stage].v);
    };
    load(0);
    share_decays<DIM>(args, rows, head, has_last, m);
    store(0);
    for (int i = 0; i < n_tiles; i++) {
        int tile = first + i * QUERY_ROWS;
        rows_share<DIM, QUERY_ROWS, DECAY_THREADS> q;
        load_rows(&q, args.q + at + tile * row_size, row_size, n_rows - tile);
        store_split(q, &m->q[i]);
    }
    __syncthreads();
    float out[DIM / 8][4] = {}, state[DIM / 8][4] = {};
    for (int tile = 0, stage = 0; tile < n_keys; tile += LOCAL_KEYS, stage ^= 1) {
        bool has_next = tile + LOCAL_KEYS < n_keys;
        const local_stage<DIM> &now = m->stages[stage];
        if (has_next)
            load(tile + LOCAL_KEYS);
        for (int key = tile; has_out && key < tile + LOCAL_KEYS && key <= row; key += 16)
            add_out<DIM>(m, now, warp_row / QUERY_ROWS, row, key, out);
        for (int key = tile; has_state && key < tile + LOCAL_KEYS; key += 16)
            add_state<DIM>(m, now, warp_row, key, state);
        if (has_next)
            store(stage ^ 1);
        __syncthreads();
    }
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
    float *to = args.state + ((int64_t)blockIdx.x * args.n_heads + head) * DIM * DIM;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int own = g + 8 * half;
#pragma unroll
        for (int i = 0; i < DIM / 8; i++) {
            int column = 8 * i + 2 * t;
            if (has_out && row + own < n_rows)
                *(float2 *)&args.out[at + (row + own) * row_size + column] = {out[i][2 * half],
                                                                              out[i][2 * half + 1]};
            if (has_state)
                *(float2 *)&to[(warp_row + own) * DIM + column] = {state[i][2 * half],
                                                                   state[i][2 * half + 1]};
        }
    }
}

/* Bytes of shared memory for so many tiles of queries. */
template <int DIM> static size_t local_bytes(int n_tiles)
{
    return sizeof(local_memory<DIM>) + (size_t)(n_tiles - 1) * sizeof(split_tile<DIM, QUERY_ROWS>);
}

template <int DIM> static bool launch_local(yoco_device *device, const yoco_retention_args *args)
{
    if (!retention_tiles_fit(device, args, local_bytes<DIM>(1)))
        return false;
    int n_tiles = local_bytes<DIM>(MOST_TILES) <= device->shared_limit ? MOST_TILES : 1;
    dim3 grid((unsigned)yoco_div_up(args->n_rows, YOCO_RETENTION_ROWS), (unsigned)args->n_heads,
              YOCO_RETENTION_ROWS / QUERY_ROWS / (unsigned)n_tiles);
    YOCO_LAUNCH(retention_local_kernel<DIM>, grid, DECAY_THREADS, local_bytes<DIM>(n_tiles),
                device->stream, *args, n_tiles);
    return true;
}

bool yoco_cuda_retention_tiles_local(yoco_device *device, const yoco_retention_args *args)
{
    switch (args->head_dim) {
    case 32:
        return launch_local<32>(device, args);
    case 64:
        return launch_local<64>(device, args);
    case 128:
        return launch_local<128>(device, args);
    default:
        return false;
    }
}
