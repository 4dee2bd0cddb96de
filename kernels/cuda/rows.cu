/* Products of few rows: the weight is read once, at the speed of memory.
 *
 * In bf16 a block computes 16 or 32 outputs for up to 8 or 64 rows on tensor cores. Slices of the
 * weight's rows and of x are on their way to shared memory while earlier ones are used. A warp
 * takes 32 inputs of every slice; a lane reads 8 consecutive numbers of a weight's row and of x,
 * which serve two products, the k axis being permuted alike on both sides. The warps' sums are
 * added in their order. So a sum's order depends on the depth alone, and rows never mix. Products
 * of the same x share a launch. */
#include "kernels/cuda/dense.cuh"
#include "kernels/cuda/values.cuh"

constexpr int ROWS_THREADS = 256;
constexpr int ROWS_WARPS = ROWS_THREADS / WARP;
constexpr int TILE_ROWS = 8; /* rows of x in one product */
constexpr int F32_ROWS = 4;
constexpr int SLICE = ROWS_WARPS * 32;
constexpr int SLICE_STRIDE = SLICE + 32; /* two rows next to each other share no bank */

struct rows_product {
    const void *weight;
    float *y;
    int64_t n_out, weight_rows; /* the latter padded */
    int first_block;
    bool accumulate;
};

struct rows_args {
    int64_t n_rows, n_in, depth;
    const void *x;
    bool x_aligned; /* rows of x lie on 16-byte boundaries */
    int n_products;
    rows_product products[YOCO_MAX_CHAIN];
};

/* Which product a block works for; constant indices, so that arguments stay where they are. */
__device__ static rows_product find_product(const rows_args &args)
{
    rows_product found = args.products[0];
#pragma unroll
    for (int i = 1; i < YOCO_MAX_CHAIN; i++)
        if (i < args.n_products && (int)blockIdx.x >= args.products[i].first_block)
            found = args.products[i];
    found.weight = in_global(found.weight);
    found.y = in_global(found.y);
    return found;
}

/* Few rows want many blocks that each keep many slices under way, many rows want the weight's
 * outputs to share what is read of x. */
template <int N_TILES> struct rows_shape {
    static const int OUT_TILES = N_TILES == 1 ? 1 : 2;
    static const int STAGES = N_TILES == 1 ? 4 : 2;
    static const int OUTS = OUT_TILES * OUTPUT_MULTIPLE, ROWS = N_TILES * TILE_ROWS;
};

template <int N_TILES> struct rows_stage {
    uint16_t w[rows_shape<N_TILES>::OUTS * SLICE_STRIDE];
    uint16_t x[rows_shape<N_TILES>::ROWS * SLICE_STRIDE];
};

/* Begins to copy inputs k .. k + SLICE - 1; a warp for each row. */
template <int N_TILES>
__device__ static void copy_slice(const rows_args &args, const rows_product &product,
                                  int64_t first_out, int64_t first_row, int k,
                                  rows_stage<N_TILES> *stage)
{
    int column = threadIdx.x % WARP * 8, warp = threadIdx.x / WARP, at = k + column;
    const uint16_t *w = (const uint16_t *)product.weight, *x = (const uint16_t *)args.x;
#pragma unroll
    for (int i = 0; i < rows_shape<N_TILES>::OUTS; i += ROWS_WARPS) {
        int64_t row = first_out + i + warp;
        bool valid = at < args.depth && row < product.weight_rows;
        cp_async_16(stage->w + (i + warp) * SLICE_STRIDE + column,
                    w + (valid ? row * args.depth + at : 0), valid);
    }
#pragma unroll
    for (int i = 0; i < rows_shape<N_TILES>::ROWS; i += ROWS_WARPS) {
        int64_t row = first_row + i + warp;
        uint16_t *to = stage->x + (i + warp) * SLICE_STRIDE + column;
        bool valid = at < args.n_in && row < args.n_rows;
        if (args.x_aligned)
            cp_async_16(to, x + (valid ? row * args.n_in + at : 0), valid);
        else
            *(uint4 *)to =
                valid ? load_8_bf16(x + row * args.n_in, at, args.n_in) : uint4{0, 0, 0, 0};
    }
}

