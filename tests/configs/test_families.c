/* Folders of Hugging Face: which family a config is of, what is refused, and where weights stand.
 */
#include "configs/model/family.h"
#include "configs/model/fields.h"

#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void refused(const char *name, const char *text, const char *line)
{
    yoco_model_shape *shape = NULL;
    log_begin();
    yoco_status status = yoco_model_shape_parse(name, text, strlen(text), &shape);
    log_end(line);
    assert_int_equal(status, YOCO_ERR_DATA);
    assert_null(shape);
}

static void test_model_types_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *line;
    } rows[] = {
        {"m/config.json", "{\"model_type\": \"falcon\"}",
         "m/config.json: model_type \"falcon\" is not supported; supported are: params.json of "
         "the "
         "authors' release"},
        {"any.json", "{\"model_type\": \"falcon\"}", "\"falcon\" is not supported"},
        {"any.json", "{\"model_type\": 7, \"dim\": 64}", "model_type 7 is not supported"},
        {"any.json", "{\"model_type\": null}", "model_type null is not supported"},
        {"any.json", "{\"text_config\": {\"model_type\": \"x\"}}", "\"x\" is not supported"},
        {"any.json", "{\"model_type\": \"outer\", \"text_config\": {\"model_type\": \"x\"}}",
         "\"outer\" is not supported"},
        {"config.json", "{\"dim\": 64}", "config.json: field model_type is missing"},
        {"m/config.json", "{\"text_config\": []}", "field model_type is missing"},
        {"any.json", "{\"architectures\": [\"X\"]}", "field model_type is missing"},
        {"any.json", "{\"n_layers\": 4}", "field dim is missing"},
        {"m/config.json", "[1]", "is not an object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(rows[i].name, rows[i].text, rows[i].line);
}

/* Values that no line has room for end between two characters, with an ellipsis. */
static void test_long_values(void **state)
{
    (void)state;
    static const char q[] = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";
    char type[512], text[1024], line[512];
    json_t *value = json_array();
    for (size_t n = 55; n <= 66; n++) {
        memset(type, 'q', n);
        type[n] = '\0';
        snprintf(text, sizeof text, "{\"model_type\": \"%s\"}", type);
        snprintf(line, sizeof line, "model_type \"%.*s\" is not", (int)n, type);
        if (n > 61) /* and two quotes */
            snprintf(line, sizeof line, "model_type \"%.58s\u2026\" is not", q);
        refused("config.json", text, line);
    }
    char shown[YOCO_JSON_SHOWN_BYTES];
    for (int i = 0; i < 80; i++)
        memcpy(type + 2 * i, "\u00e9", 3);
    for (size_t n = 0; n < 3; n++) {
        json_t *string = json_sprintf("%.*s%s", (int)n, "xyz", type);
        memset(shown, '?', sizeof shown);
        snprintf(text, sizeof text, "\"%.*s%.*s\u2026\"", (int)n, "xyz", (int)((58 - n) / 2 * 2),
                 type);
        assert_string_equal(yoco_json_show(string, shown), text);
        json_array_append_new(value, string);
    }
    memset(type, 1, 80); /* \u0001, nine of which fit */
    type[80] = '\0';
    json_t *string = json_string(type);
    yoco_json_show(string, shown);
    assert_int_equal(strlen(shown), 1 + 9 * 6 + 4);
    assert_string_equal(shown + 1 + 8 * 6, "\\u0001\u2026\"");
    json_decref(string);
    assert_int_equal(strlen(yoco_json_show(value, shown)), 2 + 58 + 1);
    json_decref(value);
}

/* A config of flash-linear-attention in which one field is another text; of nested ones too. */
static char *fla_config(const char *from, const char *to)
{
    static const char config[] =
        "{\"model_type\": \"yoco\", \"hidden_size\": 48, \"num_hidden_layers\": 5,\n"
        "\"num_self_decoder_layers\": 2, \"intermediate_size\": null, \"vocab_size\": 96,\n"
        "\"max_position_embeddings\": 4096, \"hidden_act\": \"swish\", \"eos_token_id\": 2,\n"
        "\"norm_eps\": 1e-6, \"tie_word_embeddings\": false, \"attnres_block_size\": null,\n"
        "\"self_decoder_attn\": {\"type\": \"swa\", \"num_heads\": 4, \"num_v_heads\": 2,\n"
        "\"window_size\": 40, \"qkv_bias\": true, \"qk_norm\": true, \"rope_theta\": 500.0},\n"
        "\"cross_decoder_attn\": {\"num_heads\": 6, \"num_kv_heads\": 3, \"qk_norm\": true,\n"
        "\"rope_inv_freq\": \"yoco\"}}";
    static char text[8192];
    const char *at = strstr(config, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - config), config, to, at + strlen(from));
    return text;
}

