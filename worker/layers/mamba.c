/* Mamba-1: a short convolution, then the selective scan. The inputs of the convolution are a window
 * whose edge leaves as soon as they are projected; the state leaves after the one op that needs the
 * state entering. */
#include "kernels/ops_conv.h"
#include "kernels/ops_dense.h"
#include "kernels/ops_mamba.h"
#include "worker/layers/layers.h"

/* Where its parts stand in the work memory: x, dt and z (n_rows, n_channels), low (n_rows,
 * dt_rank), b and c (n_rows, n_states), state (n_states, n_channels). The output takes the place of
 * x. */
typedef struct parts {
    float *x, *dt, *z, *low, *b, *c, *state;
} parts;

static parts parts_of(const yoco_pass *p)
{
    const yoco_layer_shape *s = p->layer->shape;
    return (parts){.x = yoco_wide(p, YOCO_BUF_WIDE_A, 0),
                   .dt = yoco_wide(p, YOCO_BUF_WIDE_A, s->n_channels),
                   .z = yoco_wide(p, YOCO_BUF_WIDE_B, 0),
                   .low = yoco_wide(p, YOCO_BUF_WIDE_B, s->n_channels),
                   .b = yoco_wide(p, YOCO_BUF_WIDE_B, s->n_channels + s->dt_rank),
                   .c = yoco_wide(p, YOCO_BUF_WIDE_B, s->n_channels + s->dt_rank + s->n_states),
                   .state = yoco_f32(p->w, YOCO_BUF_SCRATCH)};
}

/* NORM -> x as it enters the convolution, and z */
static void make_inputs(yoco_pass *p, const parts *m)
{
    const yoco_projection projections[] = {{YOCO_ROLE_X, m->x}, {YOCO_ROLE_G, m->z}};
    yoco_project(p, projections, 2);
}

static yoco_conv_args conv_of(const yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    return (yoco_conv_args){.n_rows = p->n_rows,
                            .n_edge = yoco_window_edge(p, yoco_past_of(p, 0)),
                            .n_channels = s->n_channels,
                            .n_taps = s->n_taps,
                            .taps = p->layer->vectors[YOCO_ROLE_X_TAPS],
                            .bias = p->layer->vectors[YOCO_ROLE_X_TAPS_BIAS],
                            .x = m->x,
                            .dtype = p->w->model->dtype,
                            .stride = s->n_channels,
                            .rows = yoco_past_work(p->w, yoco_past_of(p, 0), 0),
                            .out = m->x};
}

/* NORM <- rows of n values, rounded */
static void round_input(const yoco_pass *p, const float *x, int64_t n)
{
    p->w->ops->dense->cast(p->w->device, &(yoco_cast_args){.n = p->n_rows * n,
                                                           .x = x,
                                                           .out_dtype = p->w->model->dtype,
                                                           .out = p->w->buffers[YOCO_BUF_NORM]});
}

/* x -> b, c and dt, through the few channels of low */
static void make_selection(yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    const yoco_projection projections[] = {
        {YOCO_ROLE_DT_DOWN, m->low}, {YOCO_ROLE_STATE_IN, m->b}, {YOCO_ROLE_STATE_OUT, m->c}};
    round_input(p, m->x, s->n_channels);
    yoco_project(p, projections, 3);
    round_input(p, m->low, s->dt_rank);
    yoco_project(p, &(yoco_projection){YOCO_ROLE_DT_UP, m->dt}, 1);
}

/* NORM <- silu(z) * out; and out is what later layers gate with, where they do. */
static void gate_output(const yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    yoco_worker *w = p->w;
    const int64_t n = p->n_rows * s->n_channels;
    if (s->traits & YOCO_TRAIT_MEMORY && !p->port)
        w->ops->copy(w->device, w->buffers[YOCO_BUF_MEMORY], m->x, (size_t)n * sizeof *m->x);
    w->ops->dense->swiglu(w->device, &(yoco_swiglu_args){.n = n,
                                                         .a = m->z,
                                                         .b = m->x,
                                                         .out_dtype = w->model->dtype,
                                                         .out = w->buffers[YOCO_BUF_NORM]});
}

static yoco_mamba_args args_of(const yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    float *const *vectors = p->layer->vectors;
    float *edge = (float *)(void *)yoco_past_work(p->w, yoco_past_of(p, 1), 0);
    return (yoco_mamba_args){.n_rows = p->n_rows,
                             .n_channels = s->n_channels,
                             .n_states = s->n_states,
                             .a = vectors[YOCO_ROLE_A_LOG],
                             .dt_bias = vectors[YOCO_ROLE_DT_BIAS],
                             .d = vectors[YOCO_ROLE_SKIP],
                             .b = m->b,
                             .c = m->c,
                             .x = m->x,
                             .dt = m->dt,
                             .state = m->state,
                             .edge_in = edge,
                             .edge_out = edge,
                             .out = m->x};
}

