/* The feed-forward part of a layer: fc2(silu(fc1 x) * gate x), or gelu in place of silu. */
#include "worker/pass.h"

void yoco_feed_forward(yoco_pass *p)
{
    yoco_worker *w = p->w;
    float *a = yoco_f32(w, YOCO_BUF_WIDE_A), *b = yoco_f32(w, YOCO_BUF_WIDE_B);
    if (p->layer->shape->hidden_dim == 0)
        return;
    yoco_norm_rows(p, p->layer->vectors[YOCO_ROLE_FFN_NORM],
                   p->layer->vectors[YOCO_ROLE_FFN_NORM_BIAS]);
    const yoco_projection projections[] = {{YOCO_ROLE_FC1, a}, {YOCO_ROLE_GATE, b}};
    yoco_project(p, projections, 2);
    bool is_gelu = p->layer->shape->traits & YOCO_TRAIT_GEGLU;
    (is_gelu ? w->ops->dense->geglu : w->ops->dense->swiglu)(
        w->device, &(yoco_swiglu_args){.n = p->n_rows * p->layer->shape->hidden_dim,
                                       .a = a,
                                       .b = b,
                                       .out_dtype = w->model->dtype,
                                       .out = w->buffers[YOCO_BUF_HIDDEN]});
    yoco_add_hidden(p, YOCO_ROLE_FC2);
}
