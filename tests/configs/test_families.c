/* Folders of Hugging Face: which family a config is of, what is refused, and where weights stand.
 */
#include "configs/model/family.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *source_folder;

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
        {"m/config.json", "{\"model_type\": \"mistral\"}",
         "m/config.json: model_type \"mistral\" is not supported; supported are: params.json of "
         "the "
         "authors' release"},
        {"any.json", "{\"model_type\": \"mistral\"}", "\"mistral\" is not supported"},
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

static void folder_refused(const char *folder, const char *line)
{
    yoco_checkpoint *c = NULL;
    log_begin();
    yoco_status status = yoco_checkpoint_open(folder, &c);
    log_end(line);
    assert_int_not_equal(status, YOCO_OK);
    assert_null(c);
}

/* Where the weights, or all of a model, are of another format. */
static void test_weights_of_others(void **state)
{
    (void)state;
    static const struct {
        const char *file, *line;
    } rows[] = {
        {"model-Q4_K_M.gguf", "it holds model-Q4_K_M.gguf, weights in the GGUF format: download"},
        {"pytorch_model.bin", "pytorch_model.bin, weights pickled by PyTorch: download"},
        {"pytorch_model.bin.index.json", "the index of weights pickled by PyTorch"},
        {"adapter_model.safetensors", "an adapter, which changes another model's weights: merge"},
        {"consolidated.00.pth", "consolidated.00.pth, weights pickled by PyTorch"},
        {"weights.safetensors", "safetensors under another name: call the file model.safetensors"},
        {"checkpoint.pth", "convert it (tools/convert_checkpoint.py)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = folder_create();
        text_write(path_in(folder, rows[i].file), "x");
        folder_refused(folder, rows[i].line);
        file_copy(path_in(source_folder, "tests/reference/swa-tiny/params.json"),
                  path_in(folder, "params.json"));
        folder_refused(folder, rows[i].line);
        folder_remove(folder);
    }
}

/* In place of a config: looked at before it is read. */
static void test_config_of_another_format(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } rows[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
         "config.json is a Git LFS pointer, not the file itself: fetch the file (git lfs pull)"},
        {"<!DOCTYPE html><html></html>", "config.json is a page of HTML"},
        {"PK\x03\x04", "config.json is a ZIP archive"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = folder_create();
        text_write(path_in(folder, "config.json"), rows[i].text);
        folder_refused(folder, rows[i].line);
        folder_remove(folder);
    }
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

int main(int argc, char **argv)
{
    source_folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_types_that_are_none),
        cmocka_unit_test(test_weights_of_others),
        cmocka_unit_test(test_config_of_another_format),
        cmocka_unit_test(test_extra_tensors),
        cmocka_unit_test(test_fused_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
