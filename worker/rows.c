/* What layers of all kinds do row by row, for prefill and step alike. */
#include <math.h>

#include "worker/pass.h"

/* Angles of the rotations stand one after the other in COS and SIN. */
static int64_t angles_before(const yoco_model_shape *m, int rotation)
{
    int64_t n = 0;
    for (int i = 0; i < rotation; i++)
        n += yoco_rotation_pairs(&m->rotations[i]);
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
                                                       .scale = w->model->embed_scale,
                                                       .table = w->model->embedding,
                                                       .ids = w->buffers[YOCO_BUF_IDS],
                                                       .x = yoco_f32(w, YOCO_BUF_X)});
    for (int i = 0; i < m->n_rotations; i++)
        w->ops->dense->rope_table(
            w->device,
            &(yoco_rope_table_args){.n_rows = p->n_rows,
                                    .n_freqs = yoco_rotation_pairs(&m->rotations[i]),
                                    .positions = w->buffers[YOCO_BUF_POSITIONS],
                                    .frequencies = w->model->frequencies[i],
                                    .scale = yoco_rotation_amplitude(&m->rotations[i]),
                                    .cos = yoco_wide(p, YOCO_BUF_COS, angles_before(m, i)),
                                    .sin = yoco_wide(p, YOCO_BUF_SIN, angles_before(m, i))});
}

void yoco_norm_rows(yoco_pass *p, const float *weight, const float *bias)
{
    yoco_worker *w = p->w;
    const yoco_model_shape *m = w->model->shape;
    if (!weight)
        w->ops->dense->cast(w->device, &(yoco_cast_args){.n = p->n_rows * m->dim,
                                                         .x = yoco_f32(w, YOCO_BUF_X),
                                                         .out_dtype = w->model->dtype,
                                                         .out = w->buffers[YOCO_BUF_NORM]});
    else if (bias)
        w->ops->dense->layer_norm(w->device,
                                  &(yoco_layer_norm_args){.n_rows = p->n_rows,
                                                          .dim = m->dim,
                                                          .eps = m->norm_eps,
                                                          .x = yoco_f32(w, YOCO_BUF_X),
                                                          .weight = weight,
                                                          .bias = bias,
                                                          .out_dtype = w->model->dtype,
                                                          .out = w->buffers[YOCO_BUF_NORM]});
    else
        w->ops->dense->rms_norm(w->device, &(yoco_rms_norm_args){.n_rows = p->n_rows,
                                                                 .dim = m->dim,
                                                                 .eps = m->norm_eps,
                                                                 .x = yoco_f32(w, YOCO_BUF_X),
                                                                 .weight = weight,
                                                                 .out_dtype = w->model->dtype,
                                                                 .out = w->buffers[YOCO_BUF_NORM]});
}

/* The bias of what the role's weight makes, and its size; NULL: none. */
static const float *bias_of(const yoco_layer *layer, yoco_role role, int64_t *n)
{
    switch (role) {
    case YOCO_ROLE_Q:
        *n = yoco_layer_q_width(layer->shape);
        return layer->vectors[YOCO_ROLE_Q_BIAS];
    case YOCO_ROLE_K:
        *n = yoco_layer_k_width(layer->shape);
        return layer->vectors[YOCO_ROLE_K_BIAS];
    case YOCO_ROLE_V:
        *n = yoco_layer_v_width(layer->shape);
        return layer->vectors[YOCO_ROLE_V_BIAS];
    default:
        return NULL;
    }
}

static void add_biases(yoco_pass *p, const yoco_projection *projections, int n)
{
    yoco_bias_args args[YOCO_MAX_CHAIN] = {0};
    int n_args = 0;
    for (int i = 0; i < n; i++) {
        int64_t width;
        const float *bias = bias_of(p->layer, projections[i].role, &width);
        if (!bias)
            continue;
        args[n_args] = (yoco_bias_args){
            .n_rows = p->n_rows, .n = (int)width, .bias = bias, .x = projections[i].y};
        if (n_args > 0)
            args[n_args - 1].next = &args[n_args];
        n_args++;
    }
    if (n_args > 0)
        p->w->ops->dense->add_bias(p->w->device, args);
}

