#include "tests/kernels/delta_ops.h"

#include <math.h>
#include <string.h>

yoco_conv_args make_conv(rig *r, test_random *random, const conv_shape *shape)
{
    int64_t stride = shape->n_channels + shape->n_others, n = shape->n_rows * shape->n_channels;
    return (yoco_conv_args){
        .n_rows = shape->n_rows,
        .n_edge = shape->n_edge,
        .n_channels = shape->n_channels,
        .n_taps = shape->n_taps,
        .taps = random_values(r, random, (int64_t)shape->n_channels * shape->n_taps, 1.0f),
        .bias = shape->bias ? random_values(r, random, shape->n_channels, 1.0f) : NULL,
        .x = random_values(r, random, n, 2.0f),
        .dtype = r->options.dtype,
        .stride = stride,
        .rows = random_values(r, random, (shape->n_edge + shape->n_rows) * stride, 2.0f),
    };
}

float *run_conv(rig *r, yoco_conv_args args, float **rows)
{
    int64_t n = args.n_rows * args.n_channels, n_all = (args.n_edge + args.n_rows) * args.stride;
    args.taps = rig_upload(r, args.taps, (int64_t)args.n_channels * args.n_taps, YOCO_F32);
    if (args.bias)
        args.bias = rig_upload(r, args.bias, args.n_channels, YOCO_F32);
    float *x = rig_upload(r, args.x, n, YOCO_F32);
    args.x = x;
    const float *edge = args.rows;
    args.rows = rig_upload(r, edge, n_all, args.dtype);
    args.out = rig_device(r, NULL, (size_t)n * sizeof(float));
    yoco_conv_args twin = args;
    twin.rows = rig_upload(r, edge, n_all, args.dtype);
    twin.out = rig_device(r, NULL, (size_t)n * sizeof(float));
    args.next = &twin;
    r->ops->conv->round(r->device, &args);
    r->ops->conv->piece(r->device, &args);
    float *out = rig_fetch(r, args.out);
    check_equal(r, "the next of a chain", rig_fetch(r, twin.out), out, (size_t)n * sizeof *out);
    args.next = NULL;
    args.out = x;
    r->ops->conv->piece(r->device, &args);
    check_equal(r, "conv in place", rig_fetch(r, x), out, (size_t)n * sizeof *out);
    if (rows)
        *rows = rig_download(r, args.rows, n_all, args.dtype);
    return out;
}

/* The rows end - n .. end - 1 as up to three runs. */
static yoco_window_view cut_view(rig *r, test_random *random, const yoco_conv_args *args,
                                 const float *rows, int64_t end, bool in_v)
{
    yoco_window_view view = {.n_rows = {0}};
    int64_t row = yoco_i64_max(0, end - args->n_taps);
    for (int part = 0; part < YOCO_WINDOW_VIEW_PARTS; part++) {
        int64_t left = end - row, n = part == 2 ? left : random_below(random, (int)left + 1);
        const void *run =
            n > 0 ? rig_upload(r, rows + row * args->stride, n * args->stride, args->dtype) : NULL;
        *(in_v ? &view.v[part] : &view.k[part]) = run;
        view.n_rows[part] = n;
        row += n;
    }
    return view;
}

float *run_conv_steps(rig *r, test_random *random, const yoco_conv_args *args, const float *rows,
                      bool in_v, int64_t first, int64_t n_rows)
{
    yoco_window_view *views = rig_host(r, (size_t)n_rows * sizeof *views);
    size_t n_taps = (size_t)args->n_channels * (size_t)args->n_taps;
    for (int64_t i = 0; i < n_rows; i++)
        views[i] = cut_view(r, random, args, rows, args->n_edge + first + i + 1, in_v);
    yoco_conv_step_args step = {
        .n_rows = n_rows,
        .n_channels = args->n_channels,
        .n_taps = args->n_taps,
        .taps = rig_upload(r, args->taps, (int64_t)n_taps, YOCO_F32),
        .bias = args->bias ? rig_upload(r, args->bias, args->n_channels, YOCO_F32) : NULL,
        .dtype = args->dtype,
        .views = views,
        .in_v = in_v,
        .stride = args->stride,
        .out = rig_device(r, NULL, (size_t)(n_rows * args->n_channels) * sizeof(float))};
    yoco_conv_step_args twin = step;
    twin.out = rig_device(r, NULL, (size_t)(n_rows * args->n_channels) * sizeof(float));
    step.next = &twin;
    r->ops->conv->step(r->device, &step);
    float *out = rig_fetch(r, step.out);
    check_equal(r, "the next of a chain", rig_fetch(r, twin.out), out,
                (size_t)(n_rows * args->n_channels) * sizeof *out);
    return out;
}

