/* Partials of the cross attention: for heads of any size and f32, a block per (segment, block,
 * query, head). In bf16, attend_tiles.cu where it can. */
#include "kernels/cuda/attend.cuh"
#include "kernels/cuda/run.cuh"

__global__ void __launch_bounds__(RUN_THREADS)
    attend_kernel(yoco_attend_args args, segment_list list)
{
    YOCO_SHARED(shared);
    const device_segment *s = find_segment(list, blockIdx.x);
    unsigned task = blockIdx.x - (unsigned)s->first_task,
             n_queries = (unsigned)s->segment.n_queries;
    unsigned head = task % (unsigned)args.n_heads, p = task / (unsigned)args.n_heads;
    int64_t n_rows, row = kv_block(s->segment, p / n_queries, &n_rows);
    kv_run run = run_of(args, (int)head);
    size_t skipped = (size_t)row * (run.dtype == YOCO_BF16 ? 2 : 4);
    run.view.k[0] = (const char *)s->segment.k + skipped * (size_t)run.k_size;
    run.view.v[0] = (const char *)s->segment.v + skipped * (size_t)run.v_size;
    run.view.n_rows[0] = n_rows;
    int64_t query = s->segment.first_query + p % n_queries;
    int64_t at = (s->segment.first_partial + p) * args.n_heads + head;
    run_memory m = run_cut(shared, args.head_dim, args.v_dim);
    float max, sum;
    run_attend(run, args.q + (query * args.n_heads + head) * args.head_dim, m, &max, &sum);
    bool finite = is_finite(max) && is_finite(sum);
    for (int j = threadIdx.x; j < args.v_dim; j += RUN_THREADS) {
        args.partial[at * args.v_dim + j] = m.values[j];
        finite = finite && is_finite(m.values[j]);
    }
    if (!finite)
        atomicOr(args.bad, 1);
    if (threadIdx.x == 0) {
        args.max[at] = max;
        args.sum[at] = sum;
        atomic_max(&args.global_max[query * args.n_heads + head], max);
    }
}

__global__ void attend_start_kernel(float *max, int64_t n)
{
    for (int64_t i = grid_thread(); i < n; i += grid_threads())
        max[i] = -INFINITY;
}

void yoco_cuda_attend_partials(yoco_device *device, const yoco_attend_args *args)
{
    segment_list list;
    int64_t n = args->n_queries * args->n_heads;
    device->bad_target = args->bad;
    YOCO_LAUNCH(attend_start_kernel, grid_for(n), 256, 0, device->stream, args->global_max, n);
    if (yoco_cuda_attend_tiles(device, args))
        return;
    auto n_tasks = [=](int64_t n_blocks, int64_t n_queries) {
        return n_blocks * n_queries * args->n_heads;
    };
    if (yoco_cuda_send_segments(device, SEGMENTS_ATTEND, args, n_tasks, 0, &list))
        YOCO_LAUNCH(attend_kernel, (unsigned)list.n_tasks, RUN_THREADS,
                    run_bytes(args->head_dim, args->v_dim), device->stream,
                    attend_args(device, args), list);
}
