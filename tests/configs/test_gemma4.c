/* gemma4 and gemma4_text: their layers, where their weights stand, and what is refused. */
#include "configs/model/family.h"

#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *source_folder;

/* A config in which one text is another. */
static char *config(const char *from, const char *to)
{
    static const char text[] =
        "{\"model_type\": \"gemma4_text\", \"hidden_size\": 32, \"num_hidden_layers\": 7,\n"
        "\"intermediate_size\": 24, \"num_attention_heads\": 4, \"num_key_value_heads\": 2,\n"
        "\"head_dim\": 8, \"global_head_dim\": 16, \"sliding_window\": 33,\n"
        "\"layer_types\": [\"sliding_attention\", \"full_attention\", \"sliding_attention\",\n"
        "\"full_attention\", \"sliding_attention\", \"sliding_attention\", \"full_attention\"],\n"
        "\"num_kv_shared_layers\": 3, \"use_double_wide_mlp\": true, \"rms_norm_eps\": 1e-5,\n"
        "\"hidden_size_per_layer_input\": 6, \"vocab_size_per_layer_input\": 90,\n"
        "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"proportional\",\n"
        "\"partial_rotary_factor\": 0.3, \"rope_theta\": 1e6}, \"sliding_attention\":\n"
        "{\"rope_type\": \"default\", \"rope_theta\": 1e4}}, \"final_logit_softcapping\": 30,\n"
        "\"vocab_size\": 90, \"max_position_embeddings\": 4096, \"eos_token_id\": [1, 4]}";
    static char changed[4096];
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return changed;
}

static yoco_model_shape *shape_of(const char *text)
{
    yoco_model_shape *shape;
    assert_int_equal(yoco_model_shape_parse("config.json", text, strlen(text), &shape), YOCO_OK);
    return shape;
}

static void test_layers(void **state)
{
    (void)state;
    static const yoco_layer_kind kinds[] = {
        YOCO_LAYER_WINDOW,       YOCO_LAYER_ATTENTION,    YOCO_LAYER_WINDOW, YOCO_LAYER_ATTENTION,
        YOCO_LAYER_CROSS_WINDOW, YOCO_LAYER_CROSS_WINDOW, YOCO_LAYER_CROSS};
    static const int sources[] = {0, 1, 2, 3, 2, 2, 3};
    yoco_model_shape *m = shape_of(config("90", "90"));
    assert_int_equal(m->n_layers, 7);
    assert_int_equal(yoco_shape_last_kept(m), 3);
    assert_int_equal(yoco_shape_n_merged(m), 3);
    assert_int_equal(yoco_shape_kept_width(m), 2 * 2 * 32);
    assert_true(m->tied && m->rounds_scales && m->embed_dim == 6 && m->logit_cap == 30);
    assert_true(m->embed_scale == sqrtf(32) && m->layer_embed_scale == sqrtf(6));
    assert_int_equal(m->n_rotations, 2);
    assert_true(m->rotations[0].halves && m->rotations[0].theta == 1e4);
    /* of 8 pairs two turn, as if all did */
    assert_int_equal(m->rotations[1].n_turned, 2);
    assert_true(fabs(yoco_rotation_frequency(&m->rotations[1], 1) - pow(1e6, -1.0 / 8)) < 1e-12);
    assert_true(yoco_rotation_frequency(&m->rotations[1], 2) == 0);
    for (int i = 0; i < m->n_layers; i++) {
        const yoco_layer_shape *l = &m->layers[i];
        bool full = l->kind == YOCO_LAYER_ATTENTION || l->kind == YOCO_LAYER_CROSS;
        assert_int_equal(l->kind, kinds[i]);
        assert_int_equal(l->source, sources[i]);
        assert_int_equal(l->k_dim, full ? 16 : 8);
        assert_int_equal(l->window, full ? 0 : 33);
        assert_int_equal(l->rotation, full);
        assert_int_equal(l->hidden_dim, i < 4 ? 24 : 48);
        assert_int_equal((l->traits & YOCO_TRAIT_V_NORM) != 0, i < 4);
        assert_true(l->traits & YOCO_TRAIT_GEGLU && l->traits & YOCO_TRAIT_POST_NORM);
        assert_true(l->score_scale == 1 && l->q_norm_eps == 1e-5f && l->embed_dim == 6);
    }
    yoco_free(m);
}

