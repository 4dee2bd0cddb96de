/* llama, mistral, qwen2 and qwen3: what their configs say of layers, where their weights stand, and
 * what is refused. */
#include "configs/model/family.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A config of this model_type with other fields; those that are "absent" go. */
static char *config(const char *type, const char *fields)
{
    static char text[4096];
    json_t *root =
        json_pack("{ss, si, si, si, si, si, ss, si, si, s[ii]}", "model_type", type, "hidden_size",
                  48, "num_hidden_layers", 4, "intermediate_size", 56, "num_attention_heads", 6,
                  "num_key_value_heads", 2, "hidden_act", "silu", "vocab_size", 120,
                  "max_position_embeddings", 4096, "eos_token_id", 2, 3);
    json_t *changes = json_loads(fields, 0, NULL), *value;
    const char *key;
    assert_non_null(changes);
    json_object_foreach(changes, key, value)
    {
        const char *word = json_string_value(value);
        if (word && strcmp(word, "absent") == 0)
            json_object_del(root, key);
        else
            json_object_set(root, key, value);
    }
    size_t size = json_dumpb(root, text, sizeof text - 1, 0);
    text[size] = '\0';
    json_decref(root);
    json_decref(changes);
    return text;
}

static yoco_model_shape *shape_of(const char *type, const char *fields)
{
    yoco_model_shape *shape;
    const char *text = config(type, fields);
    log_begin();
    yoco_status status = yoco_model_shape_parse("config.json", text, strlen(text), &shape);
    log_end(NULL);
    assert_int_equal(status, YOCO_OK);
    return shape;
}

enum {
    QKV = YOCO_TRAIT_QKV_BIAS,
    OUT = YOCO_TRAIT_OUT_BIAS,
    NORMS = YOCO_TRAIT_Q_NORM | YOCO_TRAIT_K_NORM
};