static yoco_model_shape *fla_shape(const char *from, const char *to)
{
    yoco_model_shape *shape;
    const char *text = fla_config(from, to);
    log_begin();
    yoco_status status = yoco_model_shape_parse("config.json", text, strlen(text), &shape);
    log_end(NULL);
    assert_int_equal(status, YOCO_OK);
    return shape;
}

static void test_fla_windows(void **state)
{
    (void)state;
    yoco_model_shape *m = fla_shape("\"swish\"", "\"silu\"");
    const yoco_layer_shape *window = &m->layers[1], *kept = &m->layers[2], *cross = &m->layers[5];
    assert_int_equal(m->n_layers, 6);
    assert_true(m->norm_eps == 1e-6f && m->embed_scale == sqrtf(48));
    assert_int_equal(window->kind, YOCO_LAYER_WINDOW);
    assert_int_equal(window->n_heads, 4);
    assert_int_equal(window->n_kv_heads, 2);
    assert_int_equal(window->k_dim, 12);
    assert_int_equal(window->window, 40);
    assert_int_equal(window->hidden_dim, 256); /* 128, in multiples of 256 */
    assert_int_equal(window->traits, YOCO_TRAIT_QKV_BIAS);
    assert_int_equal(kept->kind, YOCO_LAYER_KEEP);
    assert_int_equal(kept->traits, 0);
    assert_int_equal(kept->hidden_dim, 0);
    assert_int_equal(cross->kind, YOCO_LAYER_CROSS);
    assert_int_equal(cross->source, 2);
    assert_int_equal(cross->k_dim, 8);
    assert_int_equal(cross->traits, YOCO_TRAIT_Q_NORM);
    assert_true(cross->q_norm_eps == 1e-5f);
    const yoco_rotation *self = &m->rotations[window->rotation],
                        *other = &m->rotations[cross->rotation];
    assert_true(self->halves && !self->both_ends && self->theta == 500);
    assert_true(!other->halves && other->both_ends && other->theta == 10000);
    assert_int_equal(m->rotations[kept->rotation].head_dim, 8);
    assert_int_equal(m->n_ends, 1);
    assert_int_equal(m->ends[0], 2);
    yoco_free(m);
}

/* The fields stand where the model_type does; some of them may stand outside. */
static void test_text_config(void **state)
{
    (void)state;
    char text[16384];
    yoco_model_shape *m;
    const char *inner = fla_config("\"tie_word_embeddings\": false, ", "");
    snprintf(text, sizeof text,
             "{\"model_type\": \"outer\", \"hidden_size\": 7, \"tie_word_embeddings\": true,"
             "\"eos_token_id\": 9, \"text_config\": %s}",
             inner);
    assert_int_equal(yoco_model_shape_parse("config.json", text, strlen(text), &m), YOCO_OK);
    assert_int_equal(m->dim, 48);
    assert_true(m->tied);
    assert_int_equal(m->n_ends, 1);
    assert_int_equal(m->ends[0], 2);
    yoco_free(m);
    snprintf(text, sizeof text, "{\"text_config\": %s}", fla_config(": 48", ": -48"));
    refused("config.json", text, "field text_config.hidden_size is -48");
    snprintf(text, sizeof text, "{\"quantization_config\": {}, \"text_config\": %s}", inner);
    refused("config.json", text, "quantization {} is not supported");
}