template <int N_TILES>
__device__ static void add_slice(const rows_stage<N_TILES> &stage,
                                 float (&sums)[rows_shape<N_TILES>::OUT_TILES][N_TILES][4])
{
    constexpr int OUT_TILES = rows_shape<N_TILES>::OUT_TILES;
    int lane = threadIdx.x % WARP, g = lane / 4;
    int at = g * SLICE_STRIDE + threadIdx.x / WARP * 32 + lane % 4 * 8;
    uint4 top[OUT_TILES], bottom[OUT_TILES];
#pragma unroll
    for (int i = 0; i < OUT_TILES; i++) {
        const uint16_t *w = stage.w + at + i * OUTPUT_MULTIPLE * SLICE_STRIDE;
        top[i] = *(const uint4 *)w;
        bottom[i] = *(const uint4 *)(w + 8 * SLICE_STRIDE);
    }
#pragma unroll
    for (int tile = 0; tile < N_TILES; tile++) {
        uint4 v = *(const uint4 *)(stage.x + at + tile * TILE_ROWS * SLICE_STRIDE);
#pragma unroll
        for (int i = 0; i < OUT_TILES; i++) {
            const uint32_t a[4] = {top[i].x, bottom[i].x, top[i].y, bottom[i].y};
            const uint32_t b[4] = {top[i].z, bottom[i].z, top[i].w, bottom[i].w};
            mma_bf16(sums[i][tile], a, v.x, v.y);
            mma_bf16(sums[i][tile], b, v.z, v.w);
        }
    }
}

/* The warps' sums, added by way of `parts`, (warps, rows, outputs). */
template <int N_TILES>
__device__ static void
store_sums(const rows_args &args, const rows_product &product, int64_t first_out, int64_t first_row,
           const float (&sums)[rows_shape<N_TILES>::OUT_TILES][N_TILES][4], float *parts)
{
    constexpr int OUTS = rows_shape<N_TILES>::OUTS, PART = rows_shape<N_TILES>::ROWS * OUTS;
    int lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    float *part = parts + threadIdx.x / WARP * PART;
#pragma unroll
    for (int i = 0; i < rows_shape<N_TILES>::OUT_TILES; i++)
#pragma unroll
        for (int tile = 0; tile < N_TILES; tile++)
#pragma unroll
            for (int j = 0; j < 4; j++)
                part[(tile * TILE_ROWS + 2 * t + j % 2) * OUTS + i * OUTPUT_MULTIPLE + g +
                     j / 2 * 8] = sums[i][tile][j];
    __syncthreads();
    for (int i = threadIdx.x; i < PART; i += ROWS_THREADS) {
        int64_t row = first_row + i / OUTS, out = first_out + i % OUTS;
        if (row >= args.n_rows || out >= product.n_out)
            continue;
        float sum = 0.0f;
#pragma unroll
        for (int j = 0; j < ROWS_WARPS; j++)
            sum += parts[j * PART + i];
        float *y = product.y + row * product.n_out + out;
        *y = product.accumulate ? *y + sum : sum;
    }
}

template <int N_TILES>
__global__ void __launch_bounds__(ROWS_THREADS) rows_bf16_kernel(rows_args args)
{
    YOCO_SHARED(shared);
    constexpr int STAGES = rows_shape<N_TILES>::STAGES;
    rows_stage<N_TILES> *stages = (rows_stage<N_TILES> *)shared;
    const rows_product product = find_product(args);
    int64_t first_out =
        (int64_t)((int)blockIdx.x - product.first_block) * rows_shape<N_TILES>::OUTS;
    int64_t first_row = (int64_t)blockIdx.y * rows_shape<N_TILES>::ROWS;
    int depth = (int)args.depth;
    float sums[rows_shape<N_TILES>::OUT_TILES][N_TILES][4] = {};
    auto copy = [&](int slice) {
        if (slice * SLICE < depth)
            copy_slice<N_TILES>(args, product, first_out, first_row, slice * SLICE,
                                &stages[slice % STAGES]);
        cp_async_commit();
    };
    for (int i = 0; i < STAGES - 1; i++)
        copy(i);
    for (int slice = 0; slice * SLICE < depth; slice++) {
        cp_async_wait<STAGES - 2>();
        __syncthreads(); /* the slice is here, and the one before it was used */
        copy(slice + STAGES - 1);
        add_slice<N_TILES>(stages[slice % STAGES], sums);
    }
    cp_async_wait<0>();
    __syncthreads();
    store_sums<N_TILES>(args, product, first_out, first_row, sums, (float *)shared);
}

