#include "worker/layers/layers.h"

/* By what a norm multiplies channel i; 1 without one. */
static double norm_weight(const yoco_layer_shape *shape, const yoco_tensor *norm, int64_t i)
{
    if (!norm)
        return 1;
    double w = yoco_tensor_element(norm, i);
    return shape->traits & YOCO_TRAIT_NORM_LESS_1 ? 1 + w : w;
}

/* The norm's output before its weight is at most sqrt(dim) long; its bias, times the row, and the
 * product's come on top. */
yoco_status yoco_value_bounds(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                              double entering, double *bounds)
{
    const yoco_tensor *v = tensors->role[YOCO_ROLE_V], *norm = tensors->role[YOCO_ROLE_MIXER_NORM],
                      *norm_bias = tensors->role[YOCO_ROLE_MIXER_NORM_BIAS],
                      *bias = tensors->role[YOCO_ROLE_V_BIAS];
    const double length = norm ? sqrt((double)shape->dim) : entering;
    for (int64_t j = 0; j < yoco_layer_v_width(shape); j++) {
        if (shape->traits & YOCO_TRAIT_V_NORM) { /* a head of it is at most sqrt(v_dim) long */
            bounds[j] = sqrt((double)shape->v_dim);
            continue;
        }
        double square = 0.0, offset = bias ? yoco_tensor_element(bias, j) : 0.0;
        for (int64_t i = 0; i < shape->dim; i++) {
            double w = yoco_tensor_element(v, j * shape->dim + i);
            double weighted = w * norm_weight(shape, norm, i);
            square += weighted * weighted;
            offset += norm_bias ? w * yoco_tensor_element(norm_bias, i) : 0.0;
        }
        bounds[j] = length * sqrt(square) + fabs(offset);
        if (!isfinite(bounds[j])) {
            yoco_log_error("%s row %lld, its bias or %s holds a value that is not finite: the "
                           "checkpoint is damaged",
                           v->name, (long long)j, norm ? norm->name : "a layer before it");
            return YOCO_ERR_DATA;
        }
    }
    return YOCO_OK;
}
