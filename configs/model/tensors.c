/* The list of a model's tensors, in the order of its layers: random weights and hashes go by it. */
#include "configs/model/family.h"

#include <stdio.h>

static yoco_tensor_spec *add(yoco_tensor_spec *specs, int *n, int layer, yoco_tensor_rule rule)
{
    yoco_tensor_spec *spec = &specs[(*n)++];
    *spec = (yoco_tensor_spec){.layer = layer,
                               .rule = rule,
                               .n_dims = rule.n_in > 0 ? 2 : 1,
                               .shape = {rule.n_out, rule.n_in}};
    return spec;
}

static yoco_tensor_spec *add_own(yoco_tensor_spec *specs, int *n, const char *name, int which,
                                 int64_t n_out, int64_t n_in)
{
    yoco_tensor_spec *spec = add(specs, n, which, (yoco_tensor_rule){.n_out = n_out, .n_in = n_in});
    snprintf(spec->name, sizeof spec->name, "%s", name);
    return spec;
}

static void add_layer(const yoco_model_shape *shape, int layer, yoco_tensor_spec *specs, int *n)
{
    yoco_tensor_rule rules[YOCO_N_ROLES];
    int n_rules = yoco_layer_tensor_rules(&shape->layers[layer], rules);
    for (int i = 0; i < n_rules; i++)
        shape->family->name_tensor(shape, add(specs, n, layer, rules[i]));
}

yoco_status yoco_model_tensors(const yoco_model_shape *shape, yoco_tensor_spec **out, int *n_out)
{
    const yoco_family *family = shape->family;
    const int64_t vocab = shape->vocab_size, dim = shape->dim;
    int n = 0, kept = yoco_shape_last_kept(shape);
    yoco_tensor_spec *specs = NULL;
    YOCO_TRY(yoco_alloc((6 + YOCO_N_ROLES * (size_t)shape->n_layers) * sizeof *specs,
                        "the list of tensors", (void **)&specs));
    add_own(specs, &n, family->embedding, YOCO_TENSOR_EMBEDDING, vocab, dim);
    if (!shape->tied)
        add_own(specs, &n, family->output, YOCO_TENSOR_OUTPUT, vocab, dim);
    if (shape->embed_dim > 0) {
        add_own(specs, &n, family->layer_table, YOCO_TENSOR_LAYER_TABLE, vocab,
                (int64_t)shape->n_layers * shape->embed_dim);
        add_own(specs, &n, family->layer_norm, YOCO_TENSOR_LAYER_NORM, shape->embed_dim, 0);
    }
    add_layer(shape, kept, specs, &n);
    add_own(specs, &n, family->final_norm, YOCO_TENSOR_FINAL_NORM, dim, 0)->rule.is_less_1 =
        shape->final_norm_less_1;
    if (shape->final_norm_bias)
        add_own(specs, &n, family->final_norm_bias, YOCO_TENSOR_FINAL_NORM_BIAS, dim, 0);
    for (int i = 0; i < shape->n_layers; i++)
        if (i != kept)
            add_layer(shape, i, specs, &n);
    *out = specs;
    *n_out = n;
    return YOCO_OK;
}
