/* qwen3_5, qwen3_5_text and olmo_hybrid: their layers, where their weights stand, under which names
 * files may have them, and what is refused. */
#include "configs/model/family.h"

#include "fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *source_folder;

static const char qwen[] =
    "{\"model_type\": \"qwen3_5_text\", \"hidden_size\": 32, \"num_hidden_layers\": 4,\n"
    "\"intermediate_size\": 40, \"num_attention_heads\": 4, \"num_key_value_heads\": 2,\n"
    "\"head_dim\": 16, \"linear_num_key_heads\": 2, \"linear_num_value_heads\": 4,\n"
    "\"linear_key_head_dim\": 6, \"linear_value_head_dim\": 10, \"hidden_act\": \"silu\",\n"
    "\"attn_output_gate\": true, \"vocab_size\": 50, \"max_position_embeddings\": 4096,\n"
    "\"layer_types\": [\"linear_attention\", \"full_attention\", \"linear_attention\",\n"
    "\"full_attention\"], \"rope_parameters\": {\"rope_theta\": 1e7,\n"
    "\"rope_type\": \"default\", \"mrope_section\": [1, 1, 0]}}";

static const char olmo[] =
    "{\"model_type\": \"olmo_hybrid\", \"hidden_size\": 48, \"num_hidden_layers\": 4,\n"
    "\"intermediate_size\": 40, \"num_attention_heads\": 4, \"vocab_size\": 50,\n"
    "\"hidden_act\": \"silu\", \"rope_parameters\": null, \"max_position_embeddings\": 4096}";

