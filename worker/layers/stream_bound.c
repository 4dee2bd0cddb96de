#include "worker/layers/stream_bound.h"

#include <math.h>

bool yoco_stream_bound_wanted(const yoco_model_shape *shape)
{
    for (int i = 0; i < shape->n_layers; i++)
        if (shape->layers[i].traits & YOCO_TRAIT_NO_PRE_NORM)
            return true;
    return false;
}

static double square(double x)
{
    return x * x;
}

/* Of a norm's weight. */
static double weight_of(const yoco_layer_shape *shape, const yoco_tensor *norm, int64_t i)
{
    double w = yoco_tensor_element(norm, i);
    return shape->traits & YOCO_TRAIT_NORM_LESS_1 ? 1 + w : w;
}

/* What a product's output j is at most, of rows that a norm with this weight gives. */
static double channel(const yoco_layer_shape *shape, const yoco_tensor *matrix,
                      const yoco_tensor *norm, int64_t j)
{
    double sum = 0;
    for (int64_t i = 0; i < shape->dim; i++)
        sum += square((double)yoco_tensor_element(matrix, j * shape->dim + i) *
                      weight_of(shape, norm, i));
    return sqrt(sum * shape->dim);
}

static double frobenius(const yoco_tensor *matrix)
{
    double sum = 0;
    for (int64_t i = 0; i < matrix->shape[0] * matrix->shape[1]; i++)
        sum += square(yoco_tensor_element(matrix, i));
    return sqrt(sum);
}

/* What a norm gives. */
static double normed(const yoco_layer_shape *shape, const yoco_tensor *norm)
{
    double greatest = 0;
    for (int64_t i = 0; i < shape->dim; i++) /* NaN stays */
        greatest = !(fabs(weight_of(shape, norm, i)) <= greatest) ? fabs(weight_of(shape, norm, i))
                                                                  : greatest;
    return greatest * sqrt(shape->dim);
}

/* Heads of the delta rule are normed, then multiplied by silu(g), which is at most |g|. */
static double delta(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors)
{
    const yoco_tensor *const *role = tensors->role;
    double sum = 0;
    for (int head = 0; head < shape->n_heads; head++) {
        double greatest = 0;
        for (int j = 0; j < shape->v_dim; j++) {
            double gate = channel(shape, role[YOCO_ROLE_G], role[YOCO_ROLE_MIXER_NORM],
                                  (int64_t)head * shape->v_dim + j);
            double scaled = fabs(gate * yoco_tensor_element(role[YOCO_ROLE_OUT_NORM], j));
            greatest = !(scaled <= greatest) ? scaled : greatest;
        }
        sum += square(greatest) * shape->v_dim;
    }
    return frobenius(role[YOCO_ROLE_OUT]) * sqrt(sum);
}

static double feed_forward(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors)
{
    const yoco_tensor *const *role = tensors->role;
    const yoco_tensor *norm = role[YOCO_ROLE_FFN_NORM];
    double sum = 0;
    for (int64_t j = 0; j < shape->hidden_dim; j++)
        sum += square(channel(shape, role[YOCO_ROLE_FC1], norm, j) *
                      channel(shape, role[YOCO_ROLE_GATE], norm, j));
    return frobenius(role[YOCO_ROLE_FC2]) * sqrt(sum);
}

double yoco_stream_bound_first(const yoco_checkpoint *checkpoint)
{
    const yoco_tensor *table = checkpoint->embed_tokens;
    double greatest = 0;
    for (int64_t id = 0; id < table->shape[0]; id++) {
        double sum = 0;
        for (int64_t i = 0; i < table->shape[1]; i++)
            sum += square(yoco_tensor_element(table, id * table->shape[1] + i));
        greatest = !(sum <= greatest) ? sum : greatest;
    }
    return fabs(checkpoint->shape->embed_scale) * sqrt(greatest);
}

double yoco_stream_bound_next(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                              double before)
{
    const bool is_normed = shape->traits & YOCO_TRAIT_POST_NORM;
    double after = before;
    if (shape->embed_dim > 0 || shape->traits & YOCO_TRAIT_SCALE)
        return INFINITY;
    if (is_normed)
        after += normed(shape, tensors->role[YOCO_ROLE_MIXER_OUT_NORM]);
    else
        after += shape->kind == YOCO_LAYER_DELTA ? delta(shape, tensors) : INFINITY;
    if (shape->hidden_dim > 0)
        after += is_normed ? normed(shape, tensors->role[YOCO_ROLE_FFN_OUT_NORM])
                           : feed_forward(shape, tensors);
    return after;
}