static yoco_status keep(yoco_pass *p)
{
    const parts m = parts_of(p);
    make_inputs(p, &m);
    const yoco_conv_args conv = conv_of(p, &m);
    p->w->ops->conv->round(p->w->device, &conv);
    return yoco_window_gives_own(p, yoco_past_of(p, 0)) ? p->port->give(p, yoco_past_of(p, 0))
                                                        : YOCO_OK;
}

/* The rows before the piece, passed on in part where it is shorter than the convolution. */
static yoco_status take_inputs(yoco_pass *p)
{
    const yoco_past *past = yoco_past_of(p, 0);
    if (yoco_window_edge(p, past) == 0)
        return YOCO_OK;
    YOCO_TRY(p->port->take(p, past));
    return yoco_window_gives_own(p, past) ? YOCO_OK : p->port->give(p, past);
}

static yoco_status mix(yoco_pass *p)
{
    const parts m = parts_of(p);
    const yoco_mamba_args args = args_of(p, &m);
    const yoco_mamba_ops *mamba = p->w->ops->mamba;
    YOCO_TRY(take_inputs(p));
    const yoco_conv_args conv = conv_of(p, &m);
    p->w->ops->conv->piece(p->w->device, &conv);
    make_selection(p, &m);
    mamba->local(p->w->device, &args);
    YOCO_TRY(p->port->take(p, yoco_past_of(p, 1)));
    mamba->scan(p->w->device, &args);
    YOCO_TRY(p->port->give(p, yoco_past_of(p, 1)));
    mamba->correct(p->w->device, &args);
    gate_output(p, &m);
    return YOCO_OK;
}

/* The rows in their branches' windows, then convolved with those before them. */
static void step_conv(yoco_pass *p, const parts *m)
{
    yoco_worker *w = p->w;
    const yoco_conv_args conv = conv_of(p, m);
    w->ops->conv->round(w->device, &conv);
    yoco_window_step(p, yoco_past_of(p, 0), w->views);
    w->ops->conv->step(w->device, &(yoco_conv_step_args){.n_rows = p->n_rows,
                                                         .n_channels = conv.n_channels,
                                                         .n_taps = conv.n_taps,
                                                         .taps = conv.taps,
                                                         .bias = conv.bias,
                                                         .dtype = conv.dtype,
                                                         .views = w->views,
                                                         .stride = conv.stride,
                                                         .out = m->x});
}

static yoco_status step(yoco_pass *p)
{
    yoco_worker *w = p->w;
    const parts m = parts_of(p);
    const yoco_mamba_args args = args_of(p, &m);
    make_inputs(p, &m);
    step_conv(p, &m);
    make_selection(p, &m);
    for (int64_t i = 0; i < p->n_rows; i++)
        w->states[i] = yoco_state_branch(w, yoco_past_of(p, 1), p->branches[i]);
    w->ops->mamba->step(w->device, &(yoco_mamba_step_args){.n_rows = args.n_rows,
                                                           .n_channels = args.n_channels,
                                                           .n_states = args.n_states,
                                                           .a = args.a,
                                                           .dt_bias = args.dt_bias,
                                                           .d = args.d,
                                                           .b = args.b,
                                                           .c = args.c,
                                                           .x = args.x,
                                                           .dt = args.dt,
                                                           .state = w->states,
                                                           .out = args.out});
    gate_output(p, &m);
    return YOCO_OK;
}

/* The files' A_log (n_channels, n_states) becomes a = -e^A_log (n_states, n_channels). */
static yoco_status derive(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                          yoco_derived *out)
{
    const yoco_tensor *a_log = tensors->role[YOCO_ROLE_A_LOG];
    for (int64_t i = 0; i < shape->n_states; i++) {
        for (int64_t channel = 0; channel < shape->n_channels; channel++) {
            float log = yoco_tensor_element(a_log, channel * shape->n_states + i);
            double a = -exp((double)log);
            if (!isfinite(a)) {
                yoco_log_error("%s holds %g: the checkpoint is damaged", a_log->name, (double)log);
                return YOCO_ERR_DATA;
            }
            out->table[i * shape->n_channels + channel] = (float)a;
        }
    }
    return YOCO_OK;
}

const yoco_layer_ops yoco_mamba_layer = {.needs = {{YOCO_OP_FAMILY(conv)}, {YOCO_OP_FAMILY(mamba)}},
                                         .keep = keep,
                                         .mix = mix,
                                         .step = step,
                                         .derive = derive,
                                         .derived_role = YOCO_ROLE_A_LOG};