/* `window` of the layers, a digit each: 0 none, 1 the one that is given. */
static void test_layers(void **state)
{
    (void)state;
    static const struct {
        const char *type, *fields;
        int head_dim, n_kv_heads, traits, window;
        const char *windows;
    } rows[] = {
        {"llama", "{}", 8, 2, 0, 0, "0000"},
        {"llama", "{\"attention_bias\": true, \"num_key_value_heads\": \"absent\"}", 8, 6,
         QKV | OUT, 0, "0000"},
        {"llama", "{\"head_dim\": 20, \"num_key_value_heads\": null}", 20, 6, 0, 0, "0000"},
        {"llama", "{\"head_dim\": null, \"pretraining_tp\": 2, \"sliding_window\": 7}", 8, 2, 0, 0,
         "0000"},
        {"mistral", "{\"sliding_window\": 7}", 8, 2, 0, 7, "1111"},
        {"mistral", "{\"sliding_window\": null}", 8, 2, 0, 0, "0000"},
        {"mistral", "{\"max_position_embeddings\": 4097}", 8, 2, 0, 4096, "1111"},
        {"mistral", "{}", 8, 2, 0, 0, "0000"},
        {"mistral",
         "{\"sliding_window\": 9, \"layer_types\": [\"sliding_attention\", \"full_attention\","
         "\"full_attention\", \"sliding_attention\"]}",
         8, 2, 0, 9, "1001"},
        {"mistral",
         "{\"sliding_window\": null, \"num_attention_heads\": 8,"
         "\"num_key_value_heads\": \"absent\", \"head_dim\": 10}",
         10, 8, 0, 0, "0000"},
        {"qwen2", "{\"sliding_window\": 7}", 8, 2, QKV, 0, "0000"},
        {"qwen2", "{\"sliding_window\": 7, \"use_sliding_window\": false}", 8, 2, QKV, 0, "0000"},
        {"qwen2", "{\"sliding_window\": 7, \"use_sliding_window\": true}", 8, 2, QKV, 0, "0000"},
        {"qwen2", "{\"sliding_window\": 7, \"use_sliding_window\": true, \"max_window_layers\": 3}",
         8, 2, QKV, 7, "0001"},
        {"qwen2",
         "{\"sliding_window\": null, \"use_sliding_window\": true, \"max_window_layers\": 3}", 8, 2,
         QKV, 0, "0000"},
        {"qwen2",
         "{\"max_position_embeddings\": 9999, \"head_dim\": 4, \"use_sliding_window\": true, "
         "\"max_window_layers\": 0}",
         4, 2, QKV, 4096, "1111"},
        {"qwen3", "{}", 128, 2, NORMS, 0, "0000"},
        {"qwen3", "{\"head_dim\": 16, \"attention_bias\": true}", 16, 2, NORMS | QKV | OUT, 0,
         "0000"},
        {"qwen3",
         "{\"sliding_window\": 7, \"use_sliding_window\": true, \"max_window_layers\": 0,"
         "\"layer_types\": [\"full_attention\", \"sliding_attention\", \"full_attention\","
         "\"full_attention\"]}",
         128, 2, NORMS, 7, "0100"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        yoco_model_shape *m = shape_of(rows[i].type, rows[i].fields);
        assert_int_equal(m->n_layers, 4);
        assert_true(m->norm_eps == 1e-6f && m->embed_scale == 1 && !m->tied);
        assert_int_equal(m->n_ends, 2);
        for (int j = 0; j < m->n_layers; j++) {
            const yoco_layer_shape *l = &m->layers[j];
            bool slides = rows[i].windows[j] == '1';
            assert_int_equal(l->kind, slides ? YOCO_LAYER_WINDOW : YOCO_LAYER_ATTENTION);
            assert_int_equal(l->window, slides ? rows[i].window : 0);
            assert_int_equal(l->source, j);
            assert_int_equal(l->k_dim, rows[i].head_dim);
            assert_int_equal(l->v_dim, rows[i].head_dim);
            assert_int_equal(l->n_kv_heads, rows[i].n_kv_heads);
            assert_int_equal(l->traits, rows[i].traits);
            assert_int_equal(l->hidden_dim, 56);
            assert_true(m->rotations[l->rotation].halves);
            assert_true(m->rotations[l->rotation].theta == 10000);
        }
        yoco_free(m);
    }
}

static void test_scaled(void **state)
{
    (void)state;
    yoco_model_shape *m =
        shape_of("llama", "{\"rope_theta\": 5e5, \"rope_scaling\": {\"rope_type\": \"llama3\","
                          "\"factor\": 8, \"low_freq_factor\": 1, \"high_freq_factor\": 4,"
                          "\"original_max_position_embeddings\": 64}, \"rms_norm_eps\": 1e-5,"
                          "\"tie_word_embeddings\": true}");
    const yoco_rotation *r = &m->rotations[m->layers[0].rotation];
    assert_int_equal(m->n_rotations, 1);
    assert_int_equal(r->head_dim, 8);
    assert_int_equal(r->scaling, YOCO_ROPE_LLAMA3);
    assert_true(r->theta == 5e5 && r->factor == 8 && r->slow == 1 && r->fast == 4);
    assert_true(r->original == 64 && m->norm_eps == 1e-5f && m->tied);
    yoco_free(m);
}

static void test_tensors(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "model.embed_tokens.weight",
        "lm_head.weight",
        "model.layers.3.input_layernorm.weight",
        "model.layers.3.self_attn.q_proj.weight",
        "model.layers.3.self_attn.k_proj.weight",
        "model.layers.3.self_attn.v_proj.weight",
        "model.layers.3.self_attn.q_proj.bias",
        "model.layers.3.self_attn.k_proj.bias",
        "model.layers.3.self_attn.v_proj.bias",
        "model.layers.3.self_attn.q_norm.weight",
        "model.layers.3.self_attn.k_norm.weight",
        "model.layers.3.self_attn.o_proj.weight",
        "model.layers.3.self_attn.o_proj.bias",
        "model.layers.3.post_attention_layernorm.weight",
        "model.layers.3.mlp.gate_proj.weight",
        "model.layers.3.mlp.up_proj.weight",
        "model.layers.3.mlp.down_proj.weight",
        "model.norm.weight",
    };
    yoco_model_shape *m = shape_of("qwen3", "{\"attention_bias\": true, \"head_dim\": 16}");
    yoco_tensor_spec *specs;
    int n;
    assert_int_equal(yoco_model_tensors(m, &specs, &n), YOCO_OK);
    assert_int_equal(n, 3 + 4 * 15);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_string_equal(specs[i].name, wanted[i]);
    assert_int_equal(specs[3].shape[0], 6 * 16);
    assert_int_equal(specs[3].shape[1], 48);
    assert_int_equal(specs[4].shape[0], 2 * 16);
    assert_int_equal(specs[9].shape[0], 16);
    assert_int_equal(specs[10].shape[0], 16);
    yoco_free(specs);
    yoco_free(m);
}

