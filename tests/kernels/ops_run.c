/* The run_ functions of ops_testing.h: one op each, host arguments in, host results out. */
#include "tests/kernels/ops_testing.h"

#include <string.h>

float *run_embed(rig *r, const yoco_matrix *table, yoco_embed_args args)
{
    int64_t n = args.n_rows * table->n_in;
    args.table = rig_weight(r, table, YOCO_WEIGHT_EMBEDDING);
    args.ids = rig_device(r, args.ids, (size_t)args.n_rows * sizeof *args.ids);
    args.x = rig_device(r, NULL, (size_t)n * sizeof(float));
    r->ops->dense->embed(r->device, &args);
    return rig_fetch(r, args.x);
}

float *run_rms_norm(rig *r, yoco_rms_norm_args args)
{
    int64_t n = args.n_rows * args.dim;
    args.x = rig_upload(r, args.x, n, YOCO_F32);
    if (args.weight)
        args.weight = rig_upload(r, args.weight, args.dim, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)n * yoco_dtype_bytes(args.out_dtype));
    r->ops->dense->rms_norm(r->device, &args);
    float *out = rig_download(r, args.out, n, args.out_dtype);
    if (args.out_dtype == YOCO_F32) {
        args.out = (void *)args.x;
        r->ops->dense->rms_norm(r->device, &args);
        check_equal(r, "rms_norm in place", rig_fetch(r, args.out), out, (size_t)n * sizeof *out);
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
    args.cos = rig_upload(r, args.cos, args.n_rows * args.head_dim / 2, YOCO_F32);
    args.sin = rig_upload(r, args.sin, args.n_rows * args.head_dim / 2, YOCO_F32);
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

float *run_cast(rig *r, yoco_cast_args args)
{
    args.x = rig_upload(r, args.x, args.n, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)args.n * yoco_dtype_bytes(args.out_dtype));
    r->ops->dense->cast(r->device, &args);
    return rig_download(r, args.out, args.n, args.out_dtype);
}

float *run_swiglu(rig *r, yoco_swiglu_args args)
{
    args.a = rig_upload(r, args.a, args.n, YOCO_F32);
    args.b = rig_upload(r, args.b, args.n, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)args.n * yoco_dtype_bytes(args.out_dtype));
    r->ops->dense->swiglu(r->device, &args);
    return rig_download(r, args.out, args.n, args.out_dtype);
}

float *run_window_attend(rig *r, int64_t n_rows, yoco_window_args args)
{
    int64_t row_size = args.n_heads * args.head_dim, n = n_rows * row_size;
    args.q = rig_upload(r, args.q, n, YOCO_F32);
    args.k = rig_upload(r, args.k, args.n_edge * row_size + n, args.kv_dtype);
    args.v = rig_upload(r, args.v, args.n_edge * row_size + n, args.kv_dtype);
    args.out = rig_device(r, NULL, (size_t)n * yoco_dtype_bytes(args.out_dtype));
    r->ops->window->attend(r->device, &args);
    return rig_download(r, args.out, n, args.out_dtype);
}

float *run_window_step(rig *r, yoco_window_step_args args)
{
    int64_t row_size = args.n_heads * args.head_dim, n = args.n_queries * row_size;
    yoco_window_view *views = rig_host(r, (size_t)args.n_queries * sizeof *views);
    memcpy(views, args.views, (size_t)args.n_queries * sizeof *views);
    for (int64_t i = 0; i < args.n_queries; i++) {
        for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
            int64_t size = views[i].n_rows[part] * row_size;
            views[i].k[part] = size ? rig_upload(r, views[i].k[part], size, args.kv_dtype) : NULL;
            views[i].v[part] = size ? rig_upload(r, views[i].v[part], size, args.kv_dtype) : NULL;
        }
    }
    args.views = views;
    args.q = rig_upload(r, args.q, n, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)n * yoco_dtype_bytes(args.out_dtype));
    r->ops->window->step(r->device, &args);
    return rig_download(r, args.out, n, args.out_dtype);
}

retention_result run_retention(rig *r, yoco_retention_args args, bool in_place)
{
    int64_t n = args.n_rows * args.n_heads * args.head_dim;
    int64_t edge_size = args.n_heads * args.head_dim * args.head_dim;
    int64_t n_blocks = yoco_div_up(args.n_rows, YOCO_RETENTION_ROWS);
    retention_result result;
    args.q = rig_upload(r, args.q, n, YOCO_F32);
    args.k = rig_upload(r, args.k, n, YOCO_F32);
    args.v = rig_upload(r, args.v, n, YOCO_F32);
    args.gate = rig_upload(r, args.gate, args.n_rows * args.n_heads, YOCO_F32);
    float *edge = rig_upload(r, args.edge_in, edge_size, YOCO_F32);
    args.edge_in = edge;
    args.edge_out = in_place ? edge : rig_device(r, NULL, (size_t)edge_size * sizeof(float));
    args.decay = rig_device(r, NULL, (size_t)(args.n_rows * args.n_heads) * sizeof(float));
    args.state = rig_device(r, NULL, (size_t)(n_blocks * edge_size) * sizeof(float));
    args.out = rig_device(r, NULL, (size_t)n * sizeof(float));

    r->ops->retention->local(r->device, &args);
    result.decay = rig_fetch(r, args.decay);
    result.state = rig_fetch(r, args.state);
    result.local_out = rig_fetch(r, args.out);
    r->ops->retention->scan(r->device, &args);
    result.entering = rig_fetch(r, args.state);
    result.edge_out = rig_fetch(r, args.edge_out);
    r->ops->retention->correct(r->device, &args);
    result.out = rig_fetch(r, args.out);
    return result;
}

