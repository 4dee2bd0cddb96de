/* Gated retention of prefill on tensor cores. Inputs stay f32: every number is split into three
 * bf16, and of their nine products the six that matter are summed.
 *
 * - out: a block of threads takes 128 rows of a (block, head), a warp 16 of them, and walks over
 * the tiles of 64 rows up to its own: scores q k^T, weighed by the decay between the rows, times v.
 *   Where shared memory has no room for that it takes 64 rows: a row's sums are the same.
 * - state: a block of threads takes a (block, head), a warp 16 rows of the state.
 * - correct: 64 rows times the state that entered their block, tile by tile. */
#include "kernels/cuda/retention.cuh"
#include "kernels/cuda/tiles.cuh"

constexpr int PARTS = 3;
constexpr int OUT_THREADS = 128;
constexpr int MOST_TILES = 2; /* of queries in a block of threads */

template <int DIM> struct split_tile {
    uint16_t part[PARTS][tile_shape<DIM>::KEYS_SIZE];
};

template <int DIM> struct out_memory {
    split_tile<DIM> k, v;
    float decay[2][YOCO_RETENTION_ROWS]; /* high and low part */
    split_tile<DIM> q[1];                /* first of n_tiles */
};

template <int DIM> struct state_memory {
    split_tile<DIM> k, v;
    double decay[YOCO_RETENTION_ROWS];
    double totals[DECAY_WARPS];
};

template <int DIM> struct correct_memory {
    split_tile<DIM> q, state;
};

struct factor_one {
    __device__ float operator()(int) const
    {
        return 1.0f;
    }
};

/* A tile of up to 64 rows of f32, each times its factor, split, by all of the block's THREADS;
 * zeros from row n on. All loads of a thread are under way at once. */
template <int DIM, int THREADS, typename Factor>
__device__ static void load_split(split_tile<DIM> *tile, const float *rows, int row_size, int n,
                                  Factor factor)
{
    constexpr int QUADS = DIM / 4, STEP = THREADS / QUADS, EACH = TILE_KEYS / STEP;
    int first = threadIdx.x / QUADS, column = threadIdx.x % QUADS * 4;
    float4 x[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        int row = first + i * STEP;
        x[i] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (row < n)
            x[i] = *(const float4 *)(rows + row * row_size + column);
    }
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        int row = first + i * STEP;
        float f = factor(row < n ? row : 0);
        uint32_t low[PARTS], high[PARTS];
        split_pair<PARTS>(f * x[i].x, f * x[i].y, low);
        split_pair<PARTS>(f * x[i].z, f * x[i].w, high);
#pragma unroll
        for (int part = 0; part < PARTS; part++)
            *(uint2 *)(tile->part[part] + row * tile_shape<DIM>::STRIDE + column) = {low[part],
                                                                                     high[part]};
    }
}

template <int DIM, int THREADS>
__device__ static void load_split(split_tile<DIM> *tile, const float *rows, int row_size, int n)
{
    load_split<DIM, THREADS>(tile, rows, row_size, n, factor_one());
}

/* Two products of 16 x 8 with split factors, the smallest parts first; b is that of load_b. */
__device__ static void multiply(float (&left)[4], float (&right)[4], const uint32_t (&a)[PARTS][4],
                                const uint32_t (&b)[PARTS][4])
{
#pragma unroll
    for (int both = PARTS - 1; both >= 0; both--) {
#pragma unroll
        for (int i = 0; i <= both; i++) {
            mma_bf16(left, a[i], b[both - i][0], b[both - i][1]);
            mma_bf16(right, a[i], b[both - i][2], b[both - i][3]);
        }
    }
}