/* What the class has where a config says nothing: every sixth layer and the last are full. */
static void test_defaults(void **state)
{
    (void)state;
    static const char text[] =
        "{\"model_type\": \"gemma4_text\", \"hidden_size\": 32, \"num_hidden_layers\": 7,\n"
        "\"intermediate_size\": 24, \"num_attention_heads\": 4, \"vocab_size\": 90,\n"
        "\"max_position_embeddings\": 4096, \"hidden_size_per_layer_input\": 0}";
    yoco_model_shape *m = shape_of(text);
    for (int i = 0; i < 7; i++)
        assert_int_equal(m->layers[i].kind, i < 5 ? YOCO_LAYER_WINDOW : YOCO_LAYER_ATTENTION);
    assert_true(m->layers[0].k_dim == 256 && m->layers[6].k_dim == 512);
    assert_true(m->layers[0].n_kv_heads == 4 && m->layers[0].window == 512);
    assert_int_equal(m->rotations[m->layers[6].rotation].n_turned, 64);
    assert_true(m->embed_dim == 0 && m->logit_cap == 0);
    yoco_free(m);
}

/* Sizes of single layers, as newer files have them. */
static void test_overrides(void **state)
{
    (void)state;
    yoco_model_shape *m = shape_of(config(
        "\"global_head_dim\": 16", "\"per_layer_config\": {\"1\": {\"head_dim\": 12}, "
                                   "\"3\": {\"head_dim\": 12, \"num_key_value_heads\": 1}, "
                                   "\"6\": {\"head_dim\": 12, \"num_key_value_heads\": 1}}"));
    assert_true(m->layers[0].k_dim == 8 && m->layers[1].k_dim == 12 && m->layers[6].k_dim == 12);
    assert_true(m->layers[1].n_kv_heads == 2 && m->layers[3].n_kv_heads == 1);
    yoco_free(m);
}

static const yoco_tensor_spec *find_spec(const yoco_tensor_spec *specs, int n, const char *name,
                                         int layer)
{
    for (int i = 0; i < n; i++)
        if (strcmp(specs[i].name, name) == 0 && specs[i].layer == layer)
            return &specs[i];
    fail_msg("no tensor %s of layer %d", name, layer);
    return NULL;
}

static void test_tensors(void **state)
{
    (void)state;
    yoco_model_shape *m = shape_of(config("90", "90"));
    yoco_tensor_spec *specs;
    int n;
    assert_int_equal(yoco_model_tensors(m, &specs, &n), YOCO_OK);
    const yoco_tensor_spec *s =
        find_spec(specs, n, "model.embed_tokens_per_layer.weight", YOCO_TENSOR_LAYER_TABLE);
    assert_true(s->shape[0] == 90 && s->shape[1] == 42);
    s = find_spec(specs, n, "model.per_layer_model_projection.weight", 5);
    assert_true(s->shape[0] == 42 && s->shape[1] == 32 && s->first_row == 30 && s->rule.n_out == 6);
    s = find_spec(specs, n, "model.layers.6.layer_scalar", 6);
    assert_true(s->n_dims == 1 && s->shape[0] == 1);
    s = find_spec(specs, n, "model.layers.3.self_attn.k_norm.weight", 3);
    assert_int_equal(s->shape[0], 16);
    for (int i = 0; i < n; i++)
        assert_false(specs[i].layer >= 4 && specs[i].rule.role == YOCO_ROLE_K);
    assert_true(m->family->ignores("model.layers.4.self_attn.k_proj.weight"));
    assert_true(m->family->ignores("model.audio_tower.layers.0.scale"));
    assert_false(m->family->ignores("model.layers.4.self_attn.q_proj.weight"));
    yoco_free(specs);
    yoco_free(m);
}

/* The text part of a model that has others: its fields stand in text_config, its names have a
 * prefix. */
