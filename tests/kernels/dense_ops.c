#include "tests/kernels/dense_ops.h"

float *run_embed(rig *r, const yoco_matrix *table, yoco_embed_args args)
{
    int64_t n = args.n_rows * table->n_in;
    args.table = rig_weight(r, table, YOCO_WEIGHT_EMBEDDING);
    args.ids = rig_device(r, args.ids, (size_t)args.n_rows * sizeof *args.ids);
    args.x = rig_device(r, NULL, (size_t)n * sizeof(float));
    r->ops->dense->embed(r->device, &args);
    return rig_fetch(r, args.x);
}

float *run_gather(rig *r, yoco_gather_args args)
{
    args.out =
        rig_device(r, NULL, (size_t)(args.n_slices * args.n_rows * args.width) * sizeof(float));
    r->ops->dense->gather(r->device, &args);
    return rig_fetch(r, args.out);
}

float *run_rms_norm(rig *r, yoco_rms_norm_args args)
{
    int64_t n = args.n_rows * args.dim;
    args.x = rig_upload(r, args.x, n, YOCO_F32);
    if (args.weight)
        args.weight = rig_upload(r, args.weight, args.dim, YOCO_F32);
    args.out = rig_device(r, args.out, (size_t)n * yoco_dtype_bytes(args.out_dtype));
    r->ops->dense->rms_norm(r->device, &args);
    float *out = rig_download(r, args.out, n, args.out_dtype);
    if (args.out_dtype == YOCO_F32 && !args.accumulate) {
        args.out = (void *)args.x;
        r->ops->dense->rms_norm(r->device, &args);
        check_equal(r, "rms_norm in place", rig_fetch(r, args.out), out, (size_t)n * sizeof *out);
    }
    return out;
}

float *run_layer_norm(rig *r, yoco_layer_norm_args args)
{
    int64_t n = args.n_rows * args.dim;
    args.x = rig_upload(r, args.x, n, YOCO_F32);
    args.weight = rig_upload(r, args.weight, args.dim, YOCO_F32);
    args.bias = rig_upload(r, args.bias, args.dim, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)n * yoco_dtype_bytes(args.out_dtype));
    r->ops->dense->layer_norm(r->device, &args);
    float *out = rig_download(r, args.out, n, args.out_dtype);
    if (args.out_dtype == YOCO_F32) {
        args.out = (void *)args.x;
        r->ops->dense->layer_norm(r->device, &args);
        check_equal(r, "layer_norm in place", rig_fetch(r, args.out), out, (size_t)n * sizeof *out);
    }
    return out;
}

float *run_linear(rig *r, bool slabs, const yoco_matrix *weight, yoco_linear_args args)
{
    args.weight = rig_weight(r, weight, YOCO_WEIGHT_LINEAR);
    args.x = rig_upload(r, args.x, args.n_rows * weight->n_in, r->options.dtype);
    args.accumulate = args.y != NULL;
    args.y = rig_device(r, args.y, (size_t)(args.n_rows * weight->n_out) * sizeof(float));
    if (slabs)
        r->ops->dense->linear_slabs(r->device, &args);
    else
        r->ops->dense->linear_rows(r->device, &args);
    return rig_fetch(r, args.y);
}

void run_rope_table(rig *r, yoco_rope_table_args args, float **cos, float **sin)
{
    size_t bytes = (size_t)(args.n_rows * args.n_freqs) * sizeof(float);
    args.positions = rig_device(r, args.positions, (size_t)args.n_rows * sizeof *args.positions);
    args.frequencies =
        rig_device(r, args.frequencies, (size_t)args.n_freqs * sizeof *args.frequencies);
    args.cos = rig_device(r, NULL, bytes);
    args.sin = rig_device(r, NULL, bytes);
    r->ops->dense->rope_table(r->device, &args);
    *cos = rig_fetch(r, args.cos);
    *sin = rig_fetch(r, args.sin);
}

float *run_rope(rig *r, yoco_rope_args args)
{
    int64_t n = args.n_rows * args.n_heads * args.head_dim;
    args.cos = rig_upload(r, args.cos, args.n_rows * args.width / 2, YOCO_F32);
    args.sin = rig_upload(r, args.sin, args.n_rows * args.width / 2, YOCO_F32);
    args.x = rig_upload(r, args.x, n, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)n * yoco_dtype_bytes(args.out_dtype));
    r->ops->dense->rope(r->device, &args);
    float *out = rig_download(r, args.out, n, args.out_dtype);
    if (args.out_dtype == YOCO_F32) {
        args.out = (void *)args.x;
        r->ops->dense->rope(r->device, &args);
        check_equal(r, "rope in place", rig_fetch(r, args.out), out, (size_t)n * sizeof *out);
    }
    return out;
}

float *run_add_bias(rig *r, yoco_bias_args args)
{
    args.bias = rig_upload(r, args.bias, args.n, YOCO_F32);
    args.x = rig_device(r, args.x, (size_t)(args.n_rows * args.n) * sizeof(float));
    r->ops->dense->add_bias(r->device, &args);
    return rig_fetch(r, args.x);
}

float *run_cast(rig *r, yoco_cast_args args)
{
    args.x = rig_upload(r, args.x, args.n, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)args.n * yoco_dtype_bytes(args.out_dtype));
    r->ops->dense->cast(r->device, &args);
    return rig_download(r, args.out, args.n, args.out_dtype);
}

static float *run_gated(rig *r, void (*op)(yoco_device *, const yoco_swiglu_args *),
                        yoco_swiglu_args args)
{
    args.a = rig_upload(r, args.a, args.n, YOCO_F32);
    args.b = rig_upload(r, args.b, args.n, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)args.n * yoco_dtype_bytes(args.out_dtype));
    op(r->device, &args);
    return rig_download(r, args.out, args.n, args.out_dtype);
}

float *run_swiglu(rig *r, yoco_swiglu_args args)
{
    return run_gated(r, r->ops->dense->swiglu, args);
}

float *run_glu(rig *r, yoco_swiglu_args args)
{
    return run_gated(r, r->ops->dense->glu, args);
}

float *run_geglu(rig *r, yoco_swiglu_args args)
{
    return run_gated(r, r->ops->dense->geglu, args);
}

float *run_soft_cap(rig *r, yoco_soft_cap_args args)
{
    args.x = rig_device(r, args.x, (size_t)args.n * sizeof(float));
    r->ops->dense->soft_cap(r->device, &args);
    return rig_fetch(r, args.x);
}
