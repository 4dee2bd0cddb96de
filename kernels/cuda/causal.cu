/* Attention of a chunk over all rows before, a run of them: for heads of any size and f32, a block
 * per (query, head). In bf16, causal_tiles.cu where it can. */
#include "kernels/cuda/causal.cuh"
#include "kernels/cuda/run.cuh"

__global__ void __launch_bounds__(RUN_THREADS) causal_kernel(yoco_causal_args args)
{
    YOCO_SHARED(shared);
    int64_t query = blockIdx.x / (unsigned)args.n_heads, seen = args.diagonal + query + 1;
    int64_t at = blockIdx.x, values = at * args.v_dim;
    kv_run run = run_of(args, (int)(blockIdx.x % (unsigned)args.n_heads));
    run.view.k[0] = args.k;
    run.view.v[0] = args.v;
    run.view.n_rows[0] = seen < args.n_rows ? seen : args.n_rows;
    run_memory m = run_cut(shared, args.head_dim, args.v_dim);
    float max = args.first ? -INFINITY : args.max[at], sum = args.first ? 0.0f : args.sum[at];
    for (int j = threadIdx.x; j < args.v_dim; j += RUN_THREADS)
        m.values[j] = args.first ? 0.0f : args.partial[values + j];
    run_load_query(run, args.q + at * args.head_dim, m);
    run_walk(run, m, &max, &sum);
    if (args.last) {
        store_head(run, m, sum, args.out_dtype, args.out, values);
        return;
    }
    for (int j = threadIdx.x; j < args.v_dim; j += RUN_THREADS)
        args.partial[values + j] = m.values[j];
    if (threadIdx.x == 0) {
        args.max[at] = max;
        args.sum[at] = sum;
    }
}

static void attend(yoco_device *device, const yoco_causal_args *args)
{
    int64_t n = args->n_queries * args->n_heads;
    if (n == 0 || yoco_cuda_causal_tiles(device, args))
        return;
    YOCO_LAUNCH(causal_kernel, (unsigned)n, RUN_THREADS, run_bytes(args->head_dim, args->v_dim),
                device->stream, *args);
}

const yoco_causal_ops yoco_cuda_causal = {.attend = attend};
