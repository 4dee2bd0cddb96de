#include "worker/layers/qkv.h"

float *yoco_make_q(yoco_pass *p)
{
    float *q = yoco_wide(p, YOCO_BUF_WIDE_A, 0);
    yoco_project(p, YOCO_ROLE_Q, q);
    yoco_rotate(p, p->layer->shape->n_heads, q, YOCO_F32, q, 1.0f);
    return q;
}

void yoco_make_kv(yoco_pass *p, void *k_out, void *v_out)
{
    const yoco_layer_shape *s = p->layer->shape;
    float *k = yoco_wide(p, YOCO_BUF_WIDE_A, yoco_layer_q_width(s));
    float *v = yoco_wide(p, YOCO_BUF_WIDE_B, 0);
    yoco_project(p, YOCO_ROLE_K, k);
    yoco_project(p, YOCO_ROLE_V, v);
    yoco_rotate(p, s->n_kv_heads, k, p->w->model->dtype, k_out, 1.0f);
    yoco_cast_rows(p, yoco_layer_v_width(s), v, v_out);
}
