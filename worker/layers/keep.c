/* K and V of every row, for the layers that name this one as their source. */
#include "worker/layers/layers.h"
#include "worker/layers/qkv.h"

static yoco_status keep(yoco_pass *p)
{
    const yoco_store *store = &p->w->stores[p->layer->store];
    yoco_make_kv(p, yoco_store_rows(p, store, 0), yoco_store_rows(p, store, 1));
    yoco_store_append(p, store);
    return YOCO_OK;
}

/* The norm's output before its weight is at most sqrt(dim) long; its bias, times the row, and the
 * product's come on top. */
static yoco_status value_bounds(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                                double *bounds)
{
    const yoco_tensor *v = tensors->role[YOCO_ROLE_V], *norm = tensors->role[YOCO_ROLE_MIXER_NORM],
                      *norm_bias = tensors->role[YOCO_ROLE_MIXER_NORM_BIAS],
                      *bias = tensors->role[YOCO_ROLE_V_BIAS];
    for (int64_t j = 0; j < yoco_layer_v_width(shape); j++) {
        double square = 0.0, offset = bias ? yoco_tensor_element(bias, j) : 0.0;
        for (int64_t i = 0; i < shape->dim; i++) {
            double w = yoco_tensor_element(v, j * shape->dim + i);
            double weighted = w * yoco_tensor_element(norm, i);
            square += weighted * weighted;
            offset += norm_bias ? w * yoco_tensor_element(norm_bias, i) : 0.0;
        }
        if (!isfinite(square) || !isfinite(offset)) {
            yoco_log_error("%s row %lld, its bias or %s holds a value that is not finite: the "
                           "checkpoint is damaged",
                           v->name, (long long)j, norm->name);
            return YOCO_ERR_DATA;
        }
        bounds[j] = sqrt((double)shape->dim * square) + fabs(offset);
    }
    return YOCO_OK;
}

const yoco_layer_ops yoco_keep_layer = {.keep = keep, .step = keep, .value_bounds = value_bounds};