/* Retention has as many heads of K,V as of queries, and no bias. */
static void test_fla_retention(void **state)
{
    (void)state;
    yoco_model_shape *m = fla_shape("\"swa\"", "\"gated_retention\", \"gate_logit_normalizer\": 8");
    const yoco_layer_shape *layer = &m->layers[0];
    assert_int_equal(layer->kind, YOCO_LAYER_RETENTION);
    assert_int_equal(layer->n_kv_heads, 4);
    assert_int_equal(layer->traits, 0);
    assert_int_equal(layer->window, 0);
    assert_true(layer->decay_divisor == 8);
    assert_false(m->rotations[layer->rotation].halves);
    yoco_free(m);
}

static void test_fla_delta(void **state)
{
    (void)state;
    yoco_model_shape *m =
        fla_shape("\"swa\", \"num_heads\": 4, \"num_v_heads\": 2",
                  "\"gated_deltanet\", \"num_heads\": 3, \"num_v_heads\": 6, \"head_dim\": 5, "
                  "\"expand_v\": 2.4, \"allow_neg_eigval\": true");
    const yoco_layer_shape *layer = &m->layers[0];
    yoco_tensor_spec *specs;
    int n_specs, n_taps = 0;
    assert_int_equal(layer->kind, YOCO_LAYER_DELTA);
    assert_int_equal(layer->n_heads, 6);
    assert_int_equal(layer->n_kv_heads, 3);
    assert_int_equal(layer->k_dim, 5);
    assert_int_equal(layer->v_dim, 12);
    assert_int_equal(layer->n_taps, 4);
    assert_true(layer->beta_scale == 2 && layer->out_eps == 1e-6f);
    assert_int_equal(layer->rotation, -1);
    assert_int_equal(m->n_rotations, 1); /* of the cross-decoder */
    assert_int_equal(yoco_model_tensors(m, &specs, &n_specs), YOCO_OK);
    for (int i = 0; i < n_specs; i++) {
        bool is_taps = strcmp(specs[i].name, "model.self_layers.1.attn.v_conv1d.weight") == 0;
        if (!is_taps)
            continue;
        n_taps++;
        assert_int_equal(specs[i].n_dims, 3);
        assert_int_equal(specs[i].shape[0], 72);
        assert_int_equal(specs[i].shape[1], 1);
        assert_int_equal(specs[i].shape[2], 4);
    }
    assert_int_equal(n_taps, 1);
    yoco_free(specs);
    yoco_free(m);
}

static void test_fla_frequencies(void **state)
{
    (void)state;
    yoco_rotation r = {.head_dim = 8, .theta = 10000};
    const double plain[] = {1, 0.1, 0.01, 0.001}, ends[] = {1, 0.0464158883, 0.00215443469, 1e-4};
    for (int i = 0; i < 4; i++) {
        r.both_ends = false;
        assert_true(fabs(yoco_rotation_frequency(&r, i) - plain[i]) < 1e-9);
        r.both_ends = true;
        assert_true(fabs(yoco_rotation_frequency(&r, i) - ends[i]) < 1e-9);
    }
}

