/* Ops on single elements. */
#include "kernels/cuda/dense.cuh"
#include "kernels/cuda/values.cuh"

#include <string.h>

constexpr int POINT_THREADS = 256;

/* Four elements of a row for each thread: a row for every blockIdx.x, so that an index within it
 * has 32 bits and nothing divides 64. */
static dim3 row_grid(int64_t n_rows, int64_t row_size)
{
    return dim3((unsigned)n_rows, (unsigned)yoco_div_up(row_size, 4 * POINT_THREADS));
}

__device__ static int row_index()
{
    return 4 * (int)(blockIdx.y * POINT_THREADS + threadIdx.x);
}

__global__ void embed_kernel(yoco_embed_args args, yoco_dtype dtype, const void *table, int dim)
{
    int64_t from = (int64_t)args.ids[blockIdx.x] * dim, to = (int64_t)blockIdx.x * dim;
    int at = row_index();
    float x[4];
#pragma unroll
    for (int i = 0; i < 4; i++)
        x[i] = at + i < dim ? args.scale * load_value(dtype, table, from + at + i) : 0.0f;
    store_4(YOCO_F32, args.x + to, at, dim, x);
}

__global__ void cast_kernel(yoco_cast_args args)
{
    for (int64_t i = 4 * grid_thread(); i < args.n; i += 4 * grid_threads()) {
        float x[4];
        load_4(args.x, i, args.n, x);
        store_4(args.out_dtype, args.out, i, args.n, x);
    }
}

__global__ void swiglu_kernel(yoco_swiglu_args args)
{
    for (int64_t i = 4 * grid_thread(); i < args.n; i += 4 * grid_threads()) {
        float a[4], b[4], out[4];
        load_4(args.a, i, args.n, a);
        load_4(args.b, i, args.n, b);
        for (int j = 0; j < 4; j++)
            out[j] = a[j] / (1.0f + expf(-a[j])) * b[j];
        store_4(args.out_dtype, args.out, i, args.n, out);
    }
}

/* By (1 + tanh t) / 2 = 1 / (1 + e^-2t). */
__device__ static float gelu(float x)
{
    float inner = fmaf(x * x, x * 0.044715f, x);
    return x / (1.0f + expf(-1.59576912f * inner));
}

__global__ void geglu_kernel(yoco_swiglu_args args)
{
    for (int64_t i = 4 * grid_thread(); i < args.n; i += 4 * grid_threads()) {
        float a[4], b[4], out[4];
        load_4(args.a, i, args.n, a);
        load_4(args.b, i, args.n, b);
        for (int j = 0; j < 4; j++)
            out[j] = gelu(a[j]) * b[j];
        store_4(args.out_dtype, args.out, i, args.n, out);
    }
}

__global__ void glu_kernel(yoco_swiglu_args args)
{
    for (int64_t i = 4 * grid_thread(); i < args.n; i += 4 * grid_threads()) {
        float a[4], b[4], out[4];
        load_4(args.a, i, args.n, a);
        load_4(args.b, i, args.n, b);
        for (int j = 0; j < 4; j++)
            out[j] = b[j] / (1.0f + expf(-a[j]));
        store_4(args.out_dtype, args.out, i, args.n, out);
    }
}

__global__ void soft_cap_kernel(yoco_soft_cap_args args)
{
    for (int64_t i = 4 * grid_thread(); i < args.n; i += 4 * grid_threads()) {
        float x[4];
        load_4(args.x, i, args.n, x);
        for (int j = 0; j < 4; j++)
            x[j] = tanhf(x[j] / args.cap) * args.cap;
        store_4(YOCO_F32, args.x, i, args.n, x);
    }
}

/* Rows of one slice for every blockIdx.y, as they were staged: (slices, rows, width). */
__global__ void gather_kernel(yoco_dtype dtype, const void *staged, int64_t slice_size, float scale,
                              float *out, int64_t out_stride)
{
    int64_t from = (int64_t)blockIdx.y * slice_size;
    float *to = out + (int64_t)blockIdx.y * out_stride;
    for (int64_t i = 4 * grid_thread(); i < slice_size; i += 4 * grid_threads()) {
        float x[4];
        for (int j = 0; j < 4; j++)
            x[j] = i + j < slice_size ? scale * load_value(dtype, staged, from + i + j) : 0.0f;
        store_4(YOCO_F32, to, i, slice_size, x);
    }
}