/* A config in which one place is another text. */
static char *changed(const char *text, const char *from, const char *to)
{
    static char out[4096];
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static yoco_model_shape *shape_of(const char *text)
{
    yoco_model_shape *shape;
    assert_int_equal(yoco_model_shape_parse("config.json", text, strlen(text), &shape), YOCO_OK);
    return shape;
}

static void test_qwen_layers(void **state)
{
    (void)state;
    yoco_model_shape *m = shape_of(qwen);
    assert_int_equal(m->n_layers, 4);
    assert_int_equal(yoco_shape_last_kept(m), 3);
    assert_int_equal(yoco_shape_n_merged(m), 2);
    assert_true(!m->tied && m->final_norm_less_1 && m->norm_eps == 1e-6f);
    for (int i = 0; i < m->n_layers; i++) {
        const yoco_layer_shape *l = &m->layers[i];
        assert_int_equal(l->source, i);
        assert_int_equal(l->hidden_dim, 40);
        assert_true(l->traits & YOCO_TRAIT_NORM_LESS_1);
        assert_int_equal(l->kind, i % 2 ? YOCO_LAYER_ATTENTION : YOCO_LAYER_DELTA);
        if (l->kind == YOCO_LAYER_DELTA) {
            assert_true(l->n_heads == 4 && l->n_kv_heads == 2 && l->k_dim == 6 && l->v_dim == 10);
            assert_true(l->n_taps == 4 && l->beta_scale == 1 && l->out_eps == 1e-6f);
            assert_int_equal(l->rotation, -1);
        } else {
            assert_true(l->n_heads == 4 && l->n_kv_heads == 2 && l->k_dim == 16 && l->v_dim == 16);
            assert_int_equal(l->traits & ~YOCO_TRAIT_NORM_LESS_1,
                             YOCO_TRAIT_Q_NORM | YOCO_TRAIT_K_NORM | YOCO_TRAIT_OUT_GATE);
            const yoco_rotation *r = &m->rotations[l->rotation];
            assert_true(r->halves && r->theta == 1e7);
            assert_int_equal(yoco_rotation_width(r), 4); /* a quarter, if nothing says it */
        }
    }
    yoco_free(m);
}

static int n_full(const yoco_model_shape *m, int *first)
{
    int n = 0;
    for (int i = m->n_layers; i-- > 0;) {
        if (m->layers[i].kind != YOCO_LAYER_ATTENTION)
            continue;
        *first = i;
        n++;
    }
    return n;
}

/* Without layer_types every so many layers one is full. */
static void test_qwen_interval(void **state)
{
    (void)state;
    static const char types[] = "\"layer_types\": [\"linear_attention\", \"full_attention\", "
                                "\"linear_attention\",\n\"full_attention\"]";
    int first = -1;
    yoco_model_shape *m = shape_of(changed(qwen, types, "\"layer_types\": null"));
    assert_int_equal(n_full(m, &first), 1);
    assert_int_equal(first, 3);
    yoco_free(m);
    m = shape_of(changed(qwen, types, "\"full_attention_interval\": 2"));
    assert_int_equal(n_full(m, &first), 2);
    assert_int_equal(first, 1);
    yoco_free(m);
}

/* The part that turns: beside the parameters, or among them, which counts more. */
static void test_qwen_rotation(void **state)
{
    (void)state;
    yoco_model_shape *m =
        shape_of(changed(qwen, "\"head_dim\"", "\"partial_rotary_factor\": 0.5, \"head_dim\""));
    assert_int_equal(yoco_rotation_width(&m->rotations[0]), 8);
    yoco_free(m);
    m = shape_of(changed(qwen, "\"rope_type\"", "\"partial_rotary_factor\": 1, \"rope_type\""));
    assert_int_equal(yoco_rotation_width(&m->rotations[0]), 16);
    yoco_free(m);
}

static char *nested(const char *outside)
{
    static char out[4096];
    snprintf(out, sizeof out, "{\"model_type\": \"qwen3_5\", %s\"text_config\": %s}", outside,
             qwen);
    return out;
}

/* The whole decides on tied embeddings; tensors have its prefix. */
static void test_qwen_whole(void **state)
{
    (void)state;
    char text[4096];
    snprintf(text, sizeof text, "%s", nested("\"tie_word_embeddings\": true, "));
    yoco_model_shape *m = shape_of(text);
    assert_true(m->tied);
    assert_string_equal(yoco_shape_model_type(m), "qwen3_5");
    yoco_free(m);
    snprintf(text, sizeof text, "%s",
             changed(nested("\"tie_word_embeddings\": false, "), "\"head_dim\"",
                     "\"tie_word_embeddings\": true, \"head_dim\""));
    m = shape_of(text);
    assert_false(m->tied);
    yoco_free(m);
    snprintf(text, sizeof text, "%s",
             changed(nested(""), "\"model_type\": \"qwen3_5_text\", ", "\"eos_token_id\": 7, "));
    m = shape_of(text);
    assert_int_equal(m->n_layers, 4);
    assert_true(m->n_ends == 1 && m->ends[0] == 7);
    yoco_free(m);
}

static const yoco_tensor_spec *spec_of(const yoco_tensor_spec *specs, int n, int layer,
                                       yoco_role role)
{
    for (int i = 0; i < n; i++)
        if (specs[i].layer == layer && (layer < 0 || specs[i].rule.role == role))
            return &specs[i];
    fail_msg("layer %d has no tensor of role %d", layer, role);
    return NULL;
}

static void test_qwen_tensors(void **state)
{
    (void)state;
    static const struct {
        int layer;
        yoco_role role;
        const char *name;
        int64_t first_row, n_rows, group, stride;
    } rows[] = {
        {0, YOCO_ROLE_MIXER_NORM, "model.layers.0.input_layernorm.weight", 0, 32, 0, 0},
        {0, YOCO_ROLE_Q, "model.layers.0.linear_attn.in_proj_qkv.weight", 0, 64, 0, 0},
        {0, YOCO_ROLE_K, "model.layers.0.linear_attn.in_proj_qkv.weight", 12, 64, 0, 0},
        {0, YOCO_ROLE_V, "model.layers.0.linear_attn.in_proj_qkv.weight", 24, 64, 0, 0},
        {0, YOCO_ROLE_K_TAPS, "model.layers.0.linear_attn.conv1d.weight", 12, 64, 0, 0},
        {0, YOCO_ROLE_V_TAPS, "model.layers.0.linear_attn.conv1d.weight", 24, 64, 0, 0},
        {2, YOCO_ROLE_G, "model.layers.2.linear_attn.in_proj_z.weight", 0, 40, 0, 0},
        {2, YOCO_ROLE_DECAY, "model.layers.2.linear_attn.in_proj_a.weight", 0, 4, 0, 0},
        {2, YOCO_ROLE_BETA, "model.layers.2.linear_attn.in_proj_b.weight", 0, 4, 0, 0},
        {2, YOCO_ROLE_OUT_NORM, "model.layers.2.linear_attn.norm.weight", 0, 10, 0, 0},
        {2, YOCO_ROLE_OUT, "model.layers.2.linear_attn.out_proj.weight", 0, 32, 0, 0},
        {1, YOCO_ROLE_Q, "model.layers.1.self_attn.q_proj.weight", 0, 128, 16, 32},
        {1, YOCO_ROLE_G, "model.layers.1.self_attn.q_proj.weight", 16, 128, 16, 32},
        {1, YOCO_ROLE_K, "model.layers.1.self_attn.k_proj.weight", 0, 32, 0, 0},
        {1, YOCO_ROLE_K_NORM, "model.layers.1.self_attn.k_norm.weight", 0, 16, 0, 0},
        {1, YOCO_ROLE_OUT, "model.layers.1.self_attn.o_proj.weight", 0, 32, 0, 0},
        {3, YOCO_ROLE_FFN_NORM, "model.layers.3.post_attention_layernorm.weight", 0, 32, 0, 0},
    };
    yoco_model_shape *m = shape_of(qwen);
    yoco_tensor_spec *specs;
    int n;
    assert_int_equal(yoco_model_tensors(m, &specs, &n), YOCO_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const yoco_tensor_spec *spec = spec_of(specs, n, rows[i].layer, rows[i].role);
        bool is_norm = rows[i].role == YOCO_ROLE_MIXER_NORM || rows[i].role == YOCO_ROLE_FFN_NORM ||
                       rows[i].role == YOCO_ROLE_K_NORM;
        assert_string_equal(spec->name, rows[i].name);
        assert_int_equal(spec->first_row, rows[i].first_row);
        assert_int_equal(spec->shape[0], rows[i].n_rows);
        assert_int_equal(spec->group_rows, rows[i].group);
        assert_int_equal(spec->group_stride, rows[i].stride);
        assert_int_equal(spec->rule.is_less_1, is_norm);
    }
    assert_true(spec_of(specs, n, YOCO_TENSOR_FINAL_NORM, 0)->rule.is_less_1);
    yoco_free(specs);
    yoco_free(m);
    m = shape_of(nested(""));
    assert_int_equal(yoco_model_tensors(m, &specs, &n), YOCO_OK);
    assert_string_equal(spec_of(specs, n, 1, YOCO_ROLE_OUT)->name,
                        "model.language_model.layers.1.self_attn.o_proj.weight");
    assert_string_equal(spec_of(specs, n, YOCO_TENSOR_OUTPUT, 0)->name, "lm_head.weight");
    assert_string_equal(spec_of(specs, n, YOCO_TENSOR_FINAL_NORM, 0)->name,
                        "model.language_model.norm.weight");
    yoco_free(specs);
    yoco_free(m);
}

/* The smallest released model: 12,288 bytes of K,V for each token, in 6 of 24 layers. */
static void test_released_shape(void **state)
{
    (void)state;
    char path[4096];
    yoco_model_shape *m;
    int first = -1;
    snprintf(path, sizeof path, "%s/configs/shapes/qwen3.5-0.8b.json", source_folder);
    assert_int_equal(yoco_model_shape_load(path, &m), YOCO_OK);
    assert_int_equal(n_full(m, &first), 6);
    assert_int_equal(2 * yoco_shape_kept_width(m), 12288);
    assert_int_equal(yoco_rotation_width(&m->rotations[0]), 64);
    yoco_free(m);
}

/* Sizes that the config leaves out; norms behind the full layers only. */
static void test_olmo_layers(void **state)
{
    (void)state;
    yoco_model_shape *m = shape_of(olmo);
    const yoco_layer_shape *delta = &m->layers[0], *full = &m->layers[3];
    assert_true(delta->kind == YOCO_LAYER_DELTA && delta->n_heads == 4 && delta->n_kv_heads == 4);
    assert_true(delta->k_dim == 9 && delta->v_dim == 18 && delta->traits == 0);
    assert_true(delta->beta_scale == 2 && delta->out_eps == 1e-5f);
    assert_true(full->kind == YOCO_LAYER_ATTENTION && full->k_dim == 12 && full->n_kv_heads == 4);
    assert_int_equal(full->traits,
                     YOCO_TRAIT_POST_NORM | YOCO_TRAIT_NO_PRE_NORM | YOCO_TRAIT_WIDE_NORMS);
    assert_true(full->rotation == -1 && m->n_rotations == 0 && !m->final_norm_less_1);
    yoco_free(m);
    m = shape_of(changed(olmo, "null", "{\"rope_theta\": 5e5}"));
    assert_true(m->layers[3].rotation == 0 && m->rotations[0].theta == 5e5);
    yoco_free(m);
    m = shape_of(changed(olmo, "null",
                         "{\"rope_theta\": null}, "
                         "\"linear_allow_neg_eigval\": false"));
    assert_true(m->n_rotations == 0 && m->layers[0].beta_scale == 1);
    yoco_free(m);
}

static void test_olmo_tensors(void **state)
{
    (void)state;
    yoco_model_shape *m = shape_of(olmo);
    yoco_tensor_spec *specs;
    int n;
    assert_int_equal(yoco_model_tensors(m, &specs, &n), YOCO_OK);
    assert_string_equal(spec_of(specs, n, 0, YOCO_ROLE_MIXER_NORM)->name,
                        "model.layers.0.attention_layer_norm.weight");
    assert_string_equal(spec_of(specs, n, 0, YOCO_ROLE_V_TAPS)->name,
                        "model.layers.0.linear_attn.v_conv1d.weight");
    assert_string_equal(spec_of(specs, n, 3, YOCO_ROLE_MIXER_OUT_NORM)->name,
                        "model.layers.3.post_attention_layernorm.weight");
    assert_string_equal(spec_of(specs, n, 3, YOCO_ROLE_FFN_OUT_NORM)->name,
                        "model.layers.3.post_feedforward_layernorm.weight");
    assert_int_equal(spec_of(specs, n, 3, YOCO_ROLE_Q_NORM)->rule.n_out, 48);
    for (int i = 0; i < n; i++)
        assert_false(specs[i].layer == 3 && (specs[i].rule.role == YOCO_ROLE_MIXER_NORM ||
                                             specs[i].rule.role == YOCO_ROLE_FFN_NORM));
    yoco_free(specs);
    yoco_free(m);
}

/* Every tensor of both, whatever its rows' places, and both hashes. */
static void check_same(const yoco_checkpoint *a, const yoco_checkpoint *b)
{
    yoco_hash left, right;
    for (int i = 0; i < a->shape->n_layers; i++) {
        for (int role = 0; role < YOCO_N_ROLES; role++) {
            const yoco_tensor *x = a->layers[i].role[role], *y = b->layers[i].role[role];
            assert_int_equal(!x, !y);
            if (!x || !y)
                continue;
            assert_int_equal(x->bytes, y->bytes);
            char *rows = malloc(2 * x->bytes);
            yoco_tensor_gather(x, rows);
            yoco_tensor_gather(y, rows + x->bytes);
            assert_memory_equal(rows, rows + x->bytes, x->bytes);
            free(rows);
            yoco_tensor_release(b, y);
        }
    }
    assert_int_equal(yoco_checkpoint_hash(a, &left), YOCO_OK);
    assert_int_equal(yoco_checkpoint_hash(b, &right), YOCO_OK);
    assert_memory_equal(&left, &right, sizeof left);
}

static yoco_checkpoint *save_random(const char *text, yoco_dtype dtype, const char *folder)
{
    yoco_model_shape *m = shape_of(text);
    yoco_checkpoint *made;
    assert_int_equal(yoco_checkpoint_random(m, dtype, 3, &made), YOCO_OK);
    assert_int_equal(yoco_checkpoint_save(made, folder), YOCO_OK);
    yoco_free(m);
    return made;
}

static void check_round_trip(const char *text, yoco_dtype dtype)
{
    char *folder = folder_create();
    yoco_checkpoint *made = save_random(text, dtype, folder), *opened;
    assert_int_equal(yoco_checkpoint_open(folder, &opened), YOCO_OK);
    check_same(made, opened);
    yoco_checkpoint_close(opened);
    yoco_checkpoint_close(made);
    folder_remove(folder);
}

/* Groups of rows are written in their places and read back. */
static void test_round_trip(void **state)
{
    (void)state;
    check_round_trip(qwen, YOCO_F32);
    check_round_trip(qwen, YOCO_BF16);
    check_round_trip(nested(""), YOCO_F32);
    check_round_trip(olmo, YOCO_BF16);
}

/* Row r of q_proj is the query's or the gate's of its head. */
static void test_interleaved_rows(void **state)
{
    (void)state;
    char *folder = folder_create();
    yoco_checkpoint *made = save_random(qwen, YOCO_F32, folder);
    yoco_safetensors *file;
    assert_int_equal(yoco_safetensors_open(path_in(folder, "model.safetensors"), &file), YOCO_OK);
    const yoco_tensor *q = made->layers[1].role[YOCO_ROLE_Q],
                      *g = made->layers[1].role[YOCO_ROLE_G],
                      *both = yoco_safetensors_find(file, "model.layers.1.self_attn.q_proj.weight");
    assert_int_equal(both->shape[0], 128);
    for (int64_t row = 0; row < 128; row++) {
        const yoco_tensor *from = row / 16 % 2 ? g : q;
        int64_t at = row / 32 * 16 + row % 16;
        assert_memory_equal((const float *)both->data + row * 32,
                            (const float *)from->data + at * 32, 32 * sizeof(float));
    }
    yoco_safetensors_close(file);
    yoco_checkpoint_close(made);
    folder_remove(folder);
}

/* Calls tensors of a folder otherwise, where `from` occurs in their names behind layer `layer`. */
static void rename_tensors(const char *folder, int layer, const char *from, const char *to)
{
    const char *path = path_in(folder, "model.safetensors"), *copy = path_in(folder, "copy");
    yoco_safetensors *file;
    yoco_safetensors_writer *writer;
    char old[128], name[128];
    assert_int_equal(yoco_safetensors_open(path, &file), YOCO_OK);
    int n = yoco_safetensors_count(file), n_renamed = 0;
    yoco_tensor *list = calloc((size_t)n, sizeof *list);
    snprintf(old, sizeof old, "model.layers.%d.%s", layer, from);
    snprintf(name, sizeof name, "model.layers.%d.%s", layer, to);
    for (int i = 0; i < n; i++) {
        list[i] = *yoco_safetensors_at(file, i);
        if (strcmp(list[i].name, old) != 0)
            continue;
        list[i].name = name;
        n_renamed++;
    }
    assert_int_equal(n_renamed, 1);
    assert_int_equal(yoco_safetensors_create(copy, list, n, &writer), YOCO_OK);
    for (int i = 0; i < n; i++)
        assert_int_equal(yoco_safetensors_append(writer, list[i].data, list[i].bytes), YOCO_OK);
    assert_int_equal(yoco_safetensors_finish(writer), YOCO_OK);
    yoco_safetensors_close(file);
    assert_int_equal(rename(copy, path), 0);
    free(list);
}

static void check_opens_as(const yoco_checkpoint *made, const char *folder)
{
    yoco_checkpoint *opened;
    assert_int_equal(yoco_checkpoint_open(folder, &opened), YOCO_OK);
    for (int i = 0; i < made->shape->n_layers; i++) {
        const yoco_tensor *a = made->layers[i].role[YOCO_ROLE_FC1],
                          *b = opened->layers[i].role[YOCO_ROLE_FC1];
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    yoco_checkpoint_close(opened);
}

static void test_other_names(void **state)
{
    (void)state;
    char *folder = folder_create();
    yoco_checkpoint *made = save_random(qwen, YOCO_F32, folder), *opened;
    text_write(path_in(folder, "config.json"), nested(""));
    check_opens_as(made, folder);
    yoco_checkpoint_close(made);
    folder_remove(folder);

    folder = folder_create();
    made = save_random(nested(""), YOCO_F32, folder);
    text_write(path_in(folder, "config.json"), qwen);
    check_opens_as(made, folder);
    yoco_checkpoint_close(made);
    folder_remove(folder);

    folder = folder_create();
    made = save_random(olmo, YOCO_F32, folder);
    rename_tensors(folder, 0, "attention_layer_norm.weight", "input_layernorm.weight");
    rename_tensors(folder, 0, "feedforward_layer_norm.weight", "post_attention_layernorm.weight");
    rename_tensors(folder, 3, "post_attention_layernorm.weight", "feedforward_layer_norm.weight");
    check_opens_as(made, folder);
    rename_tensors(folder, 3, "feedforward_layer_norm.weight", "input_layernorm.weight");
    log_begin();
    yoco_status status = yoco_checkpoint_open(folder, &opened);
    log_end("tensor model.layers.3.input_layernorm.weight is none of the model");
    assert_int_equal(status, YOCO_ERR_DATA);
    yoco_checkpoint_close(made);
    folder_remove(folder);
}

static void check_refused(const char *text, const char *line)
{
    yoco_model_shape *shape = NULL;
    log_begin();
    yoco_status status = yoco_model_shape_parse("config.json", text, strlen(text), &shape);
    log_end(line);
    assert_int_equal(status, YOCO_ERR_DATA);
    assert_null(shape);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *line;
    } rows[] = {
        {"qwen3_5_text", "qwen3_5_moe_text", "model_type \"qwen3_5_moe_text\" is not supported"},
        {"\"head_dim\"", "\"num_experts\": 8, \"head_dim\"", "num_experts above 0"},
        {"\"head_dim\"", "\"attention_bias\": true, \"head_dim\"", "attention_bias true is not"},
        {"gate\": true", "gate\": false", "attn_output_gate false is not supported"},
        {"\"silu\"", "\"gelu\"", "hidden_act is \"gelu\""},
        {"\"default\"", "\"dynamic\"", "rope_parameters.rope_type is \"dynamic\""},
        {"[\"linear_attention\"", "[\"sliding_attention\"",
         "layer_types has \"sliding_attention\" for layer 0"},
        {"[\"linear_attention\", ", "[", "layer_types is no list of 4"},
        {"\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
         "is not a multiple of num_key_value_heads 3"},
        {"value_heads\": 4", "value_heads\": 3", "is not a multiple of linear_num_key_heads 2"},
        {"\"head_dim\": 16", "\"head_dim\": 17", "head_dim, or hidden_size / num_attention_heads"},
        {"\"head_dim\": 16", "\"head_dim\": 12",
         "partial_rotary_factor 0.25 of heads of 12 leaves no whole pairs"},
        {"value_head_dim\": 10", "value_head_dim\": 5000", "linear_value_head_dim is 5000"},
        {"\"head_dim\"", "\"linear_conv_kernel_dim\": 1, \"head_dim\"",
         "linear_conv_kernel_dim is 1"},
        {"\"head_dim\"", "\"quantization_config\": {\"quant_method\": \"fp8\"}, \"head_dim\"",
         "quantization \"fp8\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_refused(changed(qwen, rows[i].from, rows[i].to), rows[i].line);
    check_refused(changed(olmo, "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 3"),
                  "layer_types has no full_attention");
    check_refused(
        changed(olmo, "\"rope_parameters\": null",
                "\"rope_parameters\": {\"rope_theta\": 1e4, \"rope_type\": \"longrope\"}"),
        "rope_parameters.rope_type is \"longrope\"");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_qwen_layers),      cmocka_unit_test(test_qwen_interval),
        cmocka_unit_test(test_qwen_rotation),    cmocka_unit_test(test_qwen_whole),
        cmocka_unit_test(test_qwen_tensors),     cmocka_unit_test(test_olmo_layers),
        cmocka_unit_test(test_olmo_tensors),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_interleaved_rows), cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_refused),          cmocka_unit_test(test_released_shape),
    };
    source_folder = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests_name("configs_hybrid", tests, NULL, NULL);
}
