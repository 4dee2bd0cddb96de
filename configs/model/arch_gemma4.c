/* Gemma4ForCausalLM and the text part of Gemma4ForConditionalGeneration, by the fields and tensor
 * names of their releases: E2B and E4B, and models of their kind without sharing. Most layers
 * attend over a window, some over all positions; the last num_kv_shared_layers have queries only
 * and read the K,V of the last layer of their type before them. Norms before and after the
 * attention, the feed-forward part and what each layer has of a token besides; a number that a
 * layer's output is multiplied by. Source: transformers 5.24, models/gemma4. */
#include "configs/model/family.h"
#include "configs/model/hf_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum layer_type { TYPE_WINDOW, TYPE_FULL, N_TYPES } layer_type;

static const char *const type_names[N_TYPES] = {"sliding_attention", "full_attention"};

typedef struct config {
    int dim, hidden_dim, n_layers, n_shared, vocab_size;
    int64_t max_seq_len;
    double norm_eps, logit_cap;
    bool tied, widens_shared;
    int n_heads, window, embed_dim;
    yoco_rotation rotations[N_TYPES];
    layer_type types[YOCO_MAX_LAYERS];
    int n_kv_heads[YOCO_MAX_LAYERS], head_dim[YOCO_MAX_LAYERS];
} config;

static yoco_status refuse(const yoco_fields *f, const char *field, const char *is)
{
    yoco_log_error("%s: %s%s %s is not supported", f->file, f->prefix, field, is);
    return YOCO_ERR_DATA;
}

/* What other models of this kind have and these have not. */
static yoco_status parts_check(const yoco_fields *f)
{
    static const char *const parts[] = {"enable_moe_block", "attention_k_eq_v", "attention_bias"};
    static const char *const activations[] = {"gelu_pytorch_tanh"};
    static const char *const directions[] = {"vision"}; /* of pictures, which are none here */
    int which;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        bool used = false;
        YOCO_TRY(yoco_field_bool_if(f, parts[i], &used));
        if (used)
            return refuse(f, parts[i], "true");
    }
    YOCO_TRY(yoco_field_word_if(f, "use_bidirectional_attention", directions, 1, &which));
    return yoco_field_word_if(f, "hidden_activation", activations, 1, &which);
}

/* Without a list every sixth is full; the last always is. */
static yoco_status types_read(const yoco_fields *f, config *c)
{
    const json_t *list = json_object_get(f->object, "layer_types");
    bool is_given = list && !json_is_null(list);
    if (is_given && json_array_size(list) != (size_t)c->n_layers) {
        yoco_log_error("%s: %slayer_types is no list of %d (num_hidden_layers)", f->file, f->prefix,
                       c->n_layers);
        return YOCO_ERR_DATA;
    }
    for (int i = 0; i < c->n_layers; i++) {
        const json_t *given = json_array_get(list, (size_t)i);
        const char *word = json_string_value(given);
        char shown[YOCO_JSON_SHOWN_BYTES];
        c->types[i] = (i + 1) % 6 == 0 ? TYPE_FULL : TYPE_WINDOW;
        if (!is_given)
            continue;
        if (!word || (strcmp(word, type_names[0]) != 0 && strcmp(word, type_names[1]) != 0)) {
            yoco_log_error("%s: %slayer_types has %s for layer %d; supported are %s and %s",
                           f->file, f->prefix, yoco_json_show(given, shown), i, type_names[0],
                           type_names[1]);
            return YOCO_ERR_DATA;
        }
        c->types[i] = strcmp(word, type_names[1]) == 0 ? TYPE_FULL : TYPE_WINDOW;
    }
    c->types[c->n_layers - 1] = TYPE_FULL;
    return YOCO_OK;
}

/* Newer files say so of each layer that differs from the rest. */
static yoco_status override_read(const yoco_fields *f, const char *key, const json_t *value,
                                 config *c)
{
    char prefix[96], shown[YOCO_JSON_SHOWN_BYTES], *end;
    long layer = strtol(key, &end, 10);
    snprintf(prefix, sizeof prefix, "%sper_layer_config.%.8s.", f->prefix, key);
    if (*key < '0' || *key > '9' || *end != '\0' || layer >= c->n_layers ||
        !json_is_object(value)) {
        yoco_log_error("%s: %sper_layer_config has %s for %.20s; give an object for a layer from 0 "
                       "to %d",
                       f->file, f->prefix, yoco_json_show(value, shown), key, c->n_layers - 1);
        return YOCO_ERR_DATA;
    }
    const yoco_fields own = {f->file, prefix, value, true};
    const char *field;
    const json_t *other;
    json_object_foreach((json_t *)value, field, other)
    {
        if (strcmp(field, "head_dim") != 0 && strcmp(field, "num_key_value_heads") != 0)
            return refuse(&own, field, yoco_json_show(other, shown));
    }
    YOCO_TRY(yoco_field_int_if(&own, "head_dim", 1, YOCO_MAX_HEAD_DIM, &c->head_dim[layer]));
    return yoco_field_int_if(&own, "num_key_value_heads", 1, YOCO_MAX_DIM, &c->n_kv_heads[layer]);
}