int64_t delta_state_size(const yoco_delta_args *args)
{
    return (int64_t)args->n_heads * args->k_dim * args->v_dim;
}

static float *unit_rows(rig *r, test_random *random, int64_t n_rows, int n, float scale)
{
    float *rows = random_values(r, random, n_rows * n, 1.0f);
    for (int64_t i = 0; i < n_rows; i++) {
        double squares = 0;
        for (int j = 0; j < n; j++)
            squares += (double)rows[i * n + j] * rows[i * n + j];
        for (int j = 0; j < n; j++)
            rows[i * n + j] *= scale / (float)sqrt(squares);
    }
    return rows;
}

/* One row in five forgets up to e^-decay, the others next to nothing. */
static float *decays(rig *r, test_random *random, int64_t n, float decay)
{
    float *g = rig_host(r, (size_t)n * sizeof *g);
    for (int64_t i = 0; i < n; i++)
        g[i] = -(float)random_unit(random) *
               (random_below(random, 5) == 0 ? decay : fminf(decay, 0.1f));
    return g;
}

/* beta goes to 2: the harder case, where a row may overshoot what the state holds. */
yoco_delta_args make_delta(rig *r, test_random *random, const delta_shape *shape)
{
    int64_t n_qk = shape->n_rows * shape->n_qk_heads, n = shape->n_rows * shape->n_heads;
    float *beta = random_values(r, random, n, 1.0f);
    for (int64_t i = 0; i < n; i++)
        beta[i] += 1.0f;
    yoco_delta_args args = {
        .n_rows = shape->n_rows,
        .n_qk_heads = shape->n_qk_heads,
        .n_heads = shape->n_heads,
        .k_dim = shape->k_dim,
        .v_dim = shape->v_dim,
        .q = unit_rows(r, random, n_qk, shape->k_dim, 1 / sqrtf((float)shape->k_dim)),
        .k = unit_rows(r, random, n_qk, shape->k_dim, 1.0f),
        .g = decays(r, random, n, shape->decay),
        .beta = beta,
        .u = random_values(r, random, n * shape->v_dim, 1.0f),
    };
    args.edge_in = random_values(r, random, delta_state_size(&args), 1.0f);
    return args;
}

yoco_delta_args delta_piece(const yoco_delta_args *args, int64_t first, int64_t n_rows)
{
    yoco_delta_args piece = *args;
    int64_t qk = first * args->n_qk_heads * args->k_dim, heads = first * args->n_heads;
    piece.n_rows = n_rows;
    piece.q += qk;
    piece.k += qk;
    piece.g += heads;
    piece.beta += heads;
    piece.u += heads * args->v_dim;
    return piece;
}

delta_result run_delta(rig *r, yoco_delta_args args, bool in_place)
{
    int64_t n_qk = args.n_rows * args.n_qk_heads * args.k_dim, n = args.n_rows * args.n_heads;
    int64_t n_state = delta_state_size(&args), n_blocks = yoco_div_up(args.n_rows, YOCO_DELTA_ROWS);
    delta_result result;
    args.q = rig_upload(r, args.q, n_qk, YOCO_F32);
    args.k = rig_upload(r, args.k, n_qk, YOCO_F32);
    args.g = rig_upload(r, args.g, n, YOCO_F32);
    args.beta = rig_upload(r, args.beta, n, YOCO_F32);
    args.u = rig_upload(r, args.u, n * args.v_dim, YOCO_F32);
    args.minus_w = rig_device(r, NULL, (size_t)(n * args.k_dim) * sizeof(float));
    args.state = rig_device(r, NULL, (size_t)(n_blocks * n_state) * sizeof(float));
    float *edge = rig_upload(r, args.edge_in, n_state, YOCO_F32);
    args.edge_in = edge;
    args.edge_out = in_place ? edge : rig_device(r, NULL, (size_t)n_state * sizeof(float));

    r->ops->delta->local(r->device, &args);
    result.local_u = rig_fetch(r, args.u);
    result.minus_w = rig_fetch(r, args.minus_w);
    r->ops->delta->scan(r->device, &args);
    result.entering = rig_fetch(r, args.state);
    result.edge_out = rig_fetch(r, args.edge_out);
    result.u = rig_fetch(r, args.u);
    r->ops->delta->out(r->device, &args);
    result.out = rig_fetch(r, args.u);
    return result;
}

