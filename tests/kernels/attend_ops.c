#include "tests/kernels/attend_ops.h"

#include <math.h>

/* Channel j of V lies within +-2^v_exponent(j). */
static int v_exponent(int64_t channel)
{
    return (int)(channel % 5) - 2;
}

yoco_attend_args make_attend(rig *r, test_random *random, const attend_shape *shape)
{
    int n_v_heads = or_else(shape->n_v_heads, shape->n_kv_heads);
    int v_dim = or_else(shape->v_dim, shape->head_dim);
    int64_t k_size = shape->n_kv_heads * shape->head_dim, v_size = n_v_heads * v_dim;
    int *o_exponent = rig_host(r, (size_t)v_size * sizeof *o_exponent);
    for (int64_t j = 0; j < v_size; j++)
        o_exponent[j] = ATTEND_L_EXPONENT - v_exponent(j);

    yoco_kv_segment *segments = rig_host(r, ATTEND_MAX_SEGMENTS * sizeof *segments);
    int64_t n_partials = 0;
    int n_segments = 0;
    while (n_segments < ATTEND_MAX_SEGMENTS && shape->segments[n_segments].n_queries > 0) {
        yoco_kv_segment *s = &segments[n_segments];
        int64_t n = shape->segments[n_segments].n_rows * v_size;
        float *v = random_values(r, random, n, 1.0f);
        for (int64_t i = 0; i < n; i++)
            v[i] = ldexpf(v[i], v_exponent(i % v_size));
        *s = (yoco_kv_segment){.first_query = shape->segments[n_segments].first_query,
                               .n_queries = shape->segments[n_segments].n_queries,
                               .n_rows = shape->segments[n_segments].n_rows,
                               .chunk_rows = shape->segments[n_segments].chunk_rows,
                               .k = random_values(r, random, n / v_size * k_size, 1.0f),
                               .v = v,
                               .first_partial = n_partials};
        n_partials += yoco_kv_n_blocks(s->n_rows, s->chunk_rows) * s->n_queries;
        n_segments++;
    }
    return (yoco_attend_args){
        .n_queries = shape->n_queries,
        .n_heads = shape->n_heads,
        .n_kv_heads = shape->n_kv_heads,
        .n_v_heads = n_v_heads,
        .head_dim = shape->head_dim,
        .v_dim = v_dim,
        .scale_log2 = scale_log2(shape->head_dim),
        .n_segments = n_segments,
        .segments = segments,
        .kv_dtype = r->options.dtype,
        .q = random_values(r, random, shape->n_queries * shape->n_heads * shape->head_dim,
                           shape->q_scale),
        .l_exponent = ATTEND_L_EXPONENT,
        .o_exponent = o_exponent,
        .out_dtype = r->options.dtype,
    };
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
    int64_t k_size = args->n_kv_heads * args->head_dim, v_size = args->n_v_heads * args->v_dim;
    int64_t n = attend_n_partials(args) * args->n_heads;
    yoco_kv_segment *segments = rig_host(r, (size_t)args->n_segments * sizeof *segments);
    for (int i = 0; i < args->n_segments; i++) {
        segments[i] = args->segments[i];
        int64_t rows = segments[i].n_rows;
        segments[i].k = rows ? rig_upload(r, segments[i].k, rows * k_size, args->kv_dtype) : NULL;
        segments[i].v = rows ? rig_upload(r, segments[i].v, rows * v_size, args->kv_dtype) : NULL;
    }
    device.segments = segments;
    device.q = rig_upload(r, args->q, args->n_queries * args->n_heads * args->head_dim, YOCO_F32);
    device.max = rig_device(r, NULL, (size_t)n * sizeof(float));
    device.sum = rig_device(r, NULL, (size_t)n * sizeof(float));
    device.partial = rig_device(r, NULL, (size_t)(n * args->v_dim) * sizeof(float));
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
    device.partial = rig_upload(r, args->partial, n * args->v_dim, YOCO_F32);
    device.o_exponent = rig_device(
        r, args->o_exponent, (size_t)(args->n_v_heads * args->v_dim) * sizeof *args->o_exponent);
    return device;
}

void run_merge_sum(rig *r, yoco_attend_args *args)
{
    yoco_attend_args device = upload_partials(r, args);
    int64_t n = args->n_queries * args->n_heads;
    device.global_max = rig_upload(r, args->global_max, n, YOCO_F32);
    device.fixed = rig_device(r, NULL, (size_t)(n * (1 + args->v_dim)) * sizeof(int64_t));
    r->ops->attend->merge_sum(r->device, &device);
    args->fixed = rig_fetch(r, device.fixed);
}

float *run_merge_finish(rig *r, yoco_attend_args args)
{
    yoco_attend_args device = upload_partials(r, &args);
    int64_t n = args.n_queries * args.n_heads;
    device.global_max = rig_upload(r, args.global_max, n, YOCO_F32);
    device.fixed = rig_device(r, args.fixed, (size_t)(n * (1 + args.v_dim)) * sizeof(int64_t));
    device.out = rig_device(r, NULL, (size_t)(n * args.v_dim) * yoco_dtype_bytes(args.out_dtype));
    r->ops->attend->merge_finish(r->device, &device);
    return rig_download(r, device.out, n * args.v_dim, args.out_dtype);
}

float *run_attention(rig *r, yoco_attend_args args)
{
    run_attend(r, &args);
    run_merge_sum(r, &args);
    return run_merge_finish(r, args);
}
