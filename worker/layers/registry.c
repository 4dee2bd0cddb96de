#include "worker/layers/layers.h"

static const yoco_layer_ops *const kinds[YOCO_N_LAYER_KINDS] = {
    [YOCO_LAYER_WINDOW] = &yoco_window_layer,
    [YOCO_LAYER_RETENTION] = &yoco_retention_layer,
    [YOCO_LAYER_KEEP] = &yoco_keep_layer,
    [YOCO_LAYER_CROSS] = &yoco_cross_layer,
    [YOCO_LAYER_DELTA] = &yoco_delta_layer,
    [YOCO_LAYER_MAMBA] = &yoco_mamba_layer,
    [YOCO_LAYER_GMU] = &yoco_gmu_layer,
    [YOCO_LAYER_ATTENTION] = &yoco_attention_layer,
    [YOCO_LAYER_CROSS_WINDOW] = &yoco_cross_window_layer,
};

const yoco_layer_ops *yoco_layer_ops_of(yoco_layer_kind kind)
{
    return kinds[kind];
}