static float *step_once(rig *r, yoco_delta_step_args args, bool in_place, float **states)
{
    int64_t n = args.n_rows * args.n_heads;
    size_t state_size = (size_t)args.n_heads * (size_t)args.k_dim * (size_t)args.v_dim;
    float *const *host_states = args.state;
    for (int64_t i = 0; i < args.n_rows; i++)
        states[i] = rig_upload(r, host_states[i], (int64_t)state_size, YOCO_F32);
    args.state = states;
    float *v = rig_upload(r, args.v, n * args.v_dim, YOCO_F32);
    args.v = v;
    args.out = in_place ? v : rig_device(r, NULL, (size_t)(n * args.v_dim) * sizeof(float));
    r->ops->delta->step(r->device, &args);
    return rig_fetch(r, args.out);
}

float *run_delta_step(rig *r, yoco_delta_step_args args)
{
    int64_t n_qk = args.n_rows * args.n_qk_heads * args.k_dim, n = args.n_rows * args.n_heads;
    size_t state_bytes =
        (size_t)args.n_heads * (size_t)args.k_dim * (size_t)args.v_dim * sizeof(float);
    float **states = rig_host(r, (size_t)args.n_rows * sizeof *states);
    args.q = rig_upload(r, args.q, n_qk, YOCO_F32);
    args.k = rig_upload(r, args.k, n_qk, YOCO_F32);
    args.g = rig_upload(r, args.g, n, YOCO_F32);
    args.beta = rig_upload(r, args.beta, n, YOCO_F32);
    float *apart = step_once(r, args, false, states), *out = step_once(r, args, true, states);
    check_equal(r, "delta_step in place", out, apart, (size_t)(n * args.v_dim) * sizeof *out);
    for (int64_t i = 0; i < args.n_rows; i++)
        memcpy(args.state[i], rig_fetch(r, states[i]), state_bytes);
    return out;
}

yoco_delta_prepare_args make_delta_prepare(rig *r, test_random *random, const delta_shape *shape)
{
    int64_t n_qk = shape->n_rows * shape->n_qk_heads * shape->k_dim;
    int64_t n = shape->n_rows * shape->n_heads;
    return (yoco_delta_prepare_args){
        .n_rows = shape->n_rows,
        .n_qk_heads = shape->n_qk_heads,
        .n_heads = shape->n_heads,
        .k_dim = shape->k_dim,
        .beta_scale = shape->n_rows % 2 == 0 ? 1.0f : 2.0f,
        .a_log = random_values(r, random, shape->n_heads, 3.0f),
        .dt_bias = random_values(r, random, shape->n_heads, 2.0f),
        .q = random_values(r, random, n_qk, 2.0f),
        .k = random_values(r, random, n_qk, 0.002f),
        .a_g = random_values(r, random, n, shape->decay),
        .b_beta = random_values(r, random, n, shape->decay),
    };
}

yoco_delta_prepare_args run_delta_prepare(rig *r, yoco_delta_prepare_args args)
{
    int64_t n_qk = args.n_rows * args.n_qk_heads * args.k_dim, n = args.n_rows * args.n_heads;
    args.a_log = rig_upload(r, args.a_log, args.n_heads, YOCO_F32);
    args.dt_bias = rig_upload(r, args.dt_bias, args.n_heads, YOCO_F32);
    args.q = rig_upload(r, args.q, n_qk, YOCO_F32);
    args.k = rig_upload(r, args.k, n_qk, YOCO_F32);
    args.a_g = rig_upload(r, args.a_g, n, YOCO_F32);
    args.b_beta = rig_upload(r, args.b_beta, n, YOCO_F32);
    r->ops->delta->prepare(r->device, &args);
    args.q = rig_fetch(r, args.q);
    args.k = rig_fetch(r, args.k);
    args.a_g = rig_fetch(r, args.a_g);
    args.b_beta = rig_fetch(r, args.b_beta);
    return args;
}
