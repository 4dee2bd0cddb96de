#include "worker/layers/differential.h"
#include "kernels/ops_differential.h"

static const float pair_eps = 1e-5f; /* of the released code, whatever the model's norms have */

const yoco_op_family yoco_heads_need = {YOCO_OP_FAMILY(differential)};

static bool is_differential(const yoco_layer_shape *shape)
{
    return shape->traits & YOCO_TRAIT_DIFFERENTIAL;
}

static bool is_gated(const yoco_layer_shape *shape)
{
    return shape->traits & YOCO_TRAIT_OUT_GATE;
}

float *yoco_heads_gate(const yoco_pass *p)
{
    const yoco_layer_shape *s = p->layer->shape;
    return is_gated(s)
               ? yoco_wide(p, YOCO_BUF_WIDE_A, yoco_layer_q_width(s) + yoco_layer_k_width(s))
               : NULL;
}

void *yoco_heads_out(const yoco_pass *p, yoco_dtype *dtype)
{
    const yoco_layer_shape *s = p->layer->shape;
    bool combines = is_differential(s) || is_gated(s);
    *dtype = combines ? YOCO_F32 : p->w->model->dtype;
    return combines ? (void *)yoco_wide(p, YOCO_BUF_WIDE_B, yoco_layer_v_width(s))
                    : p->w->buffers[YOCO_BUF_NORM];
}

void yoco_heads_combine(const yoco_pass *p)
{
    const yoco_layer_shape *s = p->layer->shape;
    yoco_worker *w = p->w;
    yoco_dtype dtype;
    if (is_gated(s))
        w->ops->dense->glu(w->device, &(yoco_swiglu_args){.n = p->n_rows * yoco_layer_out_width(s),
                                                          .a = yoco_heads_gate(p),
                                                          .b = yoco_heads_out(p, &dtype),
                                                          .out_dtype = w->model->dtype,
                                                          .out = w->buffers[YOCO_BUF_NORM]});
    if (!is_differential(s))
        return;
    w->ops->differential->combine(
        w->device, &(yoco_differential_args){.n_rows = p->n_rows,
                                             .n_pairs = s->n_heads / 2,
                                             .dim = s->v_dim,
                                             .lambda = p->layer->lambda,
                                             .scale = 1.0f - s->lambda_init,
                                             .eps = pair_eps,
                                             .x = yoco_heads_out(p, &dtype),
                                             .weight = p->layer->vectors[YOCO_ROLE_OUT_NORM],
                                             .out_dtype = w->model->dtype,
                                             .out = w->buffers[YOCO_BUF_NORM]});
}

static double dot(const yoco_tensor *a, const yoco_tensor *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)yoco_tensor_element(a, i) * yoco_tensor_element(b, i);
    return sum;
}

yoco_status yoco_heads_derive(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                              yoco_derived *out)
{
    const yoco_tensor *const *role = tensors->role;
    if (!is_differential(shape))
        return YOCO_OK;
    double lambda = exp(dot(role[YOCO_ROLE_LAMBDA_Q1], role[YOCO_ROLE_LAMBDA_K1], shape->k_dim)) -
                    exp(dot(role[YOCO_ROLE_LAMBDA_Q2], role[YOCO_ROLE_LAMBDA_K2], shape->k_dim)) +
                    shape->lambda_init;
    if (!isfinite(lambda)) {
        yoco_log_error("lambda of %s and its like is not finite: the checkpoint is damaged",
                       role[YOCO_ROLE_LAMBDA_Q1]->name);
        return YOCO_ERR_DATA;
    }
    out->lambda = (float)lambda;
    return YOCO_OK;
}
