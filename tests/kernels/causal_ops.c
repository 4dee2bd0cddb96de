#include "tests/kernels/causal_ops.h"

static int n_runs(const causal_shape *shape)
{
    int n = 0;
    while (n < CAUSAL_MAX_RUNS && shape->runs[n] > 0)
        n++;
    return n;
}

causal_case make_causal(rig *r, test_random *random, const causal_shape *shape)
{
    int n_kv_heads = or_else(shape->n_kv_heads, shape->n_heads);
    int n_v_heads = or_else(shape->n_v_heads, n_kv_heads);
    int v_dim = or_else(shape->v_dim, shape->head_dim);
    int64_t n_rows = 0;
    for (int run = 0; run < n_runs(shape); run++)
        n_rows += shape->runs[run];
    return (causal_case){
        .shape = *shape,
        .args =
            {
                .n_heads = shape->n_heads,
                .n_kv_heads = n_kv_heads,
                .n_v_heads = n_v_heads,
                .head_dim = shape->head_dim,
                .v_dim = v_dim,
                .scale_log2 = scale_log2(shape->head_dim),
                .q = random_values(r, random, shape->n_queries * shape->n_heads * shape->head_dim,
                                   4.0f),
                .kv_dtype = r->options.dtype,
                .k = random_values(r, random, n_rows * n_kv_heads * shape->head_dim, 1.0f),
                .v = random_values(r, random, n_rows * n_v_heads * v_dim, 1.0f),
                .out_dtype = r->options.dtype,
            },
    };
}

causal_result run_causal(rig *r, const causal_case *c, int64_t first, int64_t n)
{
    causal_result result = {0};
    yoco_causal_args args = c->args;
    int64_t k_size = args.n_kv_heads * args.head_dim, v_size = args.n_v_heads * args.v_dim;
    int64_t n_heads = n * args.n_heads, n_out = n_heads * args.v_dim;
    const float *k = args.k, *v = args.v;
    args.n_queries = n;
    args.q = rig_upload(r, args.q + first * args.n_heads * args.head_dim, n_heads * args.head_dim,
                        YOCO_F32);
    args.max = rig_device(r, NULL, (size_t)n_heads * sizeof(float));
    args.sum = rig_device(r, NULL, (size_t)n_heads * sizeof(float));
    args.partial = rig_device(r, NULL, (size_t)n_out * sizeof(float));
    args.out = rig_device(r, NULL, (size_t)n_out * yoco_dtype_bytes(args.out_dtype));
    for (int run = 0; run < n_runs(&c->shape); run++) {
        args.n_rows = c->shape.runs[run];
        args.first = run == 0;
        args.last = run == n_runs(&c->shape) - 1;
        args.diagonal = args.last ? args.n_rows - c->shape.n_queries + first : args.n_rows - 1;
        if (args.last && run > 0) {
            result.max = rig_download(r, args.max, n_heads, YOCO_F32);
            result.sum = rig_download(r, args.sum, n_heads, YOCO_F32);
            result.partial = rig_download(r, args.partial, n_out, YOCO_F32);
        }
        args.k = rig_upload(r, k, args.n_rows * k_size, args.kv_dtype);
        args.v = rig_upload(r, v, args.n_rows * v_size, args.kv_dtype);
        r->ops->causal->attend(r->device, &args);
        k += args.n_rows * k_size;
        v += args.n_rows * v_size;
    }
    result.out = rig_download(r, args.out, n_out, args.out_dtype);
    return result;
}