static void test_fla_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *line;
    } rows[] = {
        {"\"swa\"", "\"mamba\"",
         "config.json: field self_decoder_attn.type is \"mamba\"; give one that is supported: "
         "gated_retention, swa, gated_deltanet"},
        {"\"swa\"", "\"gated_deltanet\", \"use_gate\": false",
         "self_decoder_attn.use_gate is false, and gated_deltanet is supported with it only"},
        {"\"swa\"", "\"gated_deltanet\", \"use_short_conv\": false", "use_short_conv is false"},
        {"\"swa\"", "\"gated_deltanet\", \"conv_size\": 1", "conv_size is 1"},
        {"\"swa\"", "\"gated_deltanet\", \"expand_v\": 0.3", "is not an integer from 1 to 4096"},
        {"\"swa\"", "\"gated_deltanet\", \"head_dim\": 4096, \"expand_v\": 2",
         "2 times self_decoder_attn.head_dim 4096"},
        {"\"swa\"", "\"gated_deltanet\"", "num_v_heads 2 is not a multiple of num_heads 4"},
        {"\"swa\", \"num_heads\": 4, \"num_v_heads\": 2",
         "\"gated_deltanet\", \"num_heads\": 65536, \"num_v_heads\": 65536",
         "65536 heads of self_decoder_attn. are wider"},
        {"\"yoco\"}", "\"linear\"}", "cross_decoder_attn.rope_inv_freq is \"linear\""},
        {"\"swish\"", "\"powlu\"", "hidden_act is \"powlu\"; give one that is supported: silu"},
        {"\"swish\"", "1", "hidden_act is 1"},
        {"block_size\": null", "block_size\": 4", "(attnres_block_size) are not supported"},
        {"{\"model_type\"",
         "{\"quantization_config\": {\"quant_method\": \"gptq\"}, \"model_type\"",
         "quantization \"gptq\" is not supported"},
        {"{\"model_type\"", "{\"quantization_config\": [], \"model_type\"", "quantization []"},
        {"{\"model_type\"", "{\"rope_scaling\": {\"type\": \"yarn\"}, \"model_type\"",
         "rope_scaling.type is \"yarn\"; give one that is supported: default"},
        {"{\"model_type\"", "{\"rope_parameters\": {\"rope_type\": \"llama3\"}, \"model_type\"",
         "rope_parameters.rope_type is \"llama3\""},
        {"{\"model_type\"", "{\"rope_scaling\": {\"factor\": 2.0}, \"model_type\"",
         "rope_scaling.factor is 2, and a rotation that is scaled is not supported"},
        {"\"swa\"", "\"swa\", \"rope_scaling\": {\"factor\": 2.5}",
         "self_decoder_attn.rope_scaling.factor is 2.5"},
        {"\"yoco\"}", "\"yoco\", \"rope_scaling\": {\"type\": \"yarn\"}}",
         "cross_decoder_attn.rope_scaling.type is \"yarn\""},
        {"{\"model_type\"",
         "{\"rope_scaling\": {\"type\": \"yarn\"}, \"rope_parameters\": {}, \"model_type\"",
         "rope_scaling.type is \"yarn\""},
        {"{\"model_type\"", "{\"rope_parameters\": 3, \"model_type\"", "rope_parameters is 3"},
        {": 48", ": 47", "does not split into 4 heads (self_decoder_attn.num_heads)"},
        {": 48", ": -48", "hidden_size is -48"},
        {": 48", ": 4.5", "hidden_size is 4.5"},
        {": 48", ": \"48\"", "hidden_size is \"48\""},
        {": 48", ": null", "hidden_size is null"},
        {": 48", ": 1e300", "hidden_size is 1"},
        {"num_hidden_layers\": 5", "num_hidden_layers\": 1000000000", "from 2 to 4096"},
        {"num_hidden_layers\": 5", "num_hidden_layers\": 2", "field num_self_decoder_layers is 2"},
        {"decoder_layers\": 2", "decoder_layers\": 0", "field num_self_decoder_layers is 0"},
        {"\"num_heads\": 4", "\"num_heads\": 0", "self_decoder_attn.num_heads is 0"},
        {"\"num_v_heads\": 2", "\"num_v_heads\": 3", "not a multiple of num_v_heads 3"},
        {"\"num_heads\": 6", "\"num_heads\": 7", "7 heads (cross_decoder_attn.num_heads)"},
        {"\"num_kv_heads\": 3", "\"num_kv_heads\": 4", "not a multiple of num_kv_heads 4"},
        {"\"window_size\": 40", "\"window_size\": null", "self_decoder_attn.window_size is null"},
        {"\"window_size\": 40", "\"window_size\": 99999999", "window_size is 99999999"},
        {"\"rope_theta\": 500.0", "\"rope_theta\": -1", "rope_theta is -1"},
        {"\"qkv_bias\": true", "\"qkv_bias\": \"yes\"", "qkv_bias is \"yes\"; give true or false"},
        {"\"norm_eps\": 1e-6", "\"norm_eps\": []", "norm_eps is []"},
        {"\"vocab_size\": 96", "\"vocab_size\": 99999999999", "vocab_size is 99999999999"},
        {"embeddings\": 4096", "embeddings\": 0", "max_position_embeddings is 0"},
        {"\"intermediate_size\": null", "\"intermediate_size\": 0", "intermediate_size is 0"},
        {"\"self_decoder_attn\": {", "\"self_decoder_attn\": 1, \"x\": {",
         "self_decoder_attn is 1"},
        {"token_id\": 2", "token_id\": 96", "eos_token_id is 96; give an id from 0 to 95"},
        {"token_id\": 2", "token_id\": [1, -1]", "eos_token_id is [1,-1]"},
        {"token_id\": 2", "token_id\": \"</s>\"", "eos_token_id is \"</s>\""},
        {"token_id\": 2", "token_id\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]",
         "a list of at most 16"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused("config.json", fla_config(rows[i].from, rows[i].to), rows[i].line);
}

/* Of the same random weights. */
static yoco_hash hash_of(const char *from, const char *to)
{
    yoco_model_shape *shape = fla_shape(from, to);
    yoco_checkpoint *c;
    yoco_hash hash;
    assert_int_equal(yoco_checkpoint_random(shape, YOCO_F32, 1, &c), YOCO_OK);
    assert_int_equal(yoco_checkpoint_hash(c, &hash), YOCO_OK);
    yoco_checkpoint_close(c);
    yoco_free(shape);
    return hash;
}

/* Configs that ask for the same tensors and mean other models. */
static void test_hashes(void **state)
{
    (void)state;
    static const char *const changes[][2] = {{"window_size\": 40", "window_size\": 41"},
                                             {"rope_theta\": 500", "rope_theta\": 501"},
                                             {"norm_eps\": 1e-6", "norm_eps\": 1e-5"},
                                             {"\"rope_inv_freq\": \"yoco\"", "\"x\": 0"},
                                             {"embeddings\": 4096", "embeddings\": 4095"}};
    yoco_hash one = hash_of("\"swish\"", "\"swish\"");
    assert_true(yoco_hash_equal(one, hash_of("\"swish\"", "\"silu\"")));
    assert_true(yoco_hash_equal(one, hash_of("token_id\": 2", "token_id\": 3")));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        assert_false(yoco_hash_equal(one, hash_of(changes[i][0], changes[i][1])));
    const char *type = "\"swa\", \"num_heads\": 4, \"num_v_heads\": 2";
    one = hash_of(type, "\"gated_retention\", \"num_heads\": 4");
    assert_false(yoco_hash_equal(one, hash_of(type, "\"gated_retention\", \"num_heads\": 4, "
                                                    "\"gate_logit_normalizer\": 17")));
    one = hash_of(type, "\"gated_deltanet\", \"head_dim\": 8");
    assert_false(yoco_hash_equal(one, hash_of(type, "\"gated_deltanet\", \"head_dim\": 8, "
                                                    "\"allow_neg_eigval\": true")));
}

static void folder_refused(const char *folder, const char *line)
{
    yoco_checkpoint *c = NULL;
    log_begin();
    yoco_status status = yoco_checkpoint_open(folder, &c);
    log_end(line);
    assert_int_not_equal(status, YOCO_OK);
    assert_null(c);
}

/* The ids of generation_config.json come before those of the config. */
static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *generation;
        int n, last;
    } rows[] = {{NULL, 2, 7},
                {"{}", 2, 7},
                {"{\"eos_token_id\": null}", 2, 7},
                {"{\"eos_token_id\": 3}", 1, 3},
                {"{\"eos_token_id\": [1, 5, 9]}", 3, 9},
                {"{\"eos_token_id\": []}", 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = folder_create();
        yoco_model_shape *m;
        text_write(path_in(folder, "config.json"),
                   fla_config("token_id\": 2", "token_id\": [2, 7]"));
        if (rows[i].generation)
            text_write(path_in(folder, "generation_config.json"), rows[i].generation);
        assert_int_equal(yoco_model_shape_load(folder, &m), YOCO_OK);
        assert_int_equal(m->n_ends, rows[i].n);
        assert_true(rows[i].n == 0 || m->ends[rows[i].n - 1] == rows[i].last);
        yoco_free(m);
        folder_remove(folder);
    }
    char *folder = folder_create();
    text_write(path_in(folder, "config.json"), fla_config("\"swish\"", "\"swish\""));
    text_write(path_in(folder, "generation_config.json"), "{\"eos_token_id\": 96}");
    folder_refused(folder, "generation_config.json: field eos_token_id is 96");
    folder_remove(folder);
}