/* out (16 x DIM) += a (16 x 16) times rows row .. row + 15 of the tile. */
template <int DIM>
__device__ static void add_values(float (&out)[DIM / 8][4], const uint32_t (&a)[PARTS][4],
                                  const split_tile<DIM> &tile, int row)
{
#pragma unroll
    for (int column = 0; column < DIM; column += 16) {
        uint32_t b[PARTS][4];
#pragma unroll
        for (int part = 0; part < PARTS; part++)
            load_b_trans(b[part], tile.part[part], tile_shape<DIM>::STRIDE, row, column);
        multiply(out[column / 8], out[column / 8 + 1], a, b);
    }
}

/* Fragments of 16 columns of weights, from where products left them. */
__device__ static void split_weights(const float (&left)[4], const float (&right)[4],
                                     uint32_t (&a)[PARTS][4])
{
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float *from = (i < 2 ? left : right) + i % 2 * 2;
        uint32_t parts[PARTS];
        split_pair<PARTS>(from[0], from[1], parts);
#pragma unroll
        for (int part = 0; part < PARTS; part++)
            a[part][i] = parts[part];
    }
}

/* Rows `row`.. of the block against 16 rows `key`.. of it, which lie at key % 64 of the tile. */
template <int DIM>
__device__ static void out_keys(const out_memory<DIM> *m, int tile, int row, int key,
                                float (&out)[DIM / 8][4])
{
    const split_tile<DIM> &q = m->q[tile];
    float scores[2][4] = {}, others[2][4] = {}; /* two chains each, so that neither waits */
    uint32_t a[PARTS][4], b[PARTS][4];
#pragma unroll
    for (int column = 0; column < DIM; column += 16) {
#pragma unroll
        for (int part = 0; part < PARTS; part++) {
            load_a(a[part], q.part[part], tile_shape<DIM>::STRIDE, row % TILE_KEYS, column);
            load_b(b[part], m->k.part[part], tile_shape<DIM>::STRIDE, key % TILE_KEYS, column);
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
    split_weights(scores[0], scores[1], a);
    add_values<DIM>(out, a, m->v, key % TILE_KEYS);
}

/* The decays in two floats each, and as results. Shared memory of `scratch` is free afterwards. */
__device__ static void share_decays(const yoco_retention_args &args, const retention_block &rows,
                                    int head, bool store, double *scratch, float (*decay)[256])
{
    sum_decays(args, rows, head, scratch, scratch + YOCO_RETENTION_ROWS);
    double sum = scratch[threadIdx.x];
    decay[0][threadIdx.x] = (float)sum;
    decay[1][threadIdx.x] = (float)(sum - (float)sum);
    if (store && threadIdx.x < rows.n_rows)
        args.decay[(rows.first + threadIdx.x) * args.n_heads + head] = (float)sum;
    __syncthreads();
}

/* 256 threads sum the decays; of their warps as many multiply as there are rows for: sharing the
 * keys would split sums. */
template <int DIM>
__global__ void __launch_bounds__(DECAY_THREADS, 1)
    retention_out_tiles_kernel(yoco_retention_args args, int n_tiles)
{
    YOCO_SHARED(shared);
    out_memory<DIM> *m = (out_memory<DIM> *)shared;
    int head = blockIdx.y, n_rows = n_tiles * TILE_KEYS;
    unsigned n_blocks = YOCO_RETENTION_ROWS / (unsigned)n_rows;
    int first = (int)(blockIdx.x % n_blocks) * n_rows;
    retention_block rows = block_rows(args, blockIdx.x / n_blocks);
    int row_size = args.n_heads * DIM;
    int64_t at = rows.first * row_size + head * DIM;
    if (first >= rows.n_rows)
        return;
    share_decays(args, rows, head, first == 0, (double *)&m->k, m->decay);
    int warp = threadIdx.x / WARP, row = first + warp * 16;
    bool multiplies = warp < n_rows / 16 && row < rows.n_rows;
    for (int i = 0; i < n_tiles; i++)
        load_split<DIM, DECAY_THREADS>(&m->q[i], args.q + at + (first + i * TILE_KEYS) * row_size,
                                       row_size, (int)rows.n_rows - first - i * TILE_KEYS);
    float out[DIM / 8][4] = {};
    for (int tile = 0; tile < first + n_rows && tile < rows.n_rows; tile += TILE_KEYS) {
        __syncthreads();
        load_split<DIM, DECAY_THREADS>(&m->k, args.k + at + tile * row_size, row_size,
                                       (int)rows.n_rows - tile);
        load_split<DIM, DECAY_THREADS>(&m->v, args.v + at + tile * row_size, row_size,
                                       (int)rows.n_rows - tile);
        __syncthreads();
        for (int key = tile; multiplies && key < tile + TILE_KEYS && key <= row; key += 16)
            out_keys<DIM>(m, warp / 4, row, key, out);
    }
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int i = 0; i < DIM / 2; i++) {
        int64_t to = row + g + i % 4 / 2 * 8;
        if (multiplies && to < rows.n_rows)
            args.out[at + to * row_size + i / 4 * 8 + 2 * t + i % 2] = out[i / 4][i % 4];
    }
}

template <int DIM>
__global__ void __launch_bounds__(DECAY_THREADS)
    retention_state_tiles_kernel(yoco_retention_args args)
{
    YOCO_SHARED(shared);
    state_memory<DIM> *m = (state_memory<DIM> *)shared;
    int head = blockIdx.y, row = (int)threadIdx.x / WARP * 16;
    retention_block rows = block_rows(args, blockIdx.x);
    int row_size = args.n_heads * DIM;
    int64_t at = rows.first * row_size + head * DIM;
    sum_decays(args, rows, head, m->decay, m->totals);
    double last = m->decay[rows.n_rows - 1];
    float state[DIM / 8][4] = {};
    for (int tile = 0; tile < rows.n_rows; tile += TILE_KEYS) {
        int n = (int)rows.n_rows - tile;
        __syncthreads();
        load_split<DIM, DECAY_THREADS>(&m->v, args.v + at + tile * row_size, row_size, n);
        load_split<DIM, DECAY_THREADS>(
            &m->k, args.k + at + tile * row_size, row_size, n,
            [=](int key) { return expf((float)(last - m->decay[tile + key])); });
        __syncthreads();
        for (int key = 0; row < DIM && key < TILE_KEYS; key += 16) {
            uint32_t a[PARTS][4];
#pragma unroll
            for (int part = 0; part < PARTS; part++)
                load_a_trans(a[part], m->k.part[part], tile_shape<DIM>::STRIDE, row, key);
            add_values<DIM>(state, a, m->v, key);
        }
    }
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
    float *to = args.state + ((int64_t)blockIdx.x * args.n_heads + head) * DIM * DIM;
#pragma unroll
    for (int i = 0; i < DIM / 2; i++) {
        if (row < DIM)
            to[(row + g + i % 4 / 2 * 8) * DIM + i / 4 * 8 + 2 * t + i % 2] = state[i / 4][i % 4];
    }
}

template <int DIM>
__global__ void __launch_bounds__(OUT_THREADS)
    retention_correct_tiles_kernel(yoco_retention_args args)
{
    YOCO_SHARED(shared);
    correct_memory<DIM> *m = (correct_memory<DIM> *)shared;
    int head = blockIdx.y, warp_row = (int)threadIdx.x / WARP * 16;
    int64_t first = (int64_t)blockIdx.x * TILE_KEYS, block = first / YOCO_RETENTION_ROWS;
    int row_size = args.n_heads * DIM;
    int64_t at = first * row_size + head * DIM;
    int n = args.n_rows - first < TILE_KEYS ? (int)(args.n_rows - first) : TILE_KEYS;
    const float *state = args.state + (block * args.n_heads + head) * DIM * DIM;
    load_split<DIM, OUT_THREADS>(&m->q, args.q + at, row_size, n);
    float sums[DIM / 8][4] = {};
    for (int depth = 0; depth < DIM; depth += TILE_KEYS) {
        __syncthreads();
        load_split<DIM, OUT_THREADS>(&m->state, state + depth * DIM, DIM, DIM - depth);
        __syncthreads();
        for (int k = 0; k < TILE_KEYS && depth + k < DIM; k += 16) {
            uint32_t a[PARTS][4];
#pragma unroll
            for (int part = 0; part < PARTS; part++)
                load_a(a[part], m->q.part[part], tile_shape<DIM>::STRIDE, warp_row, depth + k);
            add_values<DIM>(sums, a, m->state, k);
        }
    }
    int g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int row = warp_row + g + 8 * half;
        if (row >= n)
            continue;
        float decay = expf(args.decay[(first + row) * args.n_heads + head]);
#pragma unroll
        for (int i = 0; i < DIM / 4; i++) {
            float *out = &args.out[at + row * row_size + i / 2 * 8 + 2 * t + i % 2];
            *out = fmaf(decay, sums[i / 2][2 * half + i % 2], *out);
        }
    }
}

