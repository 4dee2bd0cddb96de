/* Window attention of prefill. A query's bits depend on its row and on n_edge, not on q_begin or
 * q_end: blocks of keys are counted from the first row of K. */
#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/softmax_tile.h"

#include <omp.h>

static void attend(yoco_device *device, const yoco_window_args *args)
{
    const softmax_shape shape = {.n_heads = args->n_heads,
                                 .n_kv_heads = args->n_kv_heads,
                                 .n_v_heads = args->n_v_heads,
                                 .head_dim = args->head_dim,
                                 .v_dim = args->v_dim,
                                 .kv_dtype = args->kv_dtype,
                                 .k = args->k,
                                 .v = args->v,
                                 .n_queries = args->q_end - args->q_begin,
                                 .last = args->n_edge + args->q_begin,
                                 .window = args->window,
                                 .n_keys = args->n_edge + args->q_end,
                                 .n_threads = device->options.n_threads};
    int64_t first = args->q_begin * args->n_heads;
    const float *q = args->q + first * args->head_dim;
    char *out =
        (char *)args->out + (size_t)(first * args->v_dim) * yoco_dtype_bytes(args->out_dtype);
    if (!yoco_cpu_reserve(device, softmax_scratch_bytes(&shape)))
        return;
#pragma omp parallel for num_threads(device->options.n_threads) schedule(dynamic)
    for (int64_t tile = 0; tile < softmax_n_tiles(&shape); tile++) {
        float *scratch = yoco_cpu_scratch(device, omp_get_thread_num());
        softmax_tile t = softmax_tile_at(&shape, tile, scratch);
        softmax_load_queries(&t, q, args->scale_log2);
        softmax_start(&t);
        softmax_run(&t);
        softmax_finish(&t, args->out_dtype, out);
    }
}

const yoco_window_ops YOCO_SIMD(yoco_cpu_window) = {
    .attend = attend,
    .step = YOCO_SIMD(window_step),
};
