/* What layers of all kinds do row by row, for prefill and step alike. */
#include <math.h>

#include "worker/pass.h"

/* Angles of the rotations stand one after the other in COS and SIN. */
static int64_t angles_before(const yoco_model_shape *m, int rotation)
{
    int64_t n = 0;
    for (int i = 0; i < rotation; i++)
        n += m->rotations[i].head_dim / 2;
    return n;
}

void yoco_embed_rows(yoco_pass *p)
{
    yoco_worker *w = p->w;
    const yoco_model_shape *m = w->model->shape;
    w->ops->upload(w->device, w->buffers[YOCO_BUF_IDS], p->ids, (size_t)p->n_rows * sizeof *p->ids);
    w->ops->upload(w->device, w->buffers[YOCO_BUF_POSITIONS], w->positions,
                   (size_t)p->n_rows * sizeof *w->positions);
    w->ops->dense->embed(w->device, &(yoco_embed_args){.n_rows = p->n_rows,
                                                       .scale = m->embed_scale,
                                                       .table = w->model->embedding,
                                                       .ids = w->buffers[YOCO_BUF_IDS],
                                                       .x = yoco_f32(w, YOCO_BUF_X)});
    for (int i = 0; i < m->n_rotations; i++)
        w->ops->dense->rope_table(
            w->device,
            &(yoco_rope_table_args){.n_rows = p->n_rows,
                                    .n_freqs = m->rotations[i].head_dim / 2,
                                    .positions = w->buffers[YOCO_BUF_POSITIONS],
                                    .frequencies = w->model->frequencies[i],
                                    .cos = yoco_wide(p, YOCO_BUF_COS, angles_before(m, i)),
                                    .sin = yoco_wide(p, YOCO_BUF_SIN, angles_before(m, i))});
}

void yoco_norm_rows(yoco_pass *p, const float *weight)
{
    yoco_worker *w = p->w;
    w->ops->dense->rms_norm(w->device, &(yoco_rms_norm_args){.n_rows = p->n_rows,
                                                             .dim = w->model->shape->dim,
                                                             .eps = w->model->shape->norm_eps,
                                                             .x = yoco_f32(w, YOCO_BUF_X),
                                                             .weight = weight,
                                                             .out_dtype = w->model->dtype,
                                                             .out = w->buffers[YOCO_BUF_NORM]});
}

void yoco_project(yoco_pass *p, const yoco_projection *projections, int n)
{
    yoco_linear_args args[YOCO_MAX_CHAIN];
    for (int i = 0; i < n; i++)
        args[i] = (yoco_linear_args){.n_rows = p->n_rows,
                                     .weight = p->layer->weights[projections[i].role],
                                     .x = p->w->buffers[YOCO_BUF_NORM],
                                     .y = projections[i].y,
                                     .next = i + 1 < n ? &args[i + 1] : NULL};
    p->linear(p->w->device, args);
}

yoco_rope_args yoco_rotation_args(const yoco_pass *p, int n_heads, const float *x, yoco_dtype dtype,
                                  void *out)
{
    const yoco_layer_shape *s = p->layer->shape;
    int64_t at = angles_before(p->w->model->shape, s->rotation);
    return (yoco_rope_args){.n_rows = p->n_rows,
                            .n_heads = n_heads,
                            .head_dim = s->k_dim,
                            .scale = 1.0f,
                            .cos = yoco_wide(p, YOCO_BUF_COS, at),
                            .sin = yoco_wide(p, YOCO_BUF_SIN, at),
                            .x = x,
                            .out_dtype = dtype,
                            .out = out};
}

void yoco_add_output(yoco_pass *p)
{
    p->linear(p->w->device, &(yoco_linear_args){.n_rows = p->n_rows,
                                                .weight = p->layer->weights[YOCO_ROLE_OUT],
                                                .x = p->w->buffers[YOCO_BUF_NORM],
                                                .y = yoco_f32(p->w, YOCO_BUF_X),
                                                .accumulate = true});
}
