/* Attention over the rows that another layer keeps. */
#include "worker/layers/layers.h"
#include "worker/layers/qkv.h"

static yoco_status step(yoco_pass *p)
{
    return yoco_store_attend(p, yoco_make_q(p));
}

const yoco_layer_ops yoco_cross_layer = {.needs = {{YOCO_FAMILY(attend)}}, .step = step};
