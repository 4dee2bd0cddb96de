#include "partition/transformer.h"

static size_t times(size_t a, size_t b)
{
    size_t product;
    return yoco_size_mul(a, b, &product) ? product : SIZE_MAX;
}

static size_t plus(size_t a, size_t b)
{
    size_t sum;
    return yoco_size_add(a, b, &sum) ? sum : SIZE_MAX;
}

size_t yoco_plan_kv_token_bytes(const yoco_plan *plan)
{
    return (size_t)yoco_shape_kept_width(plan->input.shape) * yoco_dtype_bytes(plan->input.dtype);
}

/* Of the last layer's shape, with K and V of its own. */
static size_t layer_bytes(const yoco_plan_input *in, yoco_layer_shape layer)
{
    yoco_tensor_rule rules[YOCO_N_ROLES];
    size_t bytes = 0;
    layer.kind = YOCO_LAYER_WINDOW;
    for (int i = yoco_layer_tensor_rules(&layer, rules); i-- > 0;)
        bytes = plus(bytes, rules[i].is_table
                                ? sizeof(float) * (size_t)yoco_rule_elements(&rules[i])
                                : in->weight_bytes(in->weight_data, rules[i].n_out, rules[i].n_in));
    return bytes;
}

yoco_transformer yoco_transformer_make(const yoco_plan *plan)
{
    const yoco_plan_input *in = &plan->input;
    const yoco_model_shape *m = in->shape;
    const yoco_layer_shape *last = &m->layers[m->n_layers - 1];
    size_t work = 0, n_layers = 0;
    for (int i = 0; i < m->n_layers; i++)
        n_layers += m->layers[i].n_heads > 0;
    for (int i = YOCO_BUF_X; i <= YOCO_BUF_HIDDEN; i++)
        work = plus(work, plan->buffer_bytes[i]);
    size_t token =
        (size_t)(yoco_layer_k_width(last) + yoco_layer_v_width(last)) * yoco_dtype_bytes(in->dtype);
    yoco_transformer t = {.kv_token_bytes = times(n_layers, token),
                          .weight_bytes =
                              plus(times(n_layers, layer_bytes(in, *last)),
                                   in->weight_bytes(in->weight_data, m->vocab_size, m->dim))};
    t.kv_bytes = times(t.kv_token_bytes, (size_t)in->grid.n_tokens);
    t.total_bytes = plus(plus(t.kv_bytes, t.weight_bytes), plus(plan->embedding_bytes, work));
    return t;
}
