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
    return 2 * (size_t)yoco_config_kv_dim(plan->input.config) * yoco_dtype_bytes(plan->input.dtype);
}

yoco_transformer yoco_transformer_make(const yoco_plan *plan)
{
    const yoco_plan_input *in = &plan->input;
    const yoco_model_config *c = in->config;
    const void *w = in->weight_context;
    size_t layer = 2 * in->weight_bytes(w, c->dim, c->dim) +
                   2 * in->weight_bytes(w, yoco_config_kv_dim(c), c->dim) +
                   2 * in->weight_bytes(w, c->hidden_dim, c->dim) +
                   in->weight_bytes(w, c->dim, c->hidden_dim) + 2 * sizeof(float) * (size_t)c->dim;
    size_t work = 0;
    for (int i = YOCO_BUF_X; i <= YOCO_BUF_HIDDEN; i++)
        work = plus(work, plan->buffer_bytes[i]);
    yoco_transformer t = {
        .kv_token_bytes = times((size_t)c->n_layers, yoco_plan_kv_token_bytes(plan)),
        .weight_bytes =
            plus(times((size_t)c->n_layers, layer), in->weight_bytes(w, c->vocab_size, c->dim))};
    t.kv_bytes = times(t.kv_token_bytes, (size_t)in->grid.n_tokens);
    t.total_bytes = plus(plus(t.kv_bytes, t.weight_bytes), plus(plan->embedding_bytes, work));
    return t;
}
