/* The family of arXiv 2405.05254, by the fields of params.json and the tensor names of the authors'
 * released code: half of the layers make a self-decoder, one layer keeps the K,V that the other
 * half attends over. */
#include <math.h>
#include <stdio.h>

#include "configs/model/shape.h"

static yoco_layer_shape self_layer(const yoco_model_config *c, int index)
{
    int head_dim = yoco_config_self_head_dim(c);
    return (yoco_layer_shape){.kind = yoco_config_is_retention(c) ? YOCO_LAYER_RETENTION
                                                                  : YOCO_LAYER_WINDOW,
                              .source = index,
                              .dim = c->dim,
                              .n_heads = c->n_self_heads,
                              .n_kv_heads = c->n_self_heads,
                              .k_dim = head_dim,
                              .v_dim = head_dim,
                              .window = c->sliding_window,
                              .hidden_dim = c->hidden_dim};
}

static yoco_layer_shape keep_layer(const yoco_model_config *c, int index, int rotation)
{
    int head_dim = yoco_config_head_dim(c);
    return (yoco_layer_shape){.kind = YOCO_LAYER_KEEP,
                              .source = index,
                              .dim = c->dim,
                              .n_kv_heads = c->n_attn_kv_heads,
                              .k_dim = head_dim,
                              .v_dim = head_dim,
                              .rotation = rotation};
}

static yoco_layer_shape cross_layer(const yoco_model_config *c, const yoco_layer_shape *kept)
{
    yoco_layer_shape layer = *kept;
    layer.kind = YOCO_LAYER_CROSS;
    layer.n_heads = c->n_attn_heads;
    layer.hidden_dim = c->hidden_dim;
    return layer;
}

/* Heads of one size in both decoders turn alike. */
static int add_rotations(const yoco_model_config *c, yoco_model_shape *shape)
{
    int self = yoco_config_self_head_dim(c), cross = yoco_config_head_dim(c);
    shape->rotations[shape->n_rotations++] = (yoco_rotation){self, c->rope_theta};
    if (cross != self)
        shape->rotations[shape->n_rotations++] = (yoco_rotation){cross, c->rope_theta};
    return shape->n_rotations - 1;
}

yoco_status yoco_model_shape_make(const yoco_model_config *c, yoco_model_shape **out)
{
    int half = yoco_config_n_self_layers(c), n_layers = 2 * half + 1;
    yoco_model_shape *shape = NULL;
    YOCO_TRY(yoco_alloc(sizeof *shape + (size_t)n_layers * sizeof *shape->layers, "a model's shape",
                        (void **)&shape));
    *shape = (yoco_model_shape){.config = *c,
                                .dim = c->dim,
                                .vocab_size = c->vocab_size,
                                .max_seq_len = c->max_seq_len,
                                .norm_eps = c->norm_eps,
                                .embed_scale = sqrtf((float)c->dim),
                                .tied = c->share_input_output_embed,
                                .n_layers = n_layers};
    int rotation = add_rotations(c, shape);
    for (int i = 0; i < half; i++)
        shape->layers[i] = self_layer(c, i);
    shape->layers[half] = keep_layer(c, half, rotation);
    for (int i = half + 1; i < n_layers; i++)
        shape->layers[i] = cross_layer(c, &shape->layers[half]);
    *out = shape;
    return YOCO_OK;
}

/* Of n values from 1 down to 1 / theta, both ends included, unlike most models. */
double yoco_rotation_frequency(const yoco_rotation *rotation, int i)
{
    int n = rotation->head_dim / 2;
    return n == 1 ? 1.0 : pow(rotation->theta, -((double)i / (n - 1)));
}

/* Tensors. */

static const char *const layer_names[YOCO_N_ROLES] = {[YOCO_ROLE_MIXER_NORM] = "mixer_layer_norm",
                                                      [YOCO_ROLE_Q] = "mixer.q_proj",
                                                      [YOCO_ROLE_K] = "mixer.k_proj",
                                                      [YOCO_ROLE_V] = "mixer.v_proj",
                                                      [YOCO_ROLE_G] = "mixer.g_proj",
                                                      [YOCO_ROLE_DECAY] = "mixer.gt_proj",
                                                      [YOCO_ROLE_OUT] = "mixer.out_proj",
                                                      [YOCO_ROLE_FFN_NORM] = "final_layer_norm",
                                                      [YOCO_ROLE_FC1] = "ffn.fc1",
                                                      [YOCO_ROLE_GATE] = "ffn.gate",
                                                      [YOCO_ROLE_FC2] = "ffn.fc2"};

static const char *const keep_names[YOCO_N_ROLES] = {
    [YOCO_ROLE_MIXER_NORM] = "kv_layer_norm", [YOCO_ROLE_K] = "k_proj", [YOCO_ROLE_V] = "v_proj"};

static void name_tensor(const yoco_model_shape *shape, yoco_tensor_spec *spec)
{
    int kept = yoco_shape_last_kept(shape), layer = spec->layer;
    yoco_role role = spec->rule.role;
    if (layer == kept)
        snprintf(spec->name, sizeof spec->name, "cross_decoder.%s.weight", keep_names[role]);
    else
        snprintf(spec->name, sizeof spec->name, "%s.layers.%d.%s.weight",
                 layer < kept ? "self_decoder" : "cross_decoder",
                 layer < kept ? layer : layer - kept - 1, layer_names[role]);
}

static void add_tensor(yoco_tensor_spec *specs, int *n, const char *name, int layer, int64_t n_out,
                       int64_t n_in)
{
    yoco_tensor_spec *spec = &specs[(*n)++];
    *spec = (yoco_tensor_spec){.layer = layer, .rule = {.n_out = n_out, .n_in = n_in}};
    snprintf(spec->name, sizeof spec->name, "%s", name);
}

static void add_layer(const yoco_model_shape *shape, int layer, yoco_tensor_spec *specs, int *n)
{
    yoco_tensor_rule rules[YOCO_N_ROLES];
    int n_rules = yoco_layer_tensor_rules(&shape->layers[layer], rules);
    for (int i = 0; i < n_rules; i++) {
        yoco_tensor_spec *spec = &specs[(*n)++];
        *spec = (yoco_tensor_spec){.layer = layer, .rule = rules[i]};
        name_tensor(shape, spec);
    }
}

/* Random weights and hashes go by this order. */
yoco_status yoco_model_tensors(const yoco_model_shape *shape, yoco_tensor_spec **out, int *n_out)
{
    int n = 0, kept = yoco_shape_last_kept(shape);
    yoco_tensor_spec *specs = NULL;
    YOCO_TRY(yoco_alloc((3 + YOCO_N_ROLES * (size_t)shape->n_layers) * sizeof *specs,
                        "the list of tensors", (void **)&specs));
    add_tensor(specs, &n, "embed_tokens.weight", YOCO_TENSOR_EMBEDDING, shape->vocab_size,
               shape->dim);
    if (!shape->tied)
        add_tensor(specs, &n, "output_projection.weight", YOCO_TENSOR_OUTPUT, shape->vocab_size,
                   shape->dim);
    add_layer(shape, kept, specs, &n);
    add_tensor(specs, &n, "layer_norm.weight", YOCO_TENSOR_FINAL_NORM, shape->dim, 0);
    for (int i = 0; i < shape->n_layers; i++)
        if (i != kept)
            add_layer(shape, i, specs, &n);
    *out = specs;
    *n_out = n;
    return YOCO_OK;
}
