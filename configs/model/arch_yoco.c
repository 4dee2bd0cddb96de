/* The family of arXiv 2405.05254, by the fields of params.json and the tensor names of the authors'
 * released code: half of the layers make a self-decoder, one layer keeps the K,V that the other
 * half attends over. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "configs/model/family.h"

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
                              .decay_divisor = yoco_config_is_retention(c) ? 16 : 0,
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

/* Heads of one size in both decoders turn alike. Returns the cross-decoder's. */
static int add_rotations(const yoco_model_config *c, yoco_model_shape *shape)
{
    yoco_rotation rotation = {
        .head_dim = yoco_config_self_head_dim(c), .theta = c->rope_theta, .both_ends = true};
    yoco_model_add_rotation(shape, &rotation);
    rotation.head_dim = yoco_config_head_dim(c);
    return yoco_model_add_rotation(shape, &rotation);
}

static json_t *config_json(const yoco_model_config *c)
{
    json_t *window = c->sliding_window ? json_integer(c->sliding_window) : json_null();
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:o, s:f, s:f, s:b}", "dim", c->dim,
                     "n_layers", c->n_layers, "hidden_dim", c->hidden_dim, "n_self_heads",
                     c->n_self_heads, "n_attn_heads", c->n_attn_heads, "n_attn_kv_heads",
                     c->n_attn_kv_heads, "vocab_size", c->vocab_size, "max_seq_len",
                     (json_int_t)c->max_seq_len, "sliding_window", window, "rope_theta",
                     c->rope_theta, "norm_eps", (double)c->norm_eps, "share_input_output_embed",
                     (int)c->share_input_output_embed);
}

yoco_status yoco_model_shape_make(const yoco_model_config *c, yoco_model_shape **out)
{
    int half = yoco_config_n_self_layers(c), n_layers = 2 * half + 1;
    yoco_model_shape *shape;
    json_t *json = config_json(c);
    yoco_status status = yoco_model_shape_create(&yoco_family_release, n_layers, json, &shape);
    json_decref(json);
    YOCO_TRY(status);
    shape->dim = c->dim;
    shape->vocab_size = c->vocab_size;
    shape->max_seq_len = c->max_seq_len;
    shape->norm_eps = c->norm_eps;
    shape->embed_scale = sqrtf((float)c->dim);
    shape->tied = c->share_input_output_embed;
    int rotation = add_rotations(c, shape);
    for (int i = 0; i < half; i++)
        shape->layers[i] = self_layer(c, i);
    shape->layers[half] = keep_layer(c, half, rotation);
    for (int i = half + 1; i < n_layers; i++)
        shape->layers[i] = cross_layer(c, &shape->layers[half]);
    *out = shape;
    return YOCO_OK;
}

static yoco_status make(const char *name, json_t *root, yoco_model_shape **out)
{
    yoco_model_config config;
    YOCO_TRY(yoco_model_config_read(name, root, &config));
    return yoco_model_shape_make(&config, out);
}

/* Contexts were saved with hashes of this text: it stays as it is. */
static yoco_status identify(const yoco_model_shape *shape, yoco_hasher *hasher)
{
    yoco_model_config c;
    char text[512];
    YOCO_TRY(yoco_model_config_parse("params.json", yoco_model_shape_text(shape), shape->text_bytes,
                                     &c));
    snprintf(text, sizeof text, "%d %d %d %d %d %d %d %d %lld %.9g %.17g %d", c.dim, c.hidden_dim,
             c.n_layers, c.n_self_heads, c.n_attn_heads, c.n_attn_kv_heads, c.vocab_size,
             c.sliding_window, (long long)c.max_seq_len, (double)c.norm_eps, c.rope_theta,
             (int)c.share_input_output_embed);
    yoco_hasher_add(hasher, text, strlen(text) + 1);
    return YOCO_OK;
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

const yoco_family yoco_family_release = {
    .file = "params.json",
    .summary = "YOCO as its authors released it: self-decoder with window attention or gated\n"
               "                 retention",
    .make = make,
    .name_tensor = name_tensor,
    .embedding = "embed_tokens.weight",
    .output = "output_projection.weight",
    .final_norm = "layer_norm.weight",
    .identify = identify,
};