__global__ void rope_table_kernel(yoco_rope_table_args args)
{
    for (int64_t i = grid_thread(); i < args.n_rows * args.n_freqs; i += grid_threads()) {
        double angle =
            (double)args.positions[i / args.n_freqs] * args.frequencies[i % args.n_freqs];
        args.cos[i] = (float)(cos(angle) * args.scale);
        args.sin[i] = (float)(sin(angle) * args.scale);
    }
}

/* The pairs whose first channel is one of four: both of its channels, as what one thread writes no
 * other may read. And those of the four that do not turn. */
__device__ static void rotate_halves(const yoco_rope_args &args, const float *cos, const float *sin,
                                     int64_t first, int at, int row_size)
{
    int half = args.width / 2;
    for (int i = 0; i < 4 && at + i < row_size; i++) {
        int pair = (at + i) % args.head_dim;
        int64_t element = first + at + i;
        if (pair >= args.width)
            store_value(args.out_dtype, args.out, element, args.x[element] * args.scale);
        if (pair >= half)
            continue;
        float c = cos[pair], s = sin[pair], low = args.x[element], high = args.x[element + half];
        store_value(args.out_dtype, args.out, element, fmaf(low, c, -(high * s)) * args.scale);
        store_value(args.out_dtype, args.out, element + half, fmaf(low, s, high * c) * args.scale);
    }
}

/* A tensor of the chain for every blockIdx.z. Two pairs, which may be of two heads where those are
 * no multiple of 4. */
__global__ void rope_kernel(by_value<yoco_rope_args, YOCO_MAX_CHAIN> chain)
{
    const yoco_rope_args &args = chain.at[blockIdx.z];
    int row_size = args.n_heads * args.head_dim, at = row_index();
    int64_t row = blockIdx.x, first = row * row_size;
    const float *cos = args.cos + row * (args.width / 2);
    const float *sin = args.sin + row * (args.width / 2);
    size_t element = args.out_dtype == YOCO_BF16 ? 2 : 4;
    float x[4];
    if (at >= row_size)
        return;
    if (args.cos && args.halves) {
        rotate_halves(args, cos, sin, first, at, row_size);
        return;
    }
    load_4(args.x + first, at, row_size, x);
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
        if (!args.cos)
            break;
        int pair = (at + i) % args.head_dim / 2;
        bool turns = 2 * pair < args.width;
        float c = turns ? cos[pair] : 1, s = turns ? sin[pair] : 0, even = x[i], odd = x[i + 1];
        x[i] = fmaf(even, c, -(odd * s)) * args.scale;
        x[i + 1] = fmaf(even, s, odd * c) * args.scale;
    }
    store_4(args.out_dtype, (char *)args.out + (size_t)first * element, at, row_size, x);
}

__global__ void add_bias_kernel(int n, const float *bias, float *x)
{
    int at = row_index();
    float b[4], sum[4], *row = x + (int64_t)blockIdx.x * n;
    if (at >= n)
        return;
    load_4(bias, at, n, b);
    load_4(row, at, n, sum);
#pragma unroll
    for (int i = 0; i < 4; i++)
        sum[i] += b[i];
    store_4(YOCO_F32, row, at, n, sum);
}

static void embed(yoco_device *device, const yoco_embed_args *args)
{
    const yoco_weight *table = args->table;
    yoco_embed_args own = *args;
    own.table = NULL;
    if (args->n_rows > 0)
        YOCO_LAUNCH(embed_kernel, row_grid(args->n_rows, table->n_in), POINT_THREADS, 0,
                    device->stream, own, table->dtype, table->data, (int)table->n_in);
}

