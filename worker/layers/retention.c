/* Gated retention. */
#include "kernels/ops_retention.h"
#include "worker/layers/layers.h"

/* Where its parts stand in the work memory, (n_rows, heads, dim) but for gate and decay (n_rows,
 * heads). */
typedef struct parts {
    float *q, *k, *v, *g, *out, *gate, *decay, *states;
} parts;

static parts parts_of(const yoco_pass *p)
{
    const yoco_layer_shape *s = p->layer->shape;
    const yoco_retention_scratch scratch = yoco_retention_scratch_of(s, p->w->plan.rows);
    const int64_t q = yoco_layer_q_width(s), k = yoco_layer_k_width(s);
    char *states = yoco_bytes(p->w, YOCO_BUF_SCRATCH);
    return (parts){.q = yoco_wide(p, YOCO_BUF_WIDE_A, 0),
                   .k = yoco_wide(p, YOCO_BUF_WIDE_A, q),
                   .v = yoco_wide(p, YOCO_BUF_WIDE_B, 0),
                   .g = yoco_wide(p, YOCO_BUF_WIDE_B, yoco_layer_v_width(s)),
                   .out = yoco_wide(p, YOCO_BUF_WIDE_A, q + k),
                   .gate = (float *)(void *)(states + scratch.gate),
                   .decay = (float *)(void *)(states + scratch.decay),
                   .states = (float *)(void *)states};
}

/* NORM (T, dim) -> q, k, v, g and gate, q and k rotated */
static void make_inputs(yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    const yoco_projection projections[] = {{YOCO_ROLE_Q, m->q},
                                           {YOCO_ROLE_K, m->k},
                                           {YOCO_ROLE_V, m->v},
                                           {YOCO_ROLE_G, m->g},
                                           {YOCO_ROLE_DECAY, m->gate}};
    yoco_project(p, projections, 5);
    yoco_rope_args keys = yoco_rotation_args(p, s->n_heads, m->k, YOCO_F32, m->k);
    keys.scale = 1.0f / sqrtf((float)s->k_dim);
    yoco_rope_args queries = yoco_rotation_args(p, s->n_heads, m->q, YOCO_F32, m->q);
    queries.next = &keys;
    p->w->ops->dense->rope(p->w->device, &queries);
}

/* NORM <- silu(g) * norm of each head's output */
static void gate_output(yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    yoco_worker *w = p->w;
    w->ops->dense->rms_norm(w->device, &(yoco_rms_norm_args){.n_rows = p->n_rows * s->n_heads,
                                                             .dim = s->v_dim,
                                                             .eps = w->model->shape->norm_eps,
                                                             .x = m->out,
                                                             .out_dtype = YOCO_F32,
                                                             .out = m->out});
    w->ops->dense->swiglu(w->device, &(yoco_swiglu_args){.n = p->n_rows * yoco_layer_out_width(s),
                                                         .a = m->g,
                                                         .b = m->out,
                                                         .out_dtype = w->model->dtype,
                                                         .out = w->buffers[YOCO_BUF_NORM]});
}

static yoco_retention_args args_of(const yoco_pass *p, const parts *m)
{
    const yoco_layer_shape *s = p->layer->shape;
    float *edge = (float *)(void *)yoco_past_work(p->w, yoco_past_of(p, 0), 0);
    return (yoco_retention_args){.n_rows = p->n_rows,
                                 .n_heads = s->n_heads,
                                 .head_dim = s->k_dim,
                                 .q = m->q,
                                 .k = m->k,
                                 .v = m->v,
                                 .gate = m->gate,
                                 .gate_scale = 1.0 / (double)s->decay_divisor,
                                 .decay = m->decay,
                                 .state = m->states,
                                 .edge_in = edge,
                                 .edge_out = edge,
                                 .out = m->out};
}

static yoco_status keep(yoco_pass *p)
{
    const parts m = parts_of(p);
    const yoco_retention_args args = args_of(p, &m);
    make_inputs(p, &m);
    p->w->ops->retention->local(p->w->device, &args);
    return YOCO_OK;
}

static yoco_status mix(yoco_pass *p)
{
    const parts m = parts_of(p);
    const yoco_retention_args args = args_of(p, &m);
    YOCO_TRY(p->port->take(p, yoco_past_of(p, 0)));
    p->w->ops->retention->scan(p->w->device, &args);
    YOCO_TRY(p->port->give(p, yoco_past_of(p, 0)));
    p->w->ops->retention->correct(p->w->device, &args);
    gate_output(p, &m);
    return YOCO_OK;
}

static yoco_status step(yoco_pass *p)
{
    const yoco_layer_shape *s = p->layer->shape;
    yoco_worker *w = p->w;
    const parts m = parts_of(p);
    make_inputs(p, &m);
    for (int64_t i = 0; i < p->n_rows; i++)
        w->states[i] = yoco_state_branch(w, yoco_past_of(p, 0), p->branches[i]);
    w->ops->retention->step(
        w->device, &(yoco_retention_step_args){.n_rows = p->n_rows,
                                               .n_heads = s->n_heads,
                                               .head_dim = s->k_dim,
                                               .q = m.q,
                                               .k = m.k,
                                               .v = m.v,
                                               .gate = m.gate,
                                               .gate_scale = 1.0 / (double)s->decay_divisor,
                                               .state = w->states,
                                               .out = m.out});
    gate_output(p, &m);
    return YOCO_OK;
}

const yoco_layer_ops yoco_retention_layer = {
    .needs = {{YOCO_OP_FAMILY(retention)}}, .keep = keep, .mix = mix, .step = step};