/* A config that says a type of weights says that of those which are saved beside it. */
static void test_saved_dtype(void **state)
{
    (void)state;
    yoco_model_shape *shape =
        fla_shape("{\"model_type\"", "{\"dtype\": \"float32\", \"model_type\"");
    yoco_checkpoint *c;
    char *folder = folder_create();
    size_t size;
    assert_int_equal(yoco_checkpoint_random(shape, YOCO_BF16, 1, &c), YOCO_OK);
    assert_int_equal(yoco_checkpoint_save(c, folder), YOCO_OK);
    char *text = file_read(path_in(folder, "config.json"), &size);
    json_t *config = json_loadb(text, size, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(config, "dtype")), "bfloat16");
    assert_null(json_object_get(config, "torch_dtype"));
    json_decref(config);
    free(text);
    yoco_checkpoint_close(c);
    yoco_free(shape);
    folder_remove(folder);
}

/* What stands in a folder under a name that is read, and is no file. */
static void test_names_without_a_file(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "generation_config.json",
                                        "model.safetensors", "model.safetensors.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *folder = folder_create(), line[256];
        const char *path = path_in(folder, names[i]);
        text_write(path_in(folder, "config.json"), fla_config("\"swish\"", "\"swish\""));
        unlink(path);
        assert_int_equal(symlink("/dev/zero", path), 0);
        snprintf(line, sizeof line, "%s: it is a device, and a regular file is wanted", names[i]);
        folder_refused(folder, line);
        unlink(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        snprintf(line, sizeof line, "%s: it is a pipe, and a regular file is wanted", names[i]);
        folder_refused(folder, line);
        unlink(path);
        assert_int_equal(symlink("../../blobs/1234", path), 0);
        snprintf(line, sizeof line, "%s: it is a link to ../../blobs/1234, which is not there",
                 names[i]);
        folder_refused(folder, line);
        unlink(path);
        text_write(path, " \n");
        snprintf(line, sizeof line, "%s is empty", names[i]);
        folder_refused(folder, i == 2 ? "model.safetensors: " : line);
        folder_remove(folder);
    }
    char *folder = folder_create(), *large = malloc(YOCO_MAX_CONFIG_BYTES + 2);
    memset(large, ' ', YOCO_MAX_CONFIG_BYTES + 1);
    large[YOCO_MAX_CONFIG_BYTES + 1] = '\0';
    text_write(path_in(folder, "config.json"), large);
    folder_refused(folder, "config.json has more than 1048576 bytes");
    free(large);
    folder_remove(folder);
}

