#include "worker/layers/qkv.h"
#include "worker/layers/differential.h"

/* Each head by itself, or all as one of that dim. */
static void norm_heads(yoco_pass *p, const float *weight, int n_heads, int dim, float *x)
{
    p->w->ops->dense->rms_norm(p->w->device,
                               &(yoco_rms_norm_args){.n_rows = p->n_rows * n_heads,
                                                     .dim = dim,
                                                     .eps = p->layer->shape->q_norm_eps,
                                                     .x = x,
                                                     .weight = weight,
                                                     .out_dtype = YOCO_F32,
                                                     .out = x});
}

/* Of q or k, where the layer has a norm for it. */
static void norm_weighted(yoco_pass *p, yoco_role norm, int n_heads, float *x)
{
    const float *weight = p->layer->vectors[norm];
    const yoco_layer_shape *s = p->layer->shape;
    const int n_norms = s->traits & YOCO_TRAIT_WIDE_NORMS ? 1 : n_heads;
    if (weight)
        norm_heads(p, weight, n_norms, n_heads / n_norms * s->k_dim, x);
}

float *yoco_make_q(yoco_pass *p)
{
    float *q = yoco_wide(p, YOCO_BUF_WIDE_A, 0);
    yoco_project(p, &(yoco_projection){YOCO_ROLE_Q, q}, 1);
    norm_weighted(p, YOCO_ROLE_Q_NORM, p->layer->shape->n_heads, q);
    yoco_rope_args queries = yoco_rotation_args(p, p->layer->shape->n_heads, q, YOCO_F32, q);
    p->w->ops->dense->rope(p->w->device, &queries);
    return q;
}

/* with_q: in one call with K and V, and the gate of what the heads give. */
static float *make(yoco_pass *p, bool with_q, void *k_out, void *v_out)
{
    const yoco_layer_shape *s = p->layer->shape;
    const yoco_dtype dtype = p->w->model->dtype;
    float *q = yoco_wide(p, YOCO_BUF_WIDE_A, 0), *v = yoco_wide(p, YOCO_BUF_WIDE_B, 0);
    float *k = yoco_wide(p, YOCO_BUF_WIDE_A, yoco_layer_q_width(s));
    float *gate = yoco_heads_gate(p);
    const yoco_projection all[] = {
        {YOCO_ROLE_Q, q}, {YOCO_ROLE_K, k}, {YOCO_ROLE_V, v}, {YOCO_ROLE_G, gate}};
    yoco_project(p, with_q ? all : all + 1, !with_q ? 2 : gate ? 4 : 3);
    if (with_q)
        norm_weighted(p, YOCO_ROLE_Q_NORM, s->n_heads, q);
    norm_weighted(p, YOCO_ROLE_K_NORM, s->n_kv_heads, k);
    if (s->traits & YOCO_TRAIT_V_NORM)
        norm_heads(p, NULL, yoco_layer_v_heads(s), s->v_dim, v);

    yoco_rope_args values = yoco_rotation_args(p, yoco_layer_v_heads(s), v, dtype, v_out);
    values.head_dim = s->v_dim;
    values.cos = values.sin = NULL; /* only rounded */
    yoco_rope_args keys = yoco_rotation_args(p, s->n_kv_heads, k, dtype, k_out);
    keys.next = &values;
    yoco_rope_args queries = yoco_rotation_args(p, s->n_heads, q, YOCO_F32, q);
    queries.next = &keys;
    p->w->ops->dense->rope(p->w->device, with_q ? &queries : &keys);
    return q;
}

void yoco_make_kv(yoco_pass *p, void *k, void *v)
{
    make(p, false, k, v);
}

float *yoco_make_qkv(yoco_pass *p, void *k, void *v)
{
    return make(p, true, k, v);
}