/* Bytes of shared memory for so many tiles of queries. */
template <int DIM> static size_t out_bytes(int n_tiles)
{
    return sizeof(out_memory<DIM>) + (size_t)(n_tiles - 1) * sizeof(split_tile<DIM>);
}

template <int DIM> static void launch_local(yoco_device *device, const yoco_retention_args *args)
{
    unsigned n_blocks = (unsigned)yoco_div_up(args->n_rows, YOCO_RETENTION_ROWS);
    int n_tiles = out_bytes<DIM>(MOST_TILES) <= device->shared_limit ? MOST_TILES : 1;
    dim3 tiles(n_blocks * (YOCO_RETENTION_ROWS / TILE_KEYS / (unsigned)n_tiles),
               (unsigned)args->n_heads);
    dim3 blocks(n_blocks, (unsigned)args->n_heads);
    YOCO_LAUNCH(retention_out_tiles_kernel<DIM>, tiles, DECAY_THREADS, out_bytes<DIM>(n_tiles),
                device->stream, *args, n_tiles);
    YOCO_LAUNCH(retention_state_tiles_kernel<DIM>, blocks, DECAY_THREADS, sizeof(state_memory<DIM>),
                device->stream, *args);
}

template <int DIM> static void launch_correct(yoco_device *device, const yoco_retention_args *args)
{
    dim3 tiles((unsigned)yoco_div_up(args->n_rows, TILE_KEYS), (unsigned)args->n_heads);
    YOCO_LAUNCH(retention_correct_tiles_kernel<DIM>, tiles, OUT_THREADS,
                sizeof(correct_memory<DIM>), device->stream, *args);
}

