/* Attention over the rows before, as far as the window reaches. */
#include "worker/layers/window.h"
#include "worker/layers/differential.h"
#include "worker/layers/layers.h"
#include "worker/layers/qkv.h"

static yoco_status keep(yoco_pass *p)
{
    const yoco_past *past = yoco_past_of(p, 0);
    yoco_make_qkv(p, yoco_window_own(p, past, 0), yoco_window_own(p, past, 1));
    return yoco_window_gives_own(p, past) ? p->port->give(p, past) : YOCO_OK;
}

void yoco_window_attend_piece(yoco_pass *p, const float *q, int64_t begin, int64_t end)
{
    const yoco_layer_shape *s = p->layer->shape;
    const yoco_past *past = yoco_past_of(p, 0);
    yoco_worker *w = p->w;
    yoco_dtype out_dtype;
    void *out = yoco_heads_out(p, &out_dtype);
    if (begin == end)
        return;
    w->ops->window->attend(w->device, &(yoco_window_args){.n_edge = yoco_window_edge(p, past),
                                                          .q_begin = begin,
                                                          .q_end = end,
                                                          .window = s->window,
                                                          .n_heads = s->n_heads,
                                                          .n_kv_heads = s->n_kv_heads,
                                                          .n_v_heads = yoco_layer_v_heads(s),
                                                          .head_dim = s->k_dim,
                                                          .v_dim = s->v_dim,
                                                          .scale_log2 = yoco_scale_log2(s),
                                                          .q = q,
                                                          .kv_dtype = w->model->dtype,
                                                          .k = yoco_past_work(w, past, 0),
                                                          .v = yoco_past_work(w, past, 1),
                                                          .out_dtype = out_dtype,
                                                          .out = out});
}

/* Rows that see the edge wait for it, all others do not; where nobody waits, one call does all. */
static yoco_status mix(yoco_pass *p)
{
    const yoco_past *past = yoco_past_of(p, 0);
    const float *q = yoco_wide(p, YOCO_BUF_WIDE_A, 0); /* as keep left it */
    bool waits = p->port->waits && p->w->comm->n_ranks > 1;
    int64_t n_waiting = yoco_window_edge(p, past) == 0 ? 0
                        : waits                        ? yoco_i64_min(past->shape.n_rows, p->n_rows)
                                                       : p->n_rows;
    yoco_window_attend_piece(p, q, n_waiting, p->n_rows);
    if (n_waiting > 0) {
        YOCO_TRY(p->port->take(p, past));
        if (!yoco_window_gives_own(p, past))
            YOCO_TRY(p->port->give(p, past));
        yoco_window_attend_piece(p, q, 0, n_waiting);
    }
    yoco_heads_combine(p);
    return YOCO_OK;
}

void yoco_window_attend_step(yoco_pass *p, const float *q)
{
    const yoco_layer_shape *s = p->layer->shape;
    yoco_worker *w = p->w;
    yoco_dtype out_dtype;
    void *out = yoco_heads_out(p, &out_dtype);
    w->ops->window->step(w->device, &(yoco_window_step_args){.n_queries = p->n_rows,
                                                             .n_heads = s->n_heads,
                                                             .n_kv_heads = s->n_kv_heads,
                                                             .n_v_heads = yoco_layer_v_heads(s),
                                                             .head_dim = s->k_dim,
                                                             .v_dim = s->v_dim,
                                                             .window = s->window,
                                                             .scale_log2 = yoco_scale_log2(s),
                                                             .q = q,
                                                             .kv_dtype = w->model->dtype,
                                                             .views = w->views,
                                                             .out_dtype = out_dtype,
                                                             .out = out});
    yoco_heads_combine(p);
}

static yoco_status step(yoco_pass *p)
{
    const yoco_past *past = yoco_past_of(p, 0);
    const float *q = yoco_make_qkv(p, yoco_window_own(p, past, 0), yoco_window_own(p, past, 1));
    yoco_window_step(p, past, p->w->views);
    yoco_window_attend_step(p, q);
    return YOCO_OK;
}

const yoco_layer_ops yoco_window_layer = {.needs = {{YOCO_OP_FAMILY(window)}},
                                          .keep = keep,
                                          .mix = mix,
                                          .step = step,
                                          .derive = yoco_heads_derive};
