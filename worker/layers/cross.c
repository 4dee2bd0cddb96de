/* Attention over the rows that another layer keeps. */
#include "worker/layers/attention.h"
#include "worker/layers/differential.h"
#include "worker/layers/layers.h"
#include "worker/layers/qkv.h"

static yoco_status step(yoco_pass *p)
{
    yoco_dtype dtype;
    void *out = yoco_heads_out(p, &dtype);
    YOCO_TRY(yoco_store_attend(p, yoco_make_q(p), dtype, out));
    yoco_heads_combine(p);
    return YOCO_OK;
}

const yoco_layer_ops yoco_cross_layer = {.needs = {{YOCO_OP_FAMILY(attend)}},
                                         .mix_all = yoco_attention_mix_shared,
                                         .step = step,
                                         .derive = yoco_heads_derive};