/* The same answer for all three kernels. */
static bool takes(const yoco_device *device, const yoco_retention_args *args)
{
    size_t bytes = args->head_dim == 128  ? out_bytes<128>(1)
                   : args->head_dim == 64 ? out_bytes<64>(1)
                                          : out_bytes<32>(1);
    return bytes <= device->shared_limit && is_aligned(args->q, 16) && is_aligned(args->k, 16) &&
           is_aligned(args->v, 16) && is_aligned(args->state, 16);
}

bool yoco_cuda_retention_tiles_local(yoco_device *device, const yoco_retention_args *args)
{
    if (!takes(device, args))
        return false;
    switch (args->head_dim) {
    case 32:
        launch_local<32>(device, args);
        return true;
    case 64:
        launch_local<64>(device, args);
        return true;
    case 128:
        launch_local<128>(device, args);
        return true;
    default:
        return false;
    }
}

bool yoco_cuda_retention_tiles_correct(yoco_device *device, const yoco_retention_args *args)
{
    if (!takes(device, args))
        return false;
    switch (args->head_dim) {
    case 32:
        launch_correct<32>(device, args);
        return true;
    case 64:
        launch_correct<64>(device, args);
        return true;
    case 128:
        launch_correct<128>(device, args);
        return true;
    default:
        return false;
    }
}
