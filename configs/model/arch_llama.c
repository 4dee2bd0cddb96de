/* Transformers whose layers all attend to K,V of their own: LlamaForCausalLM, and those that differ
 * from it in a line of the table below, by the fields and tensor names of their releases.
 * Source: transformers 5, models/llama, mistral, qwen2 and qwen3. */
#include "configs/model/family.h"
#include "configs/model/hf_config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* sliding_window and max_window_layers where they are not given. */
enum { default_window = 4096, default_full_layers = 28 };

typedef enum bias_rule { BIAS_NONE, BIAS_AS_GIVEN, BIAS_QKV } bias_rule;
typedef enum window_rule { WINDOW_NONE, WINDOW_ALL, WINDOW_IF_USED } window_rule;

/* What makes one of them another than the next. */
typedef struct variant {
    const yoco_family *family;
    bias_rule bias; /* AS_GIVEN: attention_bias, of Q, K, V and the output */
    window_rule window;
    bool norms_heads; /* of Q and K, before the rotation */
    int head_dim;     /* where it is not given; 0: hidden_size / num_attention_heads */
    int n_kv_heads;   /* the same; 0: as many as of queries */
} variant;

typedef struct config {
    int dim, hidden_dim, n_layers, vocab_size;
    int64_t max_seq_len;
    double norm_eps;
    bool tied;
    int n_heads, n_kv_heads, head_dim;
    bool bias, out_bias;
    int window;                   /* 0: none */
    bool slides[YOCO_MAX_LAYERS]; /* layers that have it */
    yoco_rotation rotation;
} config;

/* 1, an odd one, where the parts are not equal. */
static int equal_part(int whole, int n_parts)
{
    return whole % n_parts == 0 ? whole / n_parts : 1;
}

