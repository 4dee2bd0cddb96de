/* phi4flash: its layers, where their weights stand, and what is refused. */
#include "configs/model/family.h"

#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *source_folder;

/* A config in which one field is another text. */
static char *config(const char *from, const char *to)
{
    static const char text[] =
        "{\"model_type\": \"phi4flash\", \"hidden_size\": 48, \"num_hidden_layers\": 8,\n"
        "\"intermediate_size\": 56, \"num_attention_heads\": 8, \"num_key_value_heads\": 4,\n"
        "\"sliding_window\": 40, \"mb_per_layer\": 2, \"hidden_act\": \"silu\",\n"
        "\"vocab_size\": 120, \"max_position_embeddings\": 4096, \"eos_token_id\": 2}";
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
    static const yoco_layer_kind kinds[] = {YOCO_LAYER_MAMBA,  YOCO_LAYER_WINDOW, YOCO_LAYER_MAMBA,
                                            YOCO_LAYER_WINDOW, YOCO_LAYER_MAMBA,  YOCO_LAYER_KEEP,
                                            YOCO_LAYER_CROSS,  YOCO_LAYER_GMU,    YOCO_LAYER_CROSS};
    static const int sources[] = {0, 1, 2, 3, 4, 5, 5, 4, 5};
    static const int release[] = {0, 1, 2, 3, 4, 5, 5, 6, 7};
    yoco_model_shape *m = shape_of(config("40", "[null, 40, null, 7]"));
    assert_int_equal(m->n_layers, 9);
    assert_int_equal(yoco_shape_last_kept(m), 5);
    assert_int_equal(yoco_shape_n_merged(m), 2);
    assert_int_equal(yoco_shape_kept_width(m), 2 * 24);
    assert_true(m->tied && m->final_norm_bias && m->embed_scale == 1.0f);
    for (int i = 0; i < m->n_layers; i++) {
        const yoco_layer_shape *l = &m->layers[i];
        assert_int_equal(l->kind, kinds[i]);
        assert_int_equal(l->source, sources[i]);
        assert_true(l->traits & YOCO_TRAIT_NORM_BIAS);
        assert_int_equal((l->traits & YOCO_TRAIT_MEMORY) != 0, i == 4);
        if (l->traits & YOCO_TRAIT_DIFFERENTIAL) {
            assert_true(fabs(l->lambda_init - (0.8 - 0.6 * exp(-0.3 * release[i]))) < 1e-6);
            assert_int_equal(yoco_layer_v_heads(l), 2);
            assert_int_equal(l->v_dim, 12);
            assert_int_equal(yoco_layer_out_width(l), 48);
            assert_int_equal(yoco_layer_heads_width(l), 96);
        }
        if (l->kind == YOCO_LAYER_MAMBA)
            assert_true(l->n_channels == 96 && l->n_states == 16 && l->n_taps == 4 &&
                        l->dt_rank == 3);
    }
    assert_int_equal(m->layers[1].window, 40);
    assert_int_equal(m->layers[3].window, 7);
    yoco_free(m);
}

static void check_spec(const yoco_tensor_spec *specs, int n, int layer, yoco_role role,
                       const char *name, int64_t first_row, int64_t n_rows)
{
    for (int i = 0; i < n; i++) {
        if (specs[i].layer != layer || specs[i].rule.role != role)
            continue;
        assert_string_equal(specs[i].name, name);
        assert_int_equal(specs[i].first_row, first_row);
        assert_int_equal(specs[i].shape[0], n_rows);
        return;
    }
    fail_msg("layer %d has no tensor of role %d", layer, role);
}

