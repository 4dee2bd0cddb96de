/* Ops on single elements. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/values.cuh"

__global__ void embed_kernel(yoco_embed_args args, yoco_dtype dtype, const void *table, int64_t dim)
{
    for (int64_t i = grid_thread(); i < args.n_rows * dim; i += grid_threads())
        args.x[i] = args.scale * load_value(dtype, table, args.ids[i / dim] * dim + i % dim);
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

__global__ void rope_table_kernel(yoco_rope_table_args args)
{
    for (int64_t i = grid_thread(); i < args.n_rows * args.n_freqs; i += grid_threads()) {
        double angle =
            (double)args.positions[i / args.n_freqs] * args.frequencies[i % args.n_freqs];
        args.cos[i] = (float)cos(angle);
        args.sin[i] = (float)sin(angle);
    }
}

__global__ void rope_kernel(yoco_rope_args args)
{
    int n_pairs = args.head_dim / 2;
    int64_t row_pairs = (int64_t)args.n_heads * n_pairs;
    for (int64_t i = grid_thread(); i < args.n_rows * row_pairs; i += grid_threads()) {
        int64_t at = i / row_pairs * n_pairs + i % n_pairs;
        float c = args.cos[at], s = args.sin[at];
        float even = args.x[2 * i], odd = args.x[2 * i + 1];
        store_value(args.out_dtype, args.out, 2 * i, fmaf(even, c, -(odd * s)) * args.scale);
        store_value(args.out_dtype, args.out, 2 * i + 1, fmaf(even, s, odd * c) * args.scale);
    }
}

void yoco_cuda_embed(yoco_device *device, const yoco_embed_args *args)
{
    const yoco_weight *table = args->table;
    yoco_embed_args own = *args;
    own.table = NULL;
    YOCO_LAUNCH(embed_kernel, grid_for(args->n_rows * table->n_in), 256, 0, device->stream, own,
                table->dtype, table->data, table->n_in);
}

void yoco_cuda_cast(yoco_device *device, const yoco_cast_args *args)
{
    YOCO_LAUNCH(cast_kernel, grid_for(yoco_div_up(args->n, 4)), 256, 0, device->stream, *args);
}

void yoco_cuda_swiglu(yoco_device *device, const yoco_swiglu_args *args)
{
    YOCO_LAUNCH(swiglu_kernel, grid_for(yoco_div_up(args->n, 4)), 256, 0, device->stream, *args);
}

void yoco_cuda_rope_table(yoco_device *device, const yoco_rope_table_args *args)
{
    YOCO_LAUNCH(rope_table_kernel, grid_for(args->n_rows * args->n_freqs), 256, 0, device->stream,
                *args);
}

void yoco_cuda_rope(yoco_device *device, const yoco_rope_args *args)
{
    YOCO_LAUNCH(rope_kernel, grid_for(args->n_rows * args->n_heads * args->head_dim / 2), 256, 0,
                device->stream, *args);
}
