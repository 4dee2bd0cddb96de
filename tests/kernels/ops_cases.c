#include "tests/kernels/ops_cases.h"

#include <math.h>

static float scale_log2(int head_dim)
{
    return (float)(1 / (log(2) * sqrt(head_dim)));
}

yoco_window_args make_window(rig *r, test_random *random, const window_shape *shape)
{
    int64_t row_size = shape->n_heads * shape->head_dim;
    int64_t n_kv = (shape->n_edge + shape->n_rows) * row_size;
    return (yoco_window_args){
        .n_edge = shape->n_edge,
        .q_begin = 0,
        .q_end = shape->n_rows,
        .window = shape->window,
        .n_heads = shape->n_heads,
        .head_dim = shape->head_dim,
        .scale_log2 = scale_log2(shape->head_dim),
        .q = random_values(r, random, shape->n_rows * row_size, 4.0f),
        .kv_dtype = r->options.dtype,
        .k = random_values(r, random, n_kv, 1.0f),
        .v = random_values(r, random, n_kv, 1.0f),
        .out_dtype = r->options.dtype,
    };
}

yoco_window_step_args make_window_steps(rig *r, test_random *random, int64_t n_rows,
                                        const yoco_window_args *window)
{
    int64_t row_size = window->n_heads * window->head_dim;
    yoco_window_view *views = rig_host(r, (size_t)n_rows * sizeof *views);
    for (int64_t i = 0; i < n_rows; i++) {
        int64_t end = window->n_edge + i + 1, row = yoco_i64_max(0, end - window->window);
        for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
            int64_t left = end - row;
            int64_t n = part == 2 ? left : random_below(random, (int)left + 1);
            views[i].k[part] = (const float *)window->k + row * row_size;
            views[i].v[part] = (const float *)window->v + row * row_size;
            views[i].n_rows[part] = n;
            row += n;
        }
    }
    return (yoco_window_step_args){
        .n_queries = n_rows,
        .n_heads = window->n_heads,
        .head_dim = window->head_dim,
        .window = window->window,
        .scale_log2 = window->scale_log2,
        .q = window->q,
        .kv_dtype = window->kv_dtype,
        .views = views,
        .out_dtype = window->out_dtype,
    };
}

int64_t retention_state_size(const yoco_retention_args *args)
{
    return (int64_t)args->n_heads * args->head_dim * args->head_dim;
}

yoco_retention_args make_retention(rig *r, test_random *random, const retention_shape *shape)
{
    int64_t n = shape->n_rows * shape->n_heads * shape->head_dim;
    yoco_retention_args args = {
        .n_rows = shape->n_rows,
        .n_heads = shape->n_heads,
        .head_dim = shape->head_dim,
        .q = random_values(r, random, n, 1.0f),
        .k = random_values(r, random, n, 1.0f / sqrtf((float)shape->head_dim)),
        .v = random_values(r, random, n, 1.0f),
        .gate = random_values(r, random, shape->n_rows * shape->n_heads, shape->gate_scale),
    };
    args.edge_in = random_values(r, random, retention_state_size(&args), 1.0f);
    return args;
}

yoco_retention_args retention_piece(const yoco_retention_args *args, int64_t first, int64_t n_rows)
{
    yoco_retention_args piece = *args;
    int64_t at = first * args->n_heads * args->head_dim;
    piece.n_rows = n_rows;
    piece.q += at;
    piece.k += at;
    piece.v += at;
    piece.gate += first * args->n_heads;
    return piece;
}

/* Channel j of V lies within +-2^v_exponent(j). */
static int v_exponent(int64_t channel)
{
    return (int)(channel % 5) - 2;
}

yoco_attend_args make_attend(rig *r, test_random *random, const attend_shape *shape)
{
    int64_t kv_size = shape->n_kv_heads * shape->head_dim;
    int *o_exponent = rig_host(r, (size_t)kv_size * sizeof *o_exponent);
    for (int64_t j = 0; j < kv_size; j++)
        o_exponent[j] = ATTEND_L_EXPONENT - v_exponent(j);

    yoco_kv_segment *segments = rig_host(r, ATTEND_MAX_SEGMENTS * sizeof *segments);
    int64_t n_partials = 0;
    int n_segments = 0;
    while (n_segments < ATTEND_MAX_SEGMENTS && shape->segments[n_segments].n_queries > 0) {
        yoco_kv_segment *s = &segments[n_segments];
        int64_t n = shape->segments[n_segments].n_rows * kv_size;
        float *v = random_values(r, random, n, 1.0f);
        for (int64_t i = 0; i < n; i++)
            v[i] = ldexpf(v[i], v_exponent(i % kv_size));
        *s = (yoco_kv_segment){.first_query = shape->segments[n_segments].first_query,
                               .n_queries = shape->segments[n_segments].n_queries,
                               .n_rows = shape->segments[n_segments].n_rows,
                               .chunk_rows = shape->segments[n_segments].chunk_rows,
                               .k = random_values(r, random, n, 1.0f),
                               .v = v,
                               .first_partial = n_partials};
        n_partials += yoco_kv_n_blocks(s->n_rows, s->chunk_rows) * s->n_queries;
        n_segments++;
    }
    return (yoco_attend_args){
        .n_queries = shape->n_queries,
        .n_heads = shape->n_heads,
        .n_kv_heads = shape->n_kv_heads,
        .head_dim = shape->head_dim,
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
