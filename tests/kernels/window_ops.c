#include "tests/kernels/window_ops.h"

#include <string.h>

yoco_window_args make_window(rig *r, test_random *random, const window_shape *shape)
{
    int n_kv_heads = or_else(shape->n_kv_heads, shape->n_heads);
    int n_v_heads = or_else(shape->n_v_heads, n_kv_heads);
    int v_dim = or_else(shape->v_dim, shape->head_dim);
    int64_t n_seen = shape->n_edge + shape->n_rows;
    return (yoco_window_args){
        .n_edge = shape->n_edge,
        .q_begin = 0,
        .q_end = shape->n_rows,
        .window = shape->window,
        .n_heads = shape->n_heads,
        .n_kv_heads = n_kv_heads,
        .n_v_heads = n_v_heads,
        .head_dim = shape->head_dim,
        .v_dim = v_dim,
        .scale_log2 = scale_log2(shape->head_dim),
        .q = random_values(r, random, shape->n_rows * shape->n_heads * shape->head_dim, 4.0f),
        .kv_dtype = r->options.dtype,
        .k = random_values(r, random, n_seen * n_kv_heads * shape->head_dim, 1.0f),
        .v = random_values(r, random, n_seen * n_v_heads * v_dim, 1.0f),
        .out_dtype = r->options.dtype,
    };
}

yoco_window_step_args make_window_steps(rig *r, test_random *random, int64_t n_rows,
                                        const yoco_window_args *window)
{
    int64_t k_size = window->n_kv_heads * window->head_dim;
    int64_t v_size = window->n_v_heads * window->v_dim;
    yoco_window_view *views = rig_host(r, (size_t)n_rows * sizeof *views);
    for (int64_t i = 0; i < n_rows; i++) {
        int64_t end = window->n_edge + i + 1, row = yoco_i64_max(0, end - window->window);
        for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
            int64_t left = end - row;
            int64_t n = part == 2 ? left : random_below(random, (int)left + 1);
            views[i].k[part] = (const float *)window->k + row * k_size;
            views[i].v[part] = (const float *)window->v + row * v_size;
            views[i].n_rows[part] = n;
            row += n;
        }
    }
    return (yoco_window_step_args){
        .n_queries = n_rows,
        .n_heads = window->n_heads,
        .n_kv_heads = window->n_kv_heads,
        .n_v_heads = window->n_v_heads,
        .head_dim = window->head_dim,
        .v_dim = window->v_dim,
        .window = window->window,
        .scale_log2 = window->scale_log2,
        .q = window->q,
        .kv_dtype = window->kv_dtype,
        .views = views,
        .out_dtype = window->out_dtype,
    };
}

float *run_window_attend(rig *r, int64_t n_rows, yoco_window_args args)
{
    int64_t n_seen = args.n_edge + n_rows, n = n_rows * args.n_heads * args.v_dim;
    args.q = rig_upload(r, args.q, n_rows * args.n_heads * args.head_dim, YOCO_F32);
    args.k = rig_upload(r, args.k, n_seen * args.n_kv_heads * args.head_dim, args.kv_dtype);
    args.v = rig_upload(r, args.v, n_seen * args.n_v_heads * args.v_dim, args.kv_dtype);
    args.out = rig_device(r, NULL, (size_t)n * yoco_dtype_bytes(args.out_dtype));
    r->ops->window->attend(r->device, &args);
    return rig_download(r, args.out, n, args.out_dtype);
}

float *run_window_step(rig *r, yoco_window_step_args args)
{
    int64_t k_size = args.n_kv_heads * args.head_dim, v_size = args.n_v_heads * args.v_dim;
    int64_t n = args.n_queries * args.n_heads * args.v_dim;
    yoco_window_view *views = rig_host(r, (size_t)args.n_queries * sizeof *views);
    memcpy(views, args.views, (size_t)args.n_queries * sizeof *views);
    for (int64_t i = 0; i < args.n_queries; i++) {
        for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
            int64_t n_rows = views[i].n_rows[part];
            views[i].k[part] =
                n_rows ? rig_upload(r, views[i].k[part], n_rows * k_size, args.kv_dtype) : NULL;
            views[i].v[part] =
                n_rows ? rig_upload(r, views[i].v[part], n_rows * v_size, args.kv_dtype) : NULL;
        }
    }
    args.views = views;
    args.q = rig_upload(r, args.q, args.n_queries * args.n_heads * args.head_dim, YOCO_F32);
    args.out = rig_device(r, NULL, (size_t)n * yoco_dtype_bytes(args.out_dtype));
    r->ops->window->step(r->device, &args);
    return rig_download(r, args.out, n, args.out_dtype);
}
