/* Gated DeltaNet: short convolutions of Q, K and V, then the gated delta rule. The inputs of the
 * convolutions are a window whose edge leaves as soon as the projections are made; the state leaves
 * after the one op that needs the state entering. */
#include "kernels/ops_conv.h"
#include "kernels/ops_delta.h"
#include "kernels/ops_dense.h"
#include "worker/layers/layers.h"

enum { N_CONVS = 3 };

/* Where its parts stand in the work memory: q and k (n_rows, n_kv_heads, k_dim), v, out and g
 * (n_rows, n_heads, v_dim), w (n_rows, n_heads, k_dim), decay and beta (n_rows, n_heads). The
 * output takes the place of v. */
typedef struct parts {
    float *q, *k, *v, *g, *states, *w, *decay, *beta;
} parts;

static parts parts_of(const yoco_pass *p)
{
    const yoco_layer_shape *s = p->layer->shape;
    const yoco_delta_scratch at = yoco_delta_scratch_of(s, p->w->plan.rows);
    char *scratch = yoco_bytes(p->w, YOCO_BUF_SCRATCH);
    return (parts){.q = yoco_wide(p, YOCO_BUF_WIDE_A, 0),
                   .k = yoco_wide(p, YOCO_BUF_WIDE_A, yoco_layer_q_width(s)),
                   .v = yoco_wide(p, YOCO_BUF_WIDE_B, 0),
                   .g = yoco_wide(p, YOCO_BUF_WIDE_B, yoco_layer_v_width(s)),
                   .states = (float *)(void *)scratch,
                   .w = (float *)(void *)(scratch + at.w),
                   .decay = (float *)(void *)(scratch + at.decay),
                   .beta = (float *)(void *)(scratch + at.beta)};
}

/* NORM -> q, k, v as they enter the convolutions */
static void make_inputs(yoco_pass *p, const parts *m)
{
    const yoco_projection projections[] = {
        {YOCO_ROLE_Q, m->q}, {YOCO_ROLE_K, m->k}, {YOCO_ROLE_V, m->v}};
    yoco_project(p, projections, 3);
}

/* NORM -> g, decay, beta, as the projections leave them */
static void make_gates(yoco_pass *p, const parts *m)
{
    const yoco_projection projections[] = {
        {YOCO_ROLE_G, m->g}, {YOCO_ROLE_DECAY, m->decay}, {YOCO_ROLE_BETA, m->beta}};
    yoco_project(p, projections, 3);
}

/* Q and K lie side by side in part 0 of the past's rows, V in part 1. */
static void conv_chain(const yoco_pass *p, const parts *m, yoco_conv_args chain[N_CONVS])
{
    const yoco_layer_shape *s = p->layer->shape;
    const yoco_past *past = yoco_past_of(p, 0);
    const yoco_dtype dtype = p->w->model->dtype;
    const int64_t q = yoco_layer_q_width(s), k = yoco_layer_k_width(s), v = yoco_layer_v_width(s);
    char *qk_rows = yoco_past_work(p->w, past, 0), *v_rows = yoco_past_work(p->w, past, 1);
    const struct {
        yoco_role taps;
        float *x;
        int64_t width, stride;
        void *rows;
    } runs[N_CONVS] = {
        {YOCO_ROLE_Q_TAPS, m->q, q, q + k, qk_rows},
        {YOCO_ROLE_K_TAPS, m->k, k, q + k, qk_rows + (size_t)q * yoco_dtype_bytes(dtype)},
        {YOCO_ROLE_V_TAPS, m->v, v, v, v_rows}};
    for (int i = 0; i < N_CONVS; i++)
        chain[i] = (yoco_conv_args){.n_rows = p->n_rows,
                                    .n_edge = yoco_window_edge(p, past),
                                    .n_channels = (int)runs[i].width,
                                    .n_taps = s->n_taps,
                                    .taps = p->layer->vectors[runs[i].taps],
                                    .x = runs[i].x,
                                    .dtype = dtype,
                                    .stride = runs[i].stride,
                                    .rows = runs[i].rows,
                                    .out = runs[i].x,
                                    .next = i + 1 < N_CONVS ? &chain[i + 1] : NULL};
}

static void prepare(const yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    p->w->ops->delta->prepare(
        p->w->device, &(yoco_delta_prepare_args){.n_rows = p->n_rows,
                                                 .n_qk_heads = s->n_kv_heads,
                                                 .n_heads = s->n_heads,
                                                 .k_dim = s->k_dim,
                                                 .beta_scale = s->beta_scale,
                                                 .a_log = p->layer->vectors[YOCO_ROLE_A_LOG],
                                                 .dt_bias = p->layer->vectors[YOCO_ROLE_DT_BIAS],
                                                 .q = m->q,
                                                 .k = m->k,
                                                 .a_g = m->decay,
                                                 .b_beta = m->beta});
}