/* A warp per output, F32_ROWS rows at a time. */
__global__ void __launch_bounds__(ROWS_THREADS) rows_f32_kernel(rows_args args)
{
    int lane = threadIdx.x % WARP;
    const rows_product product = find_product(args);
    int64_t out =
        (int64_t)((int)blockIdx.x - product.first_block) * ROWS_WARPS + threadIdx.x / WARP;
    if (out >= product.n_out)
        return;
    const float *w = (const float *)product.weight + out * args.depth;
    int64_t first = (int64_t)blockIdx.y * F32_ROWS;
    float sums[F32_ROWS] = {};
    for (int64_t k = lane; k < args.n_in; k += WARP) {
        float weight = w[k];
        for (int i = 0; i < F32_ROWS; i++) {
            if (first + i < args.n_rows)
                sums[i] =
                    fmaf(weight, ((const float *)args.x)[(first + i) * args.n_in + k], sums[i]);
        }
    }
    for (int i = 0; i < F32_ROWS; i++) {
        float sum = warp_sum(sums[i]);
        if (lane == 0 && first + i < args.n_rows) {
            float *y = product.y + (first + i) * product.n_out + out;
            *y = product.accumulate ? *y + sum : sum;
        }
    }
}

/* Blocks of `outs` outputs, one product's after the other's. */
static unsigned place_blocks(rows_args *args, int outs)
{
    int n = 0;
    for (int i = 0; i < args->n_products; i++) {
        args->products[i].first_block = n;
        n += (int)yoco_div_up(args->products[i].n_out, outs);
    }
    return (unsigned)n;
}

template <int N_TILES> static void launch_bf16(yoco_device *device, rows_args args)
{
    constexpr size_t SHARED = rows_shape<N_TILES>::STAGES * sizeof(rows_stage<N_TILES>);
    dim3 grid(place_blocks(&args, rows_shape<N_TILES>::OUTS),
              (unsigned)yoco_div_up(args.n_rows, rows_shape<N_TILES>::ROWS));
    static_assert(SHARED >= sizeof(float) * ROWS_WARPS * rows_shape<N_TILES>::ROWS *
                                rows_shape<N_TILES>::OUTS,
                  "the warps' sums need room");
    YOCO_LAUNCH(rows_bf16_kernel<N_TILES>, grid, ROWS_THREADS, SHARED, device->stream, args);
}

void yoco_cuda_linear_rows(yoco_device *device, const yoco_linear_args *linear)
{
    const yoco_weight *first = linear->weight;
    rows_args args = {.n_rows = linear->n_rows,
                      .n_in = first->n_in,
                      .depth = first->depth,
                      .x = linear->x,
                      .x_aligned = first->n_in % 8 == 0 && is_aligned(linear->x, 16),
                      .n_products = 0,
                      .products = {}};
    for (; linear && args.n_products < YOCO_MAX_CHAIN; linear = linear->next) {
        const yoco_weight *weight = linear->weight;
        args.products[args.n_products++] = {weight->data, linear->y, weight->n_out,
                                            weight->rows, 0,         linear->accumulate};
    }
    if (first->dtype == YOCO_BF16 && args.n_rows <= TILE_ROWS) {
        launch_bf16<1>(device, args);
    } else if (first->dtype == YOCO_BF16) {
        launch_bf16<8>(device, args);
    } else {
        dim3 grid(place_blocks(&args, ROWS_WARPS), (unsigned)yoco_div_up(args.n_rows, F32_ROWS));
        YOCO_LAUNCH(rows_f32_kernel, grid, ROWS_THREADS, 0, device->stream, args);
    }
}