void yoco_project(yoco_pass *p, const yoco_projection *projections, int n)
{
    yoco_linear_args args[YOCO_MAX_CHAIN] = {0};
    for (int i = 0; i < n; i++)
        args[i] = (yoco_linear_args){.n_rows = p->n_rows,
                                     .weight = p->layer->weights[projections[i].role],
                                     .x = p->w->buffers[YOCO_BUF_NORM],
                                     .y = projections[i].y,
                                     .next = i + 1 < n ? &args[i + 1] : NULL};
    p->linear(p->w->device, args);
    add_biases(p, projections, n);
}

yoco_rope_args yoco_rotation_args(const yoco_pass *p, int n_heads, const float *x, yoco_dtype dtype,
                                  void *out)
{
    const yoco_layer_shape *s = p->layer->shape;
    const yoco_model_shape *m = p->w->model->shape;
    bool turns = s->rotation >= 0;
    int64_t at = angles_before(m, s->rotation);
    return (yoco_rope_args){.n_rows = p->n_rows,
                            .n_heads = n_heads,
                            .head_dim = s->k_dim,
                            .scale = 1.0f,
                            .width = turns ? yoco_rotation_width(&m->rotations[s->rotation]) : 0,
                            .halves = turns && m->rotations[s->rotation].halves,
                            .cos = turns ? yoco_wide(p, YOCO_BUF_COS, at) : NULL,
                            .sin = turns ? yoco_wide(p, YOCO_BUF_SIN, at) : NULL,
                            .x = x,
                            .out_dtype = dtype,
                            .out = out};
}

/* What X is multiplied by once it has the role's product. */
static float sum_scale_of(const yoco_layer *layer, yoco_role role)
{
    bool is_last = role == (layer->shape->embed_dim > 0 ? YOCO_ROLE_EMBED_OUT : YOCO_ROLE_FC2);
    return is_last ? layer->scale : 1.0f;
}

/* X += W x, plus a bias; through a norm where there is one, and then by way of WIDE_A. */
static void add_product(yoco_pass *p, yoco_role role, const void *x, const float *bias,
                        const float *norm)
{
    yoco_worker *w = p->w;
    const yoco_model_shape *m = w->model->shape;
    float *y = yoco_f32(w, norm ? YOCO_BUF_WIDE_A : YOCO_BUF_X);
    p->linear(w->device, &(yoco_linear_args){.n_rows = p->n_rows,
                                             .weight = p->layer->weights[role],
                                             .x = x,
                                             .y = y,
                                             .accumulate = !norm});
    if (bias)
        w->ops->dense->add_bias(
            w->device, &(yoco_bias_args){.n_rows = p->n_rows, .n = m->dim, .bias = bias, .x = y});
    if (norm)
        w->ops->dense->rms_norm(w->device,
                                &(yoco_rms_norm_args){.n_rows = p->n_rows,
                                                      .dim = m->dim,
                                                      .eps = m->norm_eps,
                                                      .x = y,
                                                      .weight = norm,
                                                      .out_dtype = YOCO_F32,
                                                      .out = yoco_f32(w, YOCO_BUF_X),
                                                      .accumulate = true,
                                                      .sum_scale = sum_scale_of(p->layer, role)});
}

void yoco_add_output(yoco_pass *p)
{
    add_product(p, YOCO_ROLE_OUT, p->w->buffers[YOCO_BUF_NORM],
                p->layer->vectors[YOCO_ROLE_OUT_BIAS], p->layer->vectors[YOCO_ROLE_MIXER_OUT_NORM]);
}

void yoco_add_hidden(yoco_pass *p, yoco_role role)
{
    yoco_role norm = role == YOCO_ROLE_FC2 ? YOCO_ROLE_FFN_OUT_NORM : YOCO_ROLE_EMBED_OUT_NORM;
    add_product(p, role, p->w->buffers[YOCO_BUF_HIDDEN], NULL, p->layer->vectors[norm]);
}