/* NORM <- silu(g) * norm of each head's output */
static void gate_output(yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    yoco_worker *w = p->w;
    w->ops->dense->rms_norm(w->device,
                            &(yoco_rms_norm_args){.n_rows = p->n_rows * s->n_heads,
                                                  .dim = s->v_dim,
                                                  .eps = s->out_eps,
                                                  .x = m->v,
                                                  .weight = p->layer->vectors[YOCO_ROLE_OUT_NORM],
                                                  .out_dtype = YOCO_F32,
                                                  .out = m->v});
    w->ops->dense->swiglu(w->device, &(yoco_swiglu_args){.n = p->n_rows * yoco_layer_out_width(s),
                                                         .a = m->g,
                                                         .b = m->v,
                                                         .out_dtype = w->model->dtype,
                                                         .out = w->buffers[YOCO_BUF_NORM]});
}

static yoco_delta_args args_of(const yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    float *edge = (float *)(void *)yoco_past_work(p->w, yoco_past_of(p, 1), 0);
    return (yoco_delta_args){.n_rows = p->n_rows,
                             .n_qk_heads = s->n_kv_heads,
                             .n_heads = s->n_heads,
                             .k_dim = s->k_dim,
                             .v_dim = s->v_dim,
                             .q = m->q,
                             .k = m->k,
                             .g = m->decay,
                             .beta = m->beta,
                             .u = m->v,
                             .minus_w = m->w,
                             .state = m->states,
                             .edge_in = edge,
                             .edge_out = edge};
}

static yoco_status keep(yoco_pass *p)
{
    const parts m = parts_of(p);
    yoco_conv_args chain[N_CONVS];
    make_inputs(p, &m);
    conv_chain(p, &m, chain);
    p->w->ops->conv->round(p->w->device, chain);
    if (yoco_window_gives_own(p, yoco_past_of(p, 0)))
        YOCO_TRY(p->port->give(p, yoco_past_of(p, 0)));
    make_gates(p, &m);
    return YOCO_OK;
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
    const yoco_delta_args args = args_of(p, &m);
    const yoco_delta_ops *delta = p->w->ops->delta;
    yoco_conv_args chain[N_CONVS];
    YOCO_TRY(take_inputs(p));
    conv_chain(p, &m, chain);
    p->w->ops->conv->piece(p->w->device, chain);
    prepare(p, &m);
    delta->local(p->w->device, &args);
    YOCO_TRY(p->port->take(p, yoco_past_of(p, 1)));
    delta->scan(p->w->device, &args);
    YOCO_TRY(p->port->give(p, yoco_past_of(p, 1)));
    delta->out(p->w->device, &args);
    gate_output(p, &m);
    return YOCO_OK;
}

/* The rows in their branches' windows, then convolved with those before them. */
static void step_convs(yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    yoco_worker *w = p->w;
    yoco_conv_args chain[N_CONVS];
    yoco_conv_step_args steps[N_CONVS];
    conv_chain(p, m, chain);
    w->ops->conv->round(w->device, chain);
    yoco_window_step(p, yoco_past_of(p, 0), w->views);
    for (int i = 0; i < N_CONVS; i++)
        steps[i] = (yoco_conv_step_args){.n_rows = p->n_rows,
                                         .n_channels = chain[i].n_channels,
                                         .n_taps = s->n_taps,
                                         .taps = chain[i].taps,
                                         .dtype = chain[i].dtype,
                                         .views = w->views,
                                         .in_v = i == 2,
                                         .stride = chain[i].stride,
                                         .first = i == 1 ? yoco_layer_q_width(s) : 0,
                                         .out = chain[i].out,
                                         .next = i + 1 < N_CONVS ? &steps[i + 1] : NULL};
    w->ops->conv->step(w->device, steps);
}

static yoco_status step(yoco_pass *p)
{
    const yoco_layer_shape *s = p->layer->shape;
    yoco_worker *w = p->w;
    const parts m = parts_of(p);
    make_inputs(p, &m);
    make_gates(p, &m);
    step_convs(p, &m);
    prepare(p, &m);
    for (int64_t i = 0; i < p->n_rows; i++)
        w->states[i] = yoco_state_branch(w, yoco_past_of(p, 1), p->branches[i]);
    w->ops->delta->step(w->device, &(yoco_delta_step_args){.n_rows = p->n_rows,
                                                           .n_qk_heads = s->n_kv_heads,
                                                           .n_heads = s->n_heads,
                                                           .k_dim = s->k_dim,
                                                           .v_dim = s->v_dim,
                                                           .q = m.q,
                                                           .k = m.k,
                                                           .g = m.decay,
                                                           .beta = m.beta,
                                                           .v = m.v,
                                                           .state = w->states,
                                                           .out = m.v});
    gate_output(p, &m);
    return YOCO_OK;
}

const yoco_layer_ops yoco_delta_layer = {.needs = {{YOCO_OP_FAMILY(conv)}, {YOCO_OP_FAMILY(delta)}},
                                         .keep = keep,
                                         .mix = mix,
                                         .step = step};