/* A family whose layers have q, k and v in one tensor, and norms that are (n, 1). */
static void name_fused(const yoco_model_shape *shape, yoco_tensor_spec *spec)
{
    const yoco_layer_shape *layer = &shape->layers[spec->layer];
    const int64_t q = yoco_layer_q_width(layer), k = yoco_layer_k_width(layer),
                  v = yoco_layer_v_width(layer);
    const yoco_role role = spec->rule.role;
    bool fused = layer->kind == YOCO_LAYER_WINDOW &&
                 (role == YOCO_ROLE_Q || role == YOCO_ROLE_K || role == YOCO_ROLE_V);
    snprintf(spec->name, sizeof spec->name, "layer.%d.%d", spec->layer,
             fused ? YOCO_ROLE_Q : (int)role);
    if (role == YOCO_ROLE_MIXER_NORM) {
        spec->n_dims = 3;
        spec->shape[1] = spec->shape[2] = 1;
    }
    if (!fused)
        return;
    spec->shape[0] = q + k + v;
    spec->first_row = role == YOCO_ROLE_Q ? 0 : role == YOCO_ROLE_K ? q : q + k;
}

static bool ignores_vision(const char *tensor)
{
    return strncmp(tensor, "vision.", 7) == 0;
}

static const yoco_family fused_family = {.model_type = "fused",
                                         .file = "config.json",
                                         .summary = "",
                                         .name_tensor = name_fused,
                                         .embedding = "embedding",
                                         .output = "output",
                                         .final_norm = "norm",
                                         .ignores = ignores_vision};

