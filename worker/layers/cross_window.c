/* Attention over the window of another layer, which has its row in it already. */
#include "worker/layers/differential.h"
#include "worker/layers/layers.h"
#include "worker/layers/qkv.h"
#include "worker/layers/window.h"

static yoco_status step(yoco_pass *p)
{
    const float *q = yoco_make_q(p);
    yoco_window_views(p, &p->w->pasts[p->layer->first_past], p->w->views);
    yoco_window_attend_step(p, q);
    return YOCO_OK;
}

/* The rows stand in the work memory still, as the layer that keeps them was the last to use it. */
static yoco_status mix_all(yoco_pass *p)
{
    yoco_window_attend_piece(p, yoco_make_q(p), 0, p->n_rows);
    yoco_heads_combine(p);
    return YOCO_OK;
}

const yoco_layer_ops yoco_cross_window_layer = {.needs = {{YOCO_OP_FAMILY(window)}},
                                                .mix_all = mix_all,
                                                .step = step,
                                                .derive = yoco_heads_derive};