static void test_tensors(void **state)
{
    (void)state;
    static const struct {
        int layer;
        yoco_role role;
        const char *name;
        int64_t first_row, n_rows;
    } rows[] = {
        {0, YOCO_ROLE_X, "model.layers.0.attn.in_proj.weight", 0, 192},
        {0, YOCO_ROLE_G, "model.layers.0.attn.in_proj.weight", 96, 192},
        {4, YOCO_ROLE_DT_DOWN, "model.layers.4.attn.x_proj.weight", 0, 35},
        {4, YOCO_ROLE_STATE_IN, "model.layers.4.attn.x_proj.weight", 3, 35},
        {4, YOCO_ROLE_STATE_OUT, "model.layers.4.attn.x_proj.weight", 19, 35},
        {2, YOCO_ROLE_X_TAPS, "model.layers.2.attn.conv1d.weight", 0, 96},
        {1, YOCO_ROLE_Q, "model.layers.1.attn.Wqkv.weight", 0, 96},
        {1, YOCO_ROLE_K, "model.layers.1.attn.Wqkv.weight", 48, 96},
        {1, YOCO_ROLE_V_BIAS, "model.layers.1.attn.Wqkv.bias", 72, 96},
        {5, YOCO_ROLE_MIXER_NORM, "model.layers.5.input_layernorm.weight", 0, 48},
        {5, YOCO_ROLE_K, "model.layers.5.attn.Wqkv.weight", 48, 96},
        {6, YOCO_ROLE_MIXER_NORM, "model.layers.5.input_layernorm.weight", 0, 48},
        {6, YOCO_ROLE_Q, "model.layers.5.attn.Wqkv.weight", 0, 96},
        {6, YOCO_ROLE_GATE, "model.layers.5.mlp.fc1.weight", 56, 112},
        {7, YOCO_ROLE_G, "model.layers.6.attn.in_proj.weight", 0, 96},
        {8, YOCO_ROLE_Q, "model.layers.7.attn.Wqkv.weight", 0, 48},
    };
    yoco_model_shape *m = shape_of(config("40", "40"));
    yoco_tensor_spec *specs;
    int n;
    assert_int_equal(yoco_model_tensors(m, &specs, &n), YOCO_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_spec(specs, n, rows[i].layer, rows[i].role, rows[i].name, rows[i].first_row,
                   rows[i].n_rows);
    yoco_free(specs);
    yoco_free(m);
}

/* The released model: 5,120 bytes of K,V for each token, 8 attentions over them. */
static void test_released_shape(void **state)
{
    (void)state;
    char path[4096];
    yoco_model_shape *m;
    snprintf(path, sizeof path, "%s/configs/shapes/phi-4-mini-flash.json", source_folder);
    assert_int_equal(yoco_model_shape_load(path, &m), YOCO_OK);
    assert_int_equal(m->n_layers, 33);
    assert_int_equal(yoco_shape_last_kept(m), 17);
    assert_int_equal(yoco_shape_n_merged(m), 8);
    assert_int_equal(2 * yoco_shape_kept_width(m), 5120);
    yoco_free(m);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *line;
    } rows[] = {
        {": 8,\n", ": 6,\n", "num_hidden_layers 6 is not supported"},
        {"mb_per_layer\": 2", "mb_per_layer\": 3", "mb_per_layer 3 of num_hidden_layers 8"},
        {"hidden_size\": 48", "hidden_size\": 52", "does not split into 8 heads"},
        {"heads\": 4", "heads\": 3", "is not a multiple of num_key_value_heads 3"},
        {"heads\": 8", "heads\": 6", "is not a multiple of num_key_value_heads 4"},
        {"\"silu\"", "\"gelu\"", "hidden_act is \"gelu\""},
        {"window\": 40", "window\": null", "sliding_window is null"},
        {"window\": 40", "window\": [null, 40]", "no integer from 1 to 16777216 for layer 3"},
        {"window\": 40", "window\": [1, 0, 1, 1]", "for layer 1"},
        {"window\": 40", "window\": 40, \"mamba_d_state\": 33", "mamba_d_state is 33"},
        {"window\": 40", "window\": 40, \"mamba_d_conv\": 0", "mamba_d_conv is 0"},
        {"window\": 40", "window\": 40, \"mamba_dt_rank\": 97", "mamba_dt_rank is 97"},
        {"window\": 40", "window\": 40, \"mamba_dt_rank\": \"all\"", "mamba_dt_rank is \"all\""},
        {"window\": 40", "window\": 40, \"mamba_conv_bias\": false",
         "mamba_conv_bias false is not"},
        {"window\": 40", "window\": 40, \"mamba_proj_bias\": true", "mamba_proj_bias true is not"},
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
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_released_shape),
        cmocka_unit_test(test_refused),
    };
    source_folder = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests_name("configs_phi4flash", tests, NULL, NULL);
}