static yoco_status heads_read(const yoco_fields *f, const variant *v, config *c)
{
    YOCO_TRY(yoco_field_int(f, "num_attention_heads", 1, YOCO_MAX_DIM, &c->n_heads));
    c->n_kv_heads = v->n_kv_heads > 0 ? v->n_kv_heads : c->n_heads;
    c->head_dim = v->head_dim > 0 ? v->head_dim : equal_part(c->dim, c->n_heads);
    YOCO_TRY(yoco_field_int_if(f, "num_key_value_heads", 1, YOCO_MAX_DIM, &c->n_kv_heads));
    YOCO_TRY(yoco_field_int_if(f, "head_dim", 1, YOCO_MAX_HEAD_DIM, &c->head_dim));
    if (c->head_dim % 2 != 0 || c->head_dim > YOCO_MAX_HEAD_DIM) {
        yoco_log_error("%s: hidden_size %d does not split into %d heads (num_attention_heads) of "
                       "equal and even size up to %d, or head_dim is odd",
                       f->file, c->dim, c->n_heads, YOCO_MAX_HEAD_DIM);
        return YOCO_ERR_DATA;
    }
    if (c->n_heads % c->n_kv_heads != 0) {
        yoco_log_error("%s: num_attention_heads %d is not a multiple of num_key_value_heads %d",
                       f->file, c->n_heads, c->n_kv_heads);
        return YOCO_ERR_DATA;
    }
    if ((int64_t)c->n_heads * c->head_dim > YOCO_MAX_HIDDEN_DIM) {
        yoco_log_error("%s: %d heads of %d are wider than %d together", f->file, c->n_heads,
                       c->head_dim, YOCO_MAX_HIDDEN_DIM);
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

static yoco_status biases_read(const yoco_fields *f, const variant *v, config *c)
{
    bool all = false, mlp = false;
    if (v->bias == BIAS_AS_GIVEN)
        YOCO_TRY(yoco_field_bool_if(f, "attention_bias", &all));
    c->bias = all || v->bias == BIAS_QKV;
    c->out_bias = all;
    YOCO_TRY(yoco_field_bool_if(f, "mlp_bias", &mlp));
    if (mlp) {
        yoco_log_error("%s: %smlp_bias true is not supported", f->file, f->prefix);
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

/* The window that layers may have; 0: none has. */
static yoco_status window_read(const yoco_fields *f, const variant *v, config *c)
{
    bool used = v->window == WINDOW_ALL;
    const json_t *value = json_object_get(f->object, "sliding_window");
    c->window = 0;
    if (v->window == WINDOW_IF_USED)
        YOCO_TRY(yoco_field_bool_if(f, "use_sliding_window", &used));
    if (!used || json_is_null(value))
        return YOCO_OK;
    c->window = default_window;
    return value ? yoco_field_int(f, "sliding_window", 1, YOCO_MAX_WINDOW, &c->window) : YOCO_OK;
}

static yoco_status layer_type_read(const yoco_fields *f, const json_t *type, int layer, config *c)
{
    const char *word = json_string_value(type);
    char shown[YOCO_JSON_SHOWN_BYTES];
    c->slides[layer] = word && strcmp(word, "sliding_attention") == 0;
    if (c->slides[layer] && c->window > 0)
        return YOCO_OK;
    if (word && strcmp(word, "full_attention") == 0)
        return YOCO_OK;
    yoco_log_error("%s: %slayer_types has %s for layer %d; supported are full_attention%s", f->file,
                   f->prefix, type ? yoco_json_show(type, shown) : "nothing", layer,
                   c->window > 0 ? ", sliding_attention" : " where no sliding_window is used");
    return YOCO_ERR_DATA;
}

/* Which layers have the window: layer_types says it, or max_window_layers how many at the start
 * have none, or all do. */
static yoco_status windows_read(const yoco_fields *f, const variant *v, config *c)
{
    const json_t *types = json_object_get(f->object, "layer_types");
    int first = v->window == WINDOW_IF_USED ? default_full_layers : 0;
    YOCO_TRY(window_read(f, v, c));
    if (types && !json_is_null(types)) {
        if (json_array_size(types) != (size_t)c->n_layers) {
            yoco_log_error("%s: %slayer_types is no list of %d (num_hidden_layers)", f->file,
                           f->prefix, c->n_layers);
            return YOCO_ERR_DATA;
        }
        for (int i = 0; i < c->n_layers; i++)
            YOCO_TRY(layer_type_read(f, json_array_get(types, (size_t)i), i, c));
        return YOCO_OK;
    }
    if (v->window == WINDOW_IF_USED && c->window > 0)
        YOCO_TRY(yoco_field_int_if(f, "max_window_layers", 0, INT_MAX, &first));
    for (int i = 0; i < c->n_layers; i++)
        c->slides[i] = c->window > 0 && i >= first;
    return YOCO_OK;
}

static yoco_status rotation_read(const yoco_fields *f, config *c)
{
    c->rotation = (yoco_rotation){.head_dim = c->head_dim, .theta = 10000, .halves = true};
    YOCO_TRY(yoco_hf_rotation(f, &c->rotation));
    if (yoco_rotation_width(&c->rotation) == c->head_dim)
        return YOCO_OK;
    yoco_log_error("%s: partial_rotary_factor is not supported in models of this kind", f->file);
    return YOCO_ERR_DATA;
}

static yoco_status config_read(const yoco_fields *f, const variant *v, config *c)
{
    c->norm_eps = 1e-6;
    YOCO_TRY(yoco_hf_check_weights(f));
    YOCO_TRY(yoco_hf_check_activation(f, "hidden_act"));
    YOCO_TRY(yoco_field_int(f, "hidden_size", 1, YOCO_MAX_DIM, &c->dim));
    YOCO_TRY(yoco_field_int(f, "intermediate_size", 1, YOCO_MAX_HIDDEN_DIM, &c->hidden_dim));
    YOCO_TRY(yoco_field_int(f, "num_hidden_layers", 1, YOCO_MAX_LAYERS, &c->n_layers));
    YOCO_TRY(yoco_field_int(f, "vocab_size", 1, YOCO_MAX_VOCAB, &c->vocab_size));
    YOCO_TRY(
        yoco_field_integer(f, "max_position_embeddings", 1, YOCO_MAX_SEQ_LEN, &c->max_seq_len));
    YOCO_TRY(yoco_field_real_if(f, "rms_norm_eps", 0, 1, &c->norm_eps));
    YOCO_TRY(yoco_field_bool_if(f, "tie_word_embeddings", &c->tied));
    YOCO_TRY(heads_read(f, v, c));
    YOCO_TRY(biases_read(f, v, c));
    YOCO_TRY(windows_read(f, v, c));
    return rotation_read(f, c);
}

/* A window as wide as all rows is none. */
static bool is_window(const config *c, int layer)
{
    return c->slides[layer] && c->window < c->max_seq_len;
}

static void add_layers(const variant *v, const config *c, yoco_model_shape *shape)
{
    int rotation = yoco_model_add_rotation(shape, &c->rotation);
    for (int i = 0; i < c->n_layers; i++)
        shape->layers[i] = (yoco_layer_shape){
            .kind = is_window(c, i) ? YOCO_LAYER_WINDOW : YOCO_LAYER_ATTENTION,
            .source = i,
            .dim = c->dim,
            .n_heads = c->n_heads,
            .n_kv_heads = c->n_kv_heads,
            .k_dim = c->head_dim,
            .v_dim = c->head_dim,
            .window = is_window(c, i) ? c->window : 0,
            .rotation = rotation,
            .hidden_dim = c->hidden_dim,
            .traits = (c->bias ? YOCO_TRAIT_QKV_BIAS : 0) |
                      (c->out_bias ? YOCO_TRAIT_OUT_BIAS : 0) |
                      (v->norms_heads ? YOCO_TRAIT_Q_NORM | YOCO_TRAIT_K_NORM : 0),
            .q_norm_eps = v->norms_heads ? (float)c->norm_eps : 0,
        };
}

static yoco_status shape_make(const variant *v, const yoco_fields *f, const config *c, json_t *root,
                              yoco_model_shape **out)
{
    yoco_model_shape *shape;
    YOCO_TRY(yoco_model_shape_create(v->family, c->n_layers, root, &shape));
    shape->dim = c->dim;
    shape->vocab_size = c->vocab_size;
    shape->max_seq_len = c->max_seq_len;
    shape->norm_eps = (float)c->norm_eps;
    shape->embed_scale = 1.0f;
    shape->tied = c->tied;
    add_layers(v, c, shape);
    yoco_status status = yoco_hf_ends(f, shape);
    if (status != YOCO_OK) {
        yoco_free(shape);
        return status;
    }
    *out = shape;
    return YOCO_OK;
}

static yoco_status make(const variant *v, const char *name, json_t *root, yoco_model_shape **out)
{
    const yoco_fields f = yoco_hf_fields(name, root, v->family->model_type);
    config *c = NULL;
    YOCO_TRY(yoco_alloc(sizeof *c, "a model's config", (void **)&c));
    memset(c, 0, sizeof *c);
    yoco_status status = config_read(&f, v, c);
    if (status == YOCO_OK)
        status = shape_make(v, &f, c, root, out);
    yoco_free(c);
    return status;
}

/* Names behind model.layers.N. */
static const char *const names[YOCO_N_ROLES] = {
    [YOCO_ROLE_MIXER_NORM] = "input_layernorm.weight",
    [YOCO_ROLE_Q] = "self_attn.q_proj.weight",
    [YOCO_ROLE_K] = "self_attn.k_proj.weight",
    [YOCO_ROLE_V] = "self_attn.v_proj.weight",
    [YOCO_ROLE_Q_BIAS] = "self_attn.q_proj.bias",
    [YOCO_ROLE_K_BIAS] = "self_attn.k_proj.bias",
    [YOCO_ROLE_V_BIAS] = "self_attn.v_proj.bias",
    [YOCO_ROLE_Q_NORM] = "self_attn.q_norm.weight",
    [YOCO_ROLE_K_NORM] = "self_attn.k_norm.weight",
    [YOCO_ROLE_OUT] = "self_attn.o_proj.weight",
    [YOCO_ROLE_OUT_BIAS] = "self_attn.o_proj.bias",
    [YOCO_ROLE_FFN_NORM] = "post_attention_layernorm.weight",
    [YOCO_ROLE_FC1] = "mlp.gate_proj.weight",
    [YOCO_ROLE_GATE] = "mlp.up_proj.weight",
    [YOCO_ROLE_FC2] = "mlp.down_proj.weight",
};

static void name_tensor(const yoco_model_shape *shape, yoco_tensor_spec *spec)
{
    (void)shape;
    snprintf(spec->name, sizeof spec->name, "model.layers.%d.%s", spec->layer,
             names[spec->rule.role]);
}

/* Frequencies, which older files hold: they are those of the config. */
static bool ignores(const char *tensor)
{
    static const char end[] = ".self_attn.rotary_emb.inv_freq";
    size_t length = strlen(tensor);
    return length >= sizeof end && strcmp(tensor + length - (sizeof end - 1), end) == 0;
}

/* How transformers are called that differ in nothing but the table and their `make`. */
#define NAMES                                                                                      \
    .file = "config.json", .name_tensor = name_tensor, .embedding = "model.embed_tokens.weight",   \
    .output = "lm_head.weight", .final_norm = "model.norm.weight", .ignores = ignores

static yoco_status make_llama(const char *name, json_t *root, yoco_model_shape **out)
{
    static const variant llama = {.family = &yoco_family_llama, .bias = BIAS_AS_GIVEN};
    return make(&llama, name, root, out);
}

static yoco_status make_mistral(const char *name, json_t *root, yoco_model_shape **out)
{
    static const variant mistral = {
        .family = &yoco_family_mistral, .window = WINDOW_ALL, .n_kv_heads = 8};
    return make(&mistral, name, root, out);
}

static yoco_status make_qwen2(const char *name, json_t *root, yoco_model_shape **out)
{
    static const variant qwen2 = {
        .family = &yoco_family_qwen2, .bias = BIAS_QKV, .window = WINDOW_IF_USED, .n_kv_heads = 32};
    return make(&qwen2, name, root, out);
}

static yoco_status make_qwen3(const char *name, json_t *root, yoco_model_shape **out)
{
    static const variant qwen3 = {.family = &yoco_family_qwen3,
                                  .bias = BIAS_AS_GIVEN,
                                  .window = WINDOW_IF_USED,
                                  .norms_heads = true,
                                  .head_dim = 128,
                                  .n_kv_heads = 32};
    return make(&qwen3, name, root, out);
}

const yoco_family yoco_family_llama = {
    NAMES,
    .model_type = "llama",
    .summary = "LlamaForCausalLM (Llama 2 and 3 and models of their shape); rotations plain,\n"
               "                 linear, llama3 and yarn",
    .make = make_llama,
};

const yoco_family yoco_family_mistral = {
    NAMES,
    .model_type = "mistral",
    .summary = "MistralForCausalLM: as llama, with a window for all layers, some or none",
    .make = make_mistral,
};

const yoco_family yoco_family_qwen2 = {
    NAMES,
    .model_type = "qwen2",
    .summary = "Qwen2ForCausalLM (Qwen 2 and 2.5): as llama, with biases and windows",
    .make = make_qwen2,
};

const yoco_family yoco_family_qwen3 = {
    NAMES,
    .model_type = "qwen3",
    .summary = "Qwen3ForCausalLM, dense: as llama, with norms of Q and K and windows",
    .make = make_qwen3,
};