static void test_whole_model(void **state)
{
    (void)state;
    char text[5000];
    yoco_tensor_spec *specs;
    int n;
    snprintf(text, sizeof text,
             "{\"model_type\": \"gemma4\", \"text_config\": %s, \"eos_token_id\": 7}",
             config(", \"eos_token_id\": [1, 4]", ""));
    yoco_model_shape *m = shape_of(text);
    assert_true(m->n_ends == 1 && m->ends[0] == 7);
    assert_string_equal(yoco_shape_model_type(m), "gemma4");
    assert_int_equal(yoco_model_tensors(m, &specs, &n), YOCO_OK);
    find_spec(specs, n, "model.language_model.layers.0.mlp.up_proj.weight", 0);
    find_spec(specs, n, "model.language_model.norm.weight", YOCO_TENSOR_FINAL_NORM);
    yoco_free(specs);
    yoco_free(m);
}

/* The released model: three stores of K,V, 6,144 bytes for each token; prefill runs 14 of its 35
 * layers. */
static void test_released_shape(void **state)
{
    (void)state;
    char path[4096];
    yoco_model_shape *m;
    snprintf(path, sizeof path, "%s/configs/shapes/gemma-4-e2b.json", source_folder);
    assert_int_equal(yoco_model_shape_load(path, &m), YOCO_OK);
    assert_int_equal(m->n_layers, 35);
    assert_int_equal(yoco_shape_last_kept(m), 14);
    assert_int_equal(yoco_shape_n_merged(m), 7);
    assert_int_equal(2 * yoco_shape_kept_width(m), 6144);
    assert_int_equal(m->layers[15].source, 13);
    assert_int_equal(m->layers[34].source, 14);
    yoco_free(m);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *line;
    } rows[] = {
        {"90,", "90, \"enable_moe_block\": true,", "enable_moe_block true is not supported"},
        {"90,", "90, \"attention_k_eq_v\": true,", "attention_k_eq_v true is not supported"},
        {"90,", "90, \"attention_bias\": true,", "attention_bias true is not supported"},
        {"90,", "90, \"use_bidirectional_attention\": \"all\",",
         "use_bidirectional_attention is \"all\""},
        {"90,", "90, \"hidden_activation\": \"gelu\",", "hidden_activation is \"gelu\""},
        {"90,", "90, \"quantization_config\": {\"quant_method\": \"gptq\"},", "\"gptq\""},
        {"input\": 90", "input\": 91", "vocab_size_per_layer_input 91 is not vocab_size 90"},
        {"layers\": 7", "layers\": 8", "layer_types is no list of 8"},
        {"[\"sliding_attention\"", "[\"linear_attention\"",
         "layer_types has \"linear_attention\" for layer 0"},
        {"[\"sliding_attention\", \"full_attention\", \"sliding_attention\",\n\"full_attention\"",
         "[\"full_attention\", \"full_attention\", \"full_attention\",\n\"full_attention\"",
         "layer 4 (sliding_attention) finds no K,V of its size"},
        {"shared_layers\": 3", "shared_layers\": 7", "num_kv_shared_layers is 7"},
        {"heads\": 2", "heads\": 3", "is not a multiple of num_key_value_heads 3"},
        {"global_head_dim\": 16", "global_head_dim\": 15", "has 4 heads of 15"},
        {"\"global_head_dim\": 16", "\"per_layer_config\": {\"9\": {}}",
         "for 9; give an object for a layer from 0 to 6"},
        {"\"global_head_dim\": 16", "\"per_layer_config\": {\"1\": {\"head_dim\": 12}}",
         "heads of 12 and of 8 in layers of full_attention"},
        {"\"global_head_dim\": 16", "\"per_layer_config\": {\"1\": {\"sliding_window\": 12}}",
         "per_layer_config.1.sliding_window 12 is not supported"},
        {"proportional", "yarn", "rope_parameters.full_attention.rope_type is \"yarn\""},
        {"0.3", "0.1", "partial_rotary_factor 0.1 of heads of 16 turns no channel"},
        {"softcapping\": 30", "softcapping\": 0", "final_logit_softcapping is 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = config(rows[i].from, rows[i].to);
        yoco_model_shape *shape = NULL;
        log_begin();
        yoco_status status = yoco_model_shape_parse("config.json", text, strlen(text), &shape);
        log_end(rows[i].line);
        assert_int_equal(status, YOCO_ERR_DATA);
        assert_null(shape);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),      cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_overrides),   cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_whole_model), cmocka_unit_test(test_released_shape),
        cmocka_unit_test(test_refused),
    };
    source_folder = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests_name("configs_gemma4", tests, NULL, NULL);
}
