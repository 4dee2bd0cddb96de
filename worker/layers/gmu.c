/* Gated memory unit: the output of an earlier layer at the same position, gated.
 * Source: SambaY (arXiv 2507.06607), section 2. */
#include "kernels/ops_dense.h"
#include "worker/layers/layers.h"

/* NORM <- silu(g) * memory */
static yoco_status step(yoco_pass *p)
{
    yoco_worker *w = p->w;
    float *g = yoco_wide(p, YOCO_BUF_WIDE_A, 0);
    yoco_project(p, &(yoco_projection){YOCO_ROLE_G, g}, 1);
    w->ops->dense->swiglu(w->device,
                          &(yoco_swiglu_args){.n = p->n_rows * p->layer->shape->n_channels,
                                              .a = g,
                                              .b = yoco_f32(w, YOCO_BUF_MEMORY),
                                              .out_dtype = w->model->dtype,
                                              .out = w->buffers[YOCO_BUF_NORM]});
    return YOCO_OK;
}

const yoco_layer_ops yoco_gmu_layer = {.step = step};