static void test_ignored_tensors(void **state)
{
    (void)state;
    static const char *const types[] = {"llama", "mistral", "qwen2", "qwen3"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        yoco_model_shape *m = shape_of(types[i], "{}");
        assert_string_equal(yoco_shape_model_type(m), types[i]);
        assert_true(m->family->ignores("model.layers.0.self_attn.rotary_emb.inv_freq"));
        assert_false(m->family->ignores("model.layers.0.self_attn.q_proj.bias"));
        assert_false(m->family->ignores("inv_freq"));
        yoco_free(m);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *type, *fields, *line;
    } rows[] = {
        {"llama", "{\"hidden_act\": \"gelu\"}", "config.json: field hidden_act is \"gelu\""},
        {"llama", "{\"mlp_bias\": true}", "mlp_bias true is not supported"},
        {"llama", "{\"mlp_bias\": 1}", "mlp_bias is 1"},
        {"llama", "{\"attention_bias\": \"q\"}", "attention_bias is \"q\""},
        {"llama", "{\"quantization_config\": {\"quant_method\": \"awq\"}}",
         "quantization \"awq\" is not supported"},
        {"llama", "{\"partial_rotary_factor\": 0.5}", "partial_rotary_factor is not supported"},
        {"llama", "{\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}}",
         "rope_scaling.type is \"dynamic\""},
        {"llama", "{\"hidden_size\": 42}",
         "hidden_size 42 does not split into 6 heads (num_attention_heads) of equal and even"},
        {"llama", "{\"hidden_size\": 50}", "hidden_size 50 does not split into 6 heads"},
        {"llama", "{\"head_dim\": 9}", "or head_dim is odd"},
        {"llama", "{\"head_dim\": 0}", "head_dim is 0"},
        {"llama", "{\"head_dim\": 4096, \"num_attention_heads\": 2048}",
         "2048 heads of 4096 are wider than 4194304 together"},
        {"llama", "{\"num_key_value_heads\": 4}", "is not a multiple of num_key_value_heads 4"},
        {"llama", "{\"num_attention_heads\": 0}", "num_attention_heads is 0"},
        {"llama", "{\"num_hidden_layers\": 0}", "num_hidden_layers is 0"},
        {"llama", "{\"intermediate_size\": \"absent\"}", "intermediate_size is missing"},
        {"llama", "{\"max_position_embeddings\": \"absent\"}",
         "max_position_embeddings is missing"},
        {"llama", "{\"vocab_size\": null}", "vocab_size is null"},
        {"llama", "{\"rms_norm_eps\": 2}", "rms_norm_eps is 2"},
        {"llama", "{\"eos_token_id\": 120}", "eos_token_id is 120"},
        {"llama",
         "{\"layer_types\": [\"full_attention\", \"sliding_attention\", \"full_attention\","
         "\"full_attention\"], \"sliding_window\": 9}",
         "layer_types has \"sliding_attention\" for layer 1; supported are full_attention where no "
         "sliding_window is used"},
        {"mistral", "{\"sliding_window\": 0}", "sliding_window is 0"},
        {"mistral", "{\"layer_types\": [\"full_attention\"]}", "layer_types is no list of 4"},
        {"mistral", "{\"layer_types\": \"full_attention\"}", "layer_types is no list of 4"},
        {"mistral", "{\"num_key_value_heads\": \"absent\"}",
         "is not a multiple of num_key_value_heads 8"},
        {"qwen3",
         "{\"layer_types\": [\"full_attention\", \"full_attention\", \"linear_attention\","
         "\"full_attention\"], \"use_sliding_window\": true}",
         "layer_types has \"linear_attention\" for layer 2; supported are full_attention, "
         "sliding_attention"},
        {"qwen3", "{\"layer_types\": [1, 2, 3, 4]}", "layer_types has 1 for layer 0"},
        {"qwen2", "{\"use_sliding_window\": 1}", "use_sliding_window is 1"},
        {"qwen2", "{\"use_sliding_window\": true, \"max_window_layers\": -1}",
         "max_window_layers is -1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = config(rows[i].type, rows[i].fields);
        yoco_model_shape *shape = NULL;
        log_begin();
        yoco_status status = yoco_model_shape_parse("config.json", text, strlen(text), &shape);
        log_end(rows[i].line);
        assert_int_equal(status, YOCO_ERR_DATA);
        assert_null(shape);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers),  cmocka_unit_test(test_scaled),
        cmocka_unit_test(test_tensors), cmocka_unit_test(test_ignored_tensors),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("configs_llama", tests, NULL, NULL);
}