float *run_retention_step(rig *r, yoco_retention_step_args args)
{
    int64_t n = args.n_rows * args.n_heads * args.head_dim;
    int64_t state_size = args.n_heads * args.head_dim * args.head_dim;
    float *const *host_states = args.state;
    float **states = rig_host(r, (size_t)args.n_rows * sizeof *states);
    for (int64_t i = 0; i < args.n_rows; i++)
        states[i] = rig_upload(r, host_states[i], state_size, YOCO_F32);
    args.state = states;
    args.q = rig_upload(r, args.q, n, YOCO_F32);
    args.k = rig_upload(r, args.k, n, YOCO_F32);
    args.v = rig_upload(r, args.v, n, YOCO_F32);
    args.gate = rig_upload(r, args.gate, args.n_rows * args.n_heads, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)n * sizeof(float));
    r->ops->retention->step(r->device, &args);
    for (int64_t i = 0; i < args.n_rows; i++)
        memcpy(host_states[i], rig_fetch(r, states[i]), (size_t)state_size * sizeof(float));
    return rig_fetch(r, args.out);
}

int64_t attend_n_partials(const yoco_attend_args *args)
{
    int64_t n = 0;
    for (int i = 0; i < args->n_segments; i++) {
        const yoco_kv_segment *s = &args->segments[i];
        n = yoco_i64_max(n, s->first_partial +
                                yoco_kv_n_blocks(s->n_rows, s->chunk_rows) * s->n_queries);
    }
    return n;
}

/* *bad is the caller's until the next fetch. */
static yoco_attend_args begin_attend(rig *r, const yoco_attend_args *args)
{
    yoco_attend_args device = *args;
    int64_t kv_size = args->n_kv_heads * args->head_dim;
    int64_t n = attend_n_partials(args) * args->n_heads;
    yoco_kv_segment *segments = rig_host(r, (size_t)args->n_segments * sizeof *segments);
    for (int i = 0; i < args->n_segments; i++) {
        segments[i] = args->segments[i];
        int64_t size = segments[i].n_rows * kv_size;
        segments[i].k = size ? rig_upload(r, segments[i].k, size, args->kv_dtype) : NULL;
        segments[i].v = size ? rig_upload(r, segments[i].v, size, args->kv_dtype) : NULL;
    }
    device.segments = segments;
    device.q = rig_upload(r, args->q, args->n_queries * args->n_heads * args->head_dim, YOCO_F32);
    device.max = rig_device(r, NULL, (size_t)n * sizeof(float));
    device.sum = rig_device(r, NULL, (size_t)n * sizeof(float));
    device.partial = rig_device(r, NULL, (size_t)(n * args->head_dim) * sizeof(float));
    device.global_max =
        rig_device(r, NULL, (size_t)(args->n_queries * args->n_heads) * sizeof(float));
    r->ops->attend->partials(r->device, &device);
    return device;
}

void run_attend(rig *r, yoco_attend_args *args)
{
    int bad;
    yoco_attend_args own = *args;
    own.bad = args->bad ? args->bad : &bad;
    *own.bad = 0;
    yoco_attend_args device = begin_attend(r, &own);
    args->max = rig_fetch(r, device.max);
    args->sum = rig_fetch(r, device.sum);
    args->partial = rig_fetch(r, device.partial);
    args->global_max = rig_fetch(r, device.global_max);
}

void run_attend_after(rig *r, const yoco_attend_args *first, yoco_attend_args *args)
{
    *args->bad = 0;
    (void)begin_attend(r, first);
    yoco_attend_args device = begin_attend(r, args);
    args->global_max = rig_fetch(r, device.global_max);
}

/* The device's copy of what the merge reads; global_max and fixed are left to the caller. */
static yoco_attend_args upload_partials(rig *r, const yoco_attend_args *args)
{
    yoco_attend_args device = *args;
    int64_t n = attend_n_partials(args) * args->n_heads;
    device.max = rig_upload(r, args->max, n, YOCO_F32);
    device.sum = rig_upload(r, args->sum, n, YOCO_F32);
    device.partial = rig_upload(r, args->partial, n * args->head_dim, YOCO_F32);
    device.o_exponent =
        rig_device(r, args->o_exponent,
                   (size_t)(args->n_kv_heads * args->head_dim) * sizeof *args->o_exponent);
    return device;
}

void run_merge_sum(rig *r, yoco_attend_args *args)
{
    yoco_attend_args device = upload_partials(r, args);
    int64_t n = args->n_queries * args->n_heads;
    device.global_max = rig_upload(r, args->global_max, n, YOCO_F32);
    device.fixed = rig_device(r, NULL, (size_t)(n * (1 + args->head_dim)) * sizeof(int64_t));
    r->ops->attend->merge_sum(r->device, &device);
    args->fixed = rig_fetch(r, device.fixed);
}

float *run_merge_finish(rig *r, yoco_attend_args args)
{
    yoco_attend_args device = upload_partials(r, &args);
    int64_t n = args.n_queries * args.n_heads;
    device.global_max = rig_upload(r, args.global_max, n, YOCO_F32);
    device.fixed = rig_device(r, args.fixed, (size_t)(n * (1 + args.head_dim)) * sizeof(int64_t));
    device.out =
        rig_device(r, NULL, (size_t)(n * args.head_dim) * yoco_dtype_bytes(args.out_dtype));
    r->ops->attend->merge_finish(r->device, &device);
    return rig_download(r, device.out, n * args.head_dim, args.out_dtype);
}

float *run_attention(rig *r, yoco_attend_args args)
{
    run_attend(r, &args);
    run_merge_sum(r, &args);
    return run_merge_finish(r, args);
}