static bool same_layers(const yoco_checkpoint *a, const yoco_checkpoint *b)
{
    bool same = true;
    for (int i = 0; i < a->shape->n_layers; i++) {
        for (int role = 0; role < YOCO_N_ROLES; role++) {
            const yoco_tensor *left = a->layers[i].role[role], *right = b->layers[i].role[role];
            same = same && !left == !right;
            if (left && right)
                same = same && left->bytes == right->bytes && left->n_dims == right->n_dims &&
                       memcmp(left->shape, right->shape, (size_t)left->n_dims * sizeof(int64_t)) ==
                           0 &&
                       memcmp(left->data, right->data, left->bytes) == 0;
        }
    }
    return same;
}

/* A copy of a folder's weights with one more tensor. */
static void add_tensor(const char *folder, const char *name)
{
    static const float value = 1;
    char *copy = folder_create();
    const char *path = path_in(folder, "model.safetensors"), *to = path_in(copy, "copy");
    yoco_safetensors *file;
    yoco_safetensors_writer *writer;
    assert_int_equal(yoco_safetensors_open(path, &file), YOCO_OK);
    int n = yoco_safetensors_count(file);
    yoco_tensor *list = calloc((size_t)n + 1, sizeof *list);
    for (int i = 0; i < n; i++)
        list[i] = *yoco_safetensors_at(file, i);
    list[n] = (yoco_tensor){.name = name, .bytes = sizeof value, .data = &value};
    assert_int_equal(yoco_safetensors_create(to, list, n + 1, &writer), YOCO_OK);
    for (int i = 0; i <= n; i++)
        assert_int_equal(yoco_safetensors_append(writer, list[i].data, list[i].bytes), YOCO_OK);
    assert_int_equal(yoco_safetensors_finish(writer), YOCO_OK);
    yoco_safetensors_close(file);
    file_copy(to, path);
    free(list);
    folder_remove(copy);
}

static void test_extra_tensors(void **state)
{
    (void)state;
    yoco_checkpoint *made = checkpoint_tiny(8), *opened;
    char *folder = folder_create();
    made->shape->family = &fused_family;
    assert_int_equal(yoco_checkpoint_random(made->shape, YOCO_F32, 5, &opened), YOCO_OK);
    assert_int_equal(yoco_checkpoint_save(opened, folder), YOCO_OK);
    yoco_checkpoint_close(opened);
    add_tensor(folder, "vision.tower.scale"); /* a scalar, of shape [] */
    assert_int_equal(yoco_checkpoint_open_shape(made->shape, folder, &opened), YOCO_OK);
    yoco_checkpoint_close(opened);
    add_tensor(folder, "visions");
    log_begin();
    yoco_status status = yoco_checkpoint_open_shape(made->shape, folder, &opened);
    log_end("tensor visions is none of the model that config.json describes");
    assert_int_equal(status, YOCO_ERR_DATA);
    yoco_checkpoint_close(made);
    folder_remove(folder);
}

static void test_fused_tensors(void **state)
{
    (void)state;
    yoco_checkpoint *made = checkpoint_tiny(8), *fused, *opened;
    char *folder = folder_create();
    made->shape->family = &fused_family;
    assert_int_equal(yoco_checkpoint_random(made->shape, YOCO_BF16, 5, &fused), YOCO_OK);
    assert_int_equal(yoco_checkpoint_save(fused, folder), YOCO_OK);
    assert_int_equal(yoco_checkpoint_open_shape(made->shape, folder, &opened), YOCO_OK);
    assert_true(same_layers(fused, opened));
    yoco_hash a, b;
    assert_int_equal(yoco_checkpoint_hash(fused, &a), YOCO_OK);
    assert_int_equal(yoco_checkpoint_hash(opened, &b), YOCO_OK);
    assert_true(yoco_hash_equal(a, b));
    yoco_checkpoint_close(opened);
    yoco_checkpoint_close(fused);
    yoco_checkpoint_close(made);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_types_that_are_none),
        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_fla_windows),
        cmocka_unit_test(test_text_config),
        cmocka_unit_test(test_fla_retention),
        cmocka_unit_test(test_fla_delta),
        cmocka_unit_test(test_fla_frequencies),
        cmocka_unit_test(test_fla_refused),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_saved_dtype),
        cmocka_unit_test(test_names_without_a_file),
        cmocka_unit_test(test_extra_tensors),
        cmocka_unit_test(test_fused_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
