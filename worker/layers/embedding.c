/* What layers have of a token besides its embedding x: a part of its row of a table t for each
 * layer, e = (norm(W_in x / sqrt(dim)) + scale t) / sqrt(2), of which the layer adds W_out
 * (gelu(W_gate stream) * e) to the stream. It depends on the token alone. Source: Gemma 3n and 4,
 * "per-layer embeddings"; transformers 5.24, models/gemma4. */
#include "worker/pass.h"

_Static_assert((int)YOCO_EMBED_GROUP <= (int)YOCO_MAX_CHAIN,
               "the products of a group are one chain");

static float *part_of(const yoco_pass *p, int layer)
{
    return yoco_f32(p->w, YOCO_BUF_EMBED) + layer * p->n_rows * p->w->model->shape->embed_dim;
}

/* Of the layers first .. first + n - 1, whose parts stand side by side in EMBED and in WIDE_A. */
static void add_group(yoco_pass *p, int first, int n)
{
    const yoco_model *m = p->w->model;
    const yoco_model_shape *s = m->shape;
    float *y = yoco_f32(p->w, YOCO_BUF_WIDE_A);
    yoco_linear_args args[YOCO_EMBED_GROUP];
    for (int i = 0; i < n; i++)
        args[i] = (yoco_linear_args){.n_rows = p->n_rows,
                                     .weight = m->layers[first + i].weights[YOCO_ROLE_EMBED_IN],
                                     .x = p->w->buffers[YOCO_BUF_NORM],
                                     .y = y + i * p->n_rows * s->embed_dim,
                                     .next = i + 1 < n ? &args[i + 1] : NULL};
    p->linear(p->w->device, args);
    /* norm(y / c) with eps is norm(y) with c^2 eps */
    p->w->ops->dense->rms_norm(p->w->device,
                               &(yoco_rms_norm_args){.n_rows = n * p->n_rows,
                                                     .dim = s->embed_dim,
                                                     .eps = s->norm_eps * (float)s->dim,
                                                     .x = y,
                                                     .weight = m->layer_norm,
                                                     .out_dtype = YOCO_F32,
                                                     .out = part_of(p, first),
                                                     .accumulate = true,
                                                     .sum_scale = 0.70710678f});
}

void yoco_embed_layers(yoco_pass *p, int n)
{
    const yoco_model *m = p->w->model;
    const yoco_model_shape *s = m->shape;
    if (s->embed_dim == 0 || n == 0)
        return;
    p->w->ops->dense->gather(p->w->device,
                             &(yoco_gather_args){.n_rows = p->n_rows,
                                                 .ids = p->ids,
                                                 .table_dtype = m->layer_table->dtype,
                                                 .table = m->layer_table->data,
                                                 .row_width = (int64_t)s->n_layers * s->embed_dim,
                                                 .n_slices = n,
                                                 .width = s->embed_dim,
                                                 .scale = m->layer_embed_scale,
                                                 .out = part_of(p, 0)});
    yoco_norm_rows(p, NULL, NULL);
    for (int first = 0; first < n; first += YOCO_EMBED_GROUP)
        add_group(p, first, (int)yoco_i64_min(YOCO_EMBED_GROUP, n - first));
}

void yoco_add_embedding(yoco_pass *p)
{
    yoco_worker *w = p->w;
    const yoco_layer_shape *s = p->layer->shape;
    float *gate = yoco_f32(w, YOCO_BUF_WIDE_A);
    if (s->embed_dim == 0)
        return;
    yoco_norm_rows(p, NULL, NULL);
    yoco_project(p, &(yoco_projection){YOCO_ROLE_EMBED_GATE, gate}, 1);
    w->ops->dense->geglu(w->device,
                         &(yoco_swiglu_args){.n = p->n_rows * s->embed_dim,
                                             .a = gate,
                                             .b = part_of(p, (int)(p->layer - w->model->layers)),
                                             .out_dtype = w->model->dtype,
                                             .out = w->buffers[YOCO_BUF_HIDDEN]});
    yoco_add_hidden(p, YOCO_ROLE_EMBED_OUT);
}