/* A part of the rows and of the slices, on its way through the ring. */
static void gather_part(yoco_device *device, const yoco_gather_args *args, int64_t first_row,
                        int64_t n_rows, int64_t first_slice, int64_t n_slices)
{
    size_t element = yoco_dtype_bytes(args->table_dtype), bytes = (size_t)args->width * element;
    size_t all = (size_t)(n_rows * n_slices) * bytes;
    void *staged;
    char *host = (char *)yoco_cuda_staging_begin(device, all, &staged);
    if (!host)
        return;
    for (int64_t slice = 0; slice < n_slices; slice++) {
        for (int64_t row = 0; row < n_rows; row++) {
            int64_t from =
                args->ids[first_row + row] * args->row_width + (first_slice + slice) * args->width;
            memcpy(host + (size_t)(slice * n_rows + row) * bytes,
                   (const char *)args->table + (size_t)from * element, bytes);
        }
    }
    yoco_cuda_staging_send(device, host, all, staged);
    int64_t slice_size = n_rows * args->width, out_stride = args->n_rows * args->width;
    YOCO_LAUNCH(gather_kernel, dim3(grid_for(yoco_div_up(slice_size, 4)), (unsigned)n_slices),
                POINT_THREADS, 0, device->stream, args->table_dtype, staged, slice_size,
                args->scale, args->out + first_slice * out_stride + first_row * args->width,
                out_stride);
}

static void gather(yoco_device *device, const yoco_gather_args *args)
{
    int64_t fits = YOCO_STAGING_BYTES / 2 / (args->width * (int64_t)sizeof(float));
    int64_t slices = yoco_i64_min(args->n_slices, fits), rows = fits / yoco_i64_max(slices, 1);
    for (int64_t slice = 0; slice < args->n_slices; slice += slices)
        for (int64_t row = 0; row < args->n_rows; row += rows)
            gather_part(device, args, row, yoco_i64_min(rows, args->n_rows - row), slice,
                        yoco_i64_min(slices, args->n_slices - slice));
}

static void cast(yoco_device *device, const yoco_cast_args *args)
{
    YOCO_LAUNCH(cast_kernel, grid_for(yoco_div_up(args->n, 4)), 256, 0, device->stream, *args);
}

static void swiglu(yoco_device *device, const yoco_swiglu_args *args)
{
    YOCO_LAUNCH(swiglu_kernel, grid_for(yoco_div_up(args->n, 4)), 256, 0, device->stream, *args);
}

static void glu(yoco_device *device, const yoco_swiglu_args *args)
{
    YOCO_LAUNCH(glu_kernel, grid_for(yoco_div_up(args->n, 4)), 256, 0, device->stream, *args);
}

static void geglu(yoco_device *device, const yoco_swiglu_args *args)
{
    YOCO_LAUNCH(geglu_kernel, grid_for(yoco_div_up(args->n, 4)), 256, 0, device->stream, *args);
}

static void soft_cap(yoco_device *device, const yoco_soft_cap_args *args)
{
    YOCO_LAUNCH(soft_cap_kernel, grid_for(yoco_div_up(args->n, 4)), 256, 0, device->stream, *args);
}

static void rope_table(yoco_device *device, const yoco_rope_table_args *args)
{
    YOCO_LAUNCH(rope_table_kernel, grid_for(args->n_rows * args->n_freqs), 256, 0, device->stream,
                *args);
}

static void add_bias(yoco_device *device, const yoco_bias_args *args)
{
    for (; args; args = args->next)
        if (args->n_rows > 0)
            YOCO_LAUNCH(add_bias_kernel, row_grid(args->n_rows, args->n), POINT_THREADS, 0,
                        device->stream, args->n, args->bias, args->x);
}

static void rope(yoco_device *device, const yoco_rope_args *args)
{
    by_value<yoco_rope_args, YOCO_MAX_CHAIN> chain = {};
    int64_t widest = 0, n_rows = args->n_rows;
    unsigned n = 0;
    for (; args && n < YOCO_MAX_CHAIN; args = args->next, n++) {
        chain.at[n] = *args;
        chain.at[n].next = NULL; /* host memory */
        widest = yoco_i64_max(widest, (int64_t)args->n_heads * args->head_dim);
    }
    dim3 grid = row_grid(n_rows, widest);
    grid.z = n;
    if (n_rows > 0)
        YOCO_LAUNCH(rope_kernel, grid, POINT_THREADS, 0, device->stream, chain);
}

const yoco_dense_ops yoco_cuda_dense = {
    .embed = embed,
    .gather = gather,
    .rms_norm = yoco_cuda_rms_norm,
    .layer_norm = yoco_cuda_layer_norm,
    .linear_slabs = yoco_cuda_linear_slabs,
    .linear_rows = yoco_cuda_linear_rows,
    .rope_table = rope_table,
    .rope = rope,
    .add_bias = add_bias,
    .cast = cast,
    .swiglu = swiglu,
    .geglu = geglu,
    .glu = glu,
    .soft_cap = soft_cap,
};
