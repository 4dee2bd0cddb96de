/* Attention over all rows before, a run of them. Blocks of keys are counted from the run's first
 * row: a query's bits depend neither on the queries beside it nor on the tile it falls in. */
#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/softmax_tile.h"

#include <omp.h>

/* What the rows have summed in the runs before. */
static void load_sums(softmax_tile *t, const yoco_causal_args *args)
{
    int v_dim = args->v_dim, padded = tile_padded(v_dim);
    memset(t->sum, 0, (size_t)(t->n * VF_LANES) * sizeof(float));
    for (int64_t row = 0; row < t->n; row++) {
        int64_t index = softmax_index(t, row);
        t->max[row] = args->max[index];
        t->sum[row * VF_LANES] = args->sum[index];
        for (int i = 0; i < v_dim; i += VF_LANES)
            vf_store(t->out + row * padded + i,
                     row_load(args->partial + index * v_dim + i, v_dim - i));
    }
}

static void store_sums(const softmax_tile *t, const yoco_causal_args *args)
{
    int v_dim = args->v_dim, padded = tile_padded(v_dim);
    for (int64_t row = 0; row < t->n; row++) {
        int64_t index = softmax_index(t, row);
        args->max[index] = t->max[row];
        args->sum[index] = vf_sum(vf_load(t->sum + row * VF_LANES));
        memcpy(args->partial + index * v_dim, t->out + row * padded, (size_t)v_dim * sizeof(float));
    }
}

static void attend(yoco_device *device, const yoco_causal_args *args)
{
    const softmax_shape shape = {.n_heads = args->n_heads,
                                 .n_kv_heads = args->n_kv_heads,
                                 .n_v_heads = args->n_v_heads,
                                 .head_dim = args->head_dim,
                                 .v_dim = args->v_dim,
                                 .kv_dtype = args->kv_dtype,
                                 .k = args->k,
                                 .v = args->v,
                                 .n_queries = args->n_queries,
                                 .last = args->diagonal,
                                 .window = INT64_MAX,
                                 .n_keys = args->n_rows,
                                 .n_threads = device->options.n_threads};
    if (!yoco_cpu_reserve(device, softmax_scratch_bytes(&shape)))
        return;
#pragma omp parallel for num_threads(device->options.n_threads) schedule(dynamic)
    for (int64_t tile = 0; tile < softmax_n_tiles(&shape); tile++) {
        float *scratch = yoco_cpu_scratch(device, omp_get_thread_num());
        softmax_tile t = softmax_tile_at(&shape, tile, scratch);
        softmax_load_queries(&t, args->q, args->scale_log2);
        if (args->first)
            softmax_start(&t);
        else
            load_sums(&t, args);
        softmax_run(&t);
        if (args->last)
            softmax_finish(&t, args->out_dtype, args->out);
        else
            store_sums(&t, args);
    }
}

const yoco_causal_ops YOCO_SIMD(yoco_cpu_causal) = {.attend = attend};