static yoco_status sizes_check(const yoco_fields *f, const config *c, int layer)
{
    int head_dim = c->head_dim[layer], n_kv_heads = c->n_kv_heads[layer];
    if (head_dim % 2 != 0 || (int64_t)c->n_heads * head_dim > YOCO_MAX_HIDDEN_DIM) {
        yoco_log_error(
            "%s: layer %d has %d heads of %d; give an even size, and at most %d channels", f->file,
            layer, c->n_heads, head_dim, YOCO_MAX_HIDDEN_DIM);
        return YOCO_ERR_DATA;
    }
    if (c->n_heads % n_kv_heads != 0) {
        yoco_log_error("%s: %snum_attention_heads %d is not a multiple of num_key_value_heads %d",
                       f->file, f->prefix, c->n_heads, n_kv_heads);
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

static yoco_status heads_read(const yoco_fields *f, config *c)
{
    int n_kv_heads = 4, size[N_TYPES] = {256, 512};
    yoco_fields overrides;
    const char *key;
    const json_t *value;
    YOCO_TRY(yoco_field_int(f, "num_attention_heads", 1, YOCO_MAX_DIM, &c->n_heads));
    YOCO_TRY(yoco_field_int_if(f, "num_key_value_heads", 1, YOCO_MAX_DIM, &n_kv_heads));
    YOCO_TRY(yoco_field_int_if(f, "head_dim", 1, YOCO_MAX_HEAD_DIM, &size[TYPE_WINDOW]));
    YOCO_TRY(yoco_field_object(f, "per_layer_config", "per_layer_config.", &overrides));
    size[TYPE_FULL] = overrides.object ? size[TYPE_WINDOW] : size[TYPE_FULL];
    YOCO_TRY(yoco_field_int_if(f, "global_head_dim", 1, YOCO_MAX_HEAD_DIM, &size[TYPE_FULL]));
    for (int i = 0; i < c->n_layers; i++) {
        c->head_dim[i] = size[c->types[i]];
        c->n_kv_heads[i] = n_kv_heads;
    }
    json_object_foreach((json_t *)overrides.object, key, value)
    {
        YOCO_TRY(override_read(f, key, value, c));
    }
    for (int i = 0; i < c->n_layers; i++)
        YOCO_TRY(sizes_check(f, c, i));
    return YOCO_OK;
}

static int first_shared(const config *c)
{
    return c->n_layers - c->n_shared;
}

/* The layer whose K,V a layer reads; < 0: there is none. */
static int source_of(const config *c, int layer)
{
    int source = layer < first_shared(c) ? layer : first_shared(c) - 1;
    while (source >= 0 && c->types[source] != c->types[layer])
        source--;
    return source;
}

static yoco_status sharing_check(const yoco_fields *f, const config *c)
{
    for (int i = first_shared(c); i < c->n_layers; i++) {
        int source = source_of(c, i);
        if (source >= 0 && c->head_dim[source] == c->head_dim[i] &&
            c->n_kv_heads[source] == c->n_kv_heads[i])
            continue;
        yoco_log_error("%s: layer %d (%s) finds no K,V of its size among the %d layers before the "
                       "%snum_kv_shared_layers %d",
                       f->file, i, type_names[c->types[i]], first_shared(c), f->prefix,
                       c->n_shared);
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

/* "proportional": pairs are counted over the whole head, of which the first turn. */
static yoco_status proportional_read(const yoco_fields *rope, yoco_rotation *r)
{
    double part = 1, factor = 1;
    YOCO_TRY(yoco_field_real_if(rope, "partial_rotary_factor", 0, 1, &part));
    YOCO_TRY(yoco_field_real_if(rope, "factor", 1, 1e6, &factor));
    r->n_turned = (int)floor(part * r->head_dim / 2);
    if (factor > 1) {
        r->scaling = YOCO_ROPE_LINEAR;
        r->factor = factor;
    }
    if (r->n_turned > 0)
        return YOCO_OK;
    yoco_log_error("%s: %spartial_rotary_factor %g of heads of %d turns no channel", rope->file,
                   rope->prefix, part, r->head_dim);
    return YOCO_ERR_DATA;
}

static yoco_status rotation_read(const yoco_fields *f, layer_type type, int head_dim,
                                 yoco_rotation *r)
{
    static const char *const kinds[] = {"default", "proportional"};
    char prefix[96];
    yoco_fields all, rope;
    int kind = type == TYPE_FULL;
    *r = (yoco_rotation){
        .head_dim = head_dim, .theta = type == TYPE_FULL ? 1e6 : 1e4, .halves = true};
    YOCO_TRY(yoco_field_object(f, "rope_parameters", "rope_parameters.", &all));
    if (!all.object) { /* what the class has then */
        r->n_turned = type == TYPE_FULL ? head_dim / 8 : 0;
        return YOCO_OK;
    }
    snprintf(prefix, sizeof prefix, "%srope_parameters.%s.", f->prefix, type_names[type]);
    YOCO_TRY(yoco_field_object(&all, type_names[type], prefix, &rope));
    YOCO_TRY(yoco_field_real(&rope, "rope_theta", YOCO_MIN_THETA, YOCO_MAX_THETA, &r->theta));
    kind = 0;
    YOCO_TRY(yoco_field_word_if(&rope, "rope_type", kinds, 2, &kind));
    return kind == 1 ? proportional_read(&rope, r) : YOCO_OK;
}

/* Heads of a type are all of one size. */
static yoco_status rotations_read(const yoco_fields *f, config *c)
{
    int size[N_TYPES] = {0};
    for (int i = 0; i < c->n_layers; i++) {
        int *s = &size[c->types[i]];
        if (*s > 0 && *s != c->head_dim[i]) {
            yoco_log_error("%s: heads of %d and of %d in layers of %s are not supported", f->file,
                           *s, c->head_dim[i], type_names[c->types[i]]);
            return YOCO_ERR_DATA;
        }
        *s = c->head_dim[i];
    }
    for (int type = 0; type < N_TYPES; type++)
        if (size[type] > 0)
            YOCO_TRY(rotation_read(f, (layer_type)type, size[type], &c->rotations[type]));
    return YOCO_OK;
}

/* Of every token, a row of a table with a part for each layer. */
static yoco_status embed_read(const yoco_fields *f, config *c)
{
    int rows = 262144;
    c->embed_dim = 256;
    YOCO_TRY(
        yoco_field_int_if(f, "hidden_size_per_layer_input", 0, YOCO_MAX_HEAD_DIM, &c->embed_dim));
    YOCO_TRY(yoco_field_int_if(f, "vocab_size_per_layer_input", 1, YOCO_MAX_VOCAB, &rows));
    if (c->embed_dim == 0 || rows == c->vocab_size)
        return YOCO_OK;
    yoco_log_error("%s: %svocab_size_per_layer_input %d is not vocab_size %d", f->file, f->prefix,
                   rows, c->vocab_size);
    return YOCO_ERR_DATA;
}

static yoco_status config_read(const yoco_fields *f, config *c)
{
    c->norm_eps = 1e-6;
    c->tied = true;
    c->window = 512;
    YOCO_TRY(yoco_hf_check_weights(f));
    YOCO_TRY(parts_check(f));
    YOCO_TRY(yoco_field_int(f, "hidden_size", 1, YOCO_MAX_DIM, &c->dim));
    YOCO_TRY(yoco_field_int(f, "intermediate_size", 1, YOCO_MAX_HIDDEN_DIM / 2, &c->hidden_dim));
    YOCO_TRY(yoco_field_int(f, "num_hidden_layers", 1, YOCO_MAX_LAYERS, &c->n_layers));
    YOCO_TRY(yoco_field_int_if(f, "num_kv_shared_layers", 0, c->n_layers - 1, &c->n_shared));
    YOCO_TRY(yoco_field_int(f, "vocab_size", 1, YOCO_MAX_VOCAB, &c->vocab_size));
    YOCO_TRY(
        yoco_field_integer(f, "max_position_embeddings", 1, YOCO_MAX_SEQ_LEN, &c->max_seq_len));
    YOCO_TRY(yoco_field_real_if(f, "rms_norm_eps", 0, 1, &c->norm_eps));
    YOCO_TRY(yoco_field_real_if(f, "final_logit_softcapping", 1e-3, 1e6, &c->logit_cap));
    YOCO_TRY(yoco_field_bool_if(f, "tie_word_embeddings", &c->tied));
    YOCO_TRY(yoco_field_bool_if(f, "use_double_wide_mlp", &c->widens_shared));
    YOCO_TRY(yoco_field_int_if(f, "sliding_window", 1, YOCO_MAX_WINDOW, &c->window));
    YOCO_TRY(types_read(f, c));
    YOCO_TRY(heads_read(f, c));
    YOCO_TRY(sharing_check(f, c));
    YOCO_TRY(rotations_read(f, c));
    return embed_read(f, c);
}

static yoco_layer_shape layer_of(const config *c, int index)
{
    static const yoco_layer_kind kinds[N_TYPES][2] = {{YOCO_LAYER_WINDOW, YOCO_LAYER_CROSS_WINDOW},
                                                      {YOCO_LAYER_ATTENTION, YOCO_LAYER_CROSS}};
    bool shares = index >= first_shared(c), is_window = c->types[index] == TYPE_WINDOW;
    yoco_layer_shape layer = {.kind = kinds[c->types[index]][shares],
                              .source = source_of(c, index),
                              .dim = c->dim,
                              .n_heads = c->n_heads,
                              .n_kv_heads = c->n_kv_heads[index],
                              .k_dim = c->head_dim[index],
                              .v_dim = c->head_dim[index],
                              .window = is_window ? c->window : 0,
                              .hidden_dim = c->hidden_dim * (shares && c->widens_shared ? 2 : 1),
                              .embed_dim = c->embed_dim,
                              .traits = YOCO_TRAIT_Q_NORM | YOCO_TRAIT_POST_NORM |
                                        YOCO_TRAIT_GEGLU | YOCO_TRAIT_SCALE,
                              .q_norm_eps = (float)c->norm_eps,
                              .score_scale = 1};
    if (!shares)
        layer.traits |= YOCO_TRAIT_K_NORM | YOCO_TRAIT_V_NORM;
    return layer;
}

static void add_layers(const config *c, yoco_model_shape *shape)
{
    int rotations[N_TYPES] = {0};
    for (int type = 0; type < N_TYPES; type++)
        if (c->rotations[type].head_dim > 0)
            rotations[type] = yoco_model_add_rotation(shape, &c->rotations[type]);
    for (int i = 0; i < shape->n_layers; i++) {
        shape->layers[i] = layer_of(c, i);
        shape->layers[i].rotation = rotations[c->types[i]];
    }
}

static yoco_status shape_make(const yoco_family *family, const yoco_fields *f, const config *c,
                              json_t *root, yoco_model_shape **out)
{
    yoco_model_shape *shape;
    YOCO_TRY(yoco_model_shape_create(family, c->n_layers, root, &shape));
    shape->dim = c->dim;
    shape->vocab_size = c->vocab_size;
    shape->max_seq_len = c->max_seq_len;
    shape->norm_eps = (float)c->norm_eps;
    shape->embed_scale = sqrtf((float)c->dim);
    shape->embed_dim = c->embed_dim;
    shape->layer_embed_scale = sqrtf((float)c->embed_dim);
    shape->rounds_scales = true;
    shape->logit_cap = (float)c->logit_cap;
    shape->tied = c->tied;
    add_layers(c, shape);
    yoco_status status = yoco_hf_ends(f, shape);
    if (status != YOCO_OK) {
        yoco_free(shape);
        return status;
    }
    *out = shape;
    return YOCO_OK;
}

static yoco_status make(const yoco_family *family, const char *name, json_t *root,
                        yoco_model_shape **out)
{
    const yoco_fields f = yoco_hf_fields(name, root, yoco_family_gemma4_text.model_type);
    config *c = NULL;
    YOCO_TRY(yoco_alloc(sizeof *c, "a model's config", (void **)&c));
    memset(c, 0, sizeof *c);
    yoco_status status = config_read(&f, c);
    if (status == YOCO_OK)
        status = shape_make(family, &f, c, root, out);
    yoco_free(c);
    return status;
}

/* Names behind PREFIX.layers.N. */
static const char *const names[YOCO_N_ROLES] = {
    [YOCO_ROLE_MIXER_NORM] = "input_layernorm.weight",
    [YOCO_ROLE_Q] = "self_attn.q_proj.weight",
    [YOCO_ROLE_K] = "self_attn.k_proj.weight",
    [YOCO_ROLE_V] = "self_attn.v_proj.weight",
    [YOCO_ROLE_Q_NORM] = "self_attn.q_norm.weight",
    [YOCO_ROLE_K_NORM] = "self_attn.k_norm.weight",
    [YOCO_ROLE_OUT] = "self_attn.o_proj.weight",
    [YOCO_ROLE_MIXER_OUT_NORM] = "post_attention_layernorm.weight",
    [YOCO_ROLE_FFN_NORM] = "pre_feedforward_layernorm.weight",
    [YOCO_ROLE_FC1] = "mlp.gate_proj.weight",
    [YOCO_ROLE_GATE] = "mlp.up_proj.weight",
    [YOCO_ROLE_FC2] = "mlp.down_proj.weight",
    [YOCO_ROLE_FFN_OUT_NORM] = "post_feedforward_layernorm.weight",
    [YOCO_ROLE_EMBED_GATE] = "per_layer_input_gate.weight",
    [YOCO_ROLE_EMBED_OUT] = "per_layer_projection.weight",
    [YOCO_ROLE_EMBED_OUT_NORM] = "post_per_layer_input_norm.weight",
    [YOCO_ROLE_SCALE] = "layer_scalar",
};

static const char text_prefix[] = "model", whole_prefix[] = "model.language_model";

static void name_tensor(const yoco_model_shape *shape, yoco_tensor_spec *spec)
{
    bool is_text = shape->family == &yoco_family_gemma4_text;
    const char *prefix = is_text ? text_prefix : whole_prefix;
    if (spec->rule.role == YOCO_ROLE_EMBED_IN) { /* that of all layers, one after the other */
        snprintf(spec->name, sizeof spec->name, "%s.per_layer_model_projection.weight", prefix);
        spec->first_row = (int64_t)spec->layer * shape->embed_dim;
        spec->shape[0] = (int64_t)shape->n_layers * shape->embed_dim;
        return;
    }
    snprintf(spec->name, sizeof spec->name, "%s.layers.%d.%s", prefix, spec->layer,
             names[spec->rule.role]);
}

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), n = strlen(end);
    return length >= n && strcmp(text + length - n, end) == 0;
}

/* Parts that see and hear; K and V of layers that read those of others. */
static bool ignores(const char *tensor)
{
    static const char *const parts[] = {"model.vision_tower.", "model.audio_tower.",
                                        "model.embed_vision.", "model.embed_audio."};
    static const char *const ends[] = {".self_attn.k_proj.weight", ".self_attn.v_proj.weight",
                                       ".self_attn.k_norm.weight", ".self_attn.v_norm.weight"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strncmp(tensor, parts[i], strlen(parts[i])) == 0 || ends_in(tensor, ends[i]))
            return true;
    return false;
}

static yoco_status make_text(const char *name, json_t *root, yoco_model_shape **out)
{
    return make(&yoco_family_gemma4_text, name, root, out);
}

static yoco_status make_whole(const char *name, json_t *root, yoco_model_shape **out)
{
    return make(&yoco_family_gemma4, name, root, out);
}

const yoco_family yoco_family_gemma4 = {
    .model_type = "gemma4",
    .file = "config.json",
    .summary = "the text part of Gemma4ForConditionalGeneration, as E2B and E4B; not: "
               "mixture of\n                 experts, attention_k_eq_v",
    .make = make_whole,
    .name_tensor = name_tensor,
    .embedding = "model.language_model.embed_tokens.weight",
    .output = "lm_head.weight",
    .final_norm = "model.language_model.norm.weight",
    .layer_table = "model.language_model.embed_tokens_per_layer.weight",
    .layer_norm = "model.language_model.per_layer_projection_norm.weight",
    .ignores = ignores,
};

const yoco_family yoco_family_gemma4_text = {
    .model_type = "gemma4_text",
    .file = "config.json",
    .summary = "Gemma4ForCausalLM: the same without the other parts",
    .make = make_text,
    .name_tensor = name_tensor,
    .embedding = "model.embed_tokens.weight",
    .output = "lm_head.weight",
    .final_norm = "model.norm.weight",
    .layer_table = "model.embed_tokens_per_layer.weight",
    .layer_norm = "model.per_layer_projection_norm.weight",
    .ignores = ignores,
};
