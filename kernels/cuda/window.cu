/* Windows: a query's own run of rows. In bf16, prefill goes to window_tiles.cu where it can,
 * and decode steps to window_step.cu. */
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/run.cuh"
#include "kernels/cuda/window.cuh"

__global__ void __launch_bounds__(RUN_THREADS) window_kernel(yoco_window_args args)
{
    YOCO_SHARED(shared);
    int64_t row = args.q_begin + blockIdx.x / (unsigned)args.n_heads;
    int head = (int)(blockIdx.x % (unsigned)args.n_heads);
    int64_t last = args.n_edge + row;
    int64_t first = last - args.window + 1 > 0 ? last - args.window + 1 : 0;
    size_t skipped = (size_t)first * (args.kv_dtype == YOCO_BF16 ? 2 : 4);
    kv_run run = run_of(args, head);
    run.view.k[0] = (const char *)args.k + skipped * (size_t)run.k_size;
    run.view.v[0] = (const char *)args.v + skipped * (size_t)run.v_size;
    run.view.n_rows[0] = last - first + 1;
    int64_t at = row * args.n_heads + head;
    run_memory m = run_cut(shared, args.head_dim, args.v_dim);
    float max, sum;
    run_attend(run, args.q + at * args.head_dim, m, &max, &sum);
    store_head(run, m, sum, args.out_dtype, args.out, at * args.v_dim);
}

__global__ void __launch_bounds__(RUN_THREADS)
    window_step_kernel(yoco_window_step_args args, by_value<yoco_window_view, MOST_VIEWS> views)
{
    YOCO_SHARED(shared);
    kv_run run = run_of(args, (int)(blockIdx.x % (unsigned)args.n_heads));
    run.view = views.at[blockIdx.x / (unsigned)args.n_heads];
    run_memory m = run_cut(shared, args.head_dim, args.v_dim);
    float max, sum;
    run_attend(run, args.q + (int64_t)blockIdx.x * args.head_dim, m, &max, &sum);
    store_head(run, m, sum, args.out_dtype, args.out, (int64_t)blockIdx.x * args.v_dim);
}

static void attend(yoco_device *device, const yoco_window_args *args)
{
    int64_t n = (args->q_end - args->q_begin) * args->n_heads;
    if (n <= 0 || yoco_cuda_window_tiles(device, args))
        return;
    YOCO_LAUNCH(window_kernel, (unsigned)n, RUN_THREADS, run_bytes(args->head_dim, args->v_dim),
                device->stream, *args);
}

static void step(yoco_device *device, const yoco_window_step_args *args)
{
    if (yoco_cuda_window_step_tiles(device, args))
        return;
    for (int64_t first = 0; first < args->n_queries; first += MOST_VIEWS) {
        by_value<yoco_window_view, MOST_VIEWS> views;
        int64_t n = yoco_i64_min(MOST_VIEWS, args->n_queries - first);
        yoco_window_step_args own = yoco_cuda_step_part(args, first, n, &views);
        YOCO_LAUNCH(window_step_kernel, (unsigned)(n * args->n_heads), RUN_THREADS,
                    run_bytes(args->head_dim, args->v_dim), device->stream, own, views);
    }
}

const yoco_window_ops yoco_cuda_window = {
    .attend = attend,
    .step = step,
};
