#include "configs/model/checkpoint.h"

#include "fixture.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *source_folder;

static const char *reference(const char *name)
{
    return path_in(source_folder, path_in("tests/reference", name));
}

/* A folder with a reference model in it, for a test to spoil. */
static char *model_copy(const char *name)
{
    char *folder = folder_create();
    static const char *const files[] = {"params.json", "model.safetensors"};
    for (int i = 0; i < 2; i++)
        file_copy(path_in(reference(name), files[i]), path_in(folder, files[i]));
    return folder;
}

static void open_refused(const char *folder, yoco_status expected, const char *line)
{
    yoco_checkpoint *c = NULL;
    log_begin();
    yoco_status status = yoco_checkpoint_open(folder, &c);
    log_end(line);
    assert_int_equal(status, expected);
    assert_null(c);
}

/* What the release's layers have, by role + 1. */
static const char release_roles[] = {
    YOCO_ROLE_MIXER_NORM + 1, YOCO_ROLE_Q + 1,     YOCO_ROLE_K + 1,   YOCO_ROLE_V + 1,
    YOCO_ROLE_G + 1,          YOCO_ROLE_DECAY + 1, YOCO_ROLE_OUT + 1, YOCO_ROLE_FFN_NORM + 1,
    YOCO_ROLE_FC1 + 1,        YOCO_ROLE_GATE + 1,  YOCO_ROLE_FC2 + 1, 0};

static void layer_check(const yoco_checkpoint *c, int index)
{
    const yoco_layer_tensors *l = &c->layers[index];
    const yoco_model_config copy = config_of(c->shape), *config = &copy;
    int kept = config->n_layers / 2;
    bool retention = index < kept && config->sliding_window == 0;
    for (int role = 0; role < YOCO_N_ROLES; role++) {
        bool is_kv = role == YOCO_ROLE_K || role == YOCO_ROLE_V;
        bool wanted = role == YOCO_ROLE_G || role == YOCO_ROLE_DECAY ? retention
                      : index == kept ? is_kv || role == YOCO_ROLE_MIXER_NORM
                                      : index < kept || !is_kv;
        if (!strchr(release_roles, role + 1))
            wanted = false;
        assert_int_equal(l->role[role] != NULL, wanted);
    }
    if (index == kept) {
        assert_int_equal(l->role[YOCO_ROLE_K]->shape[0], yoco_config_kv_dim(config));
        return;
    }
    assert_int_equal(l->role[YOCO_ROLE_FC2]->shape[0], config->dim);
    assert_int_equal(l->role[YOCO_ROLE_FC2]->shape[1], config->hidden_dim);
}

static void test_open_references(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        yoco_dtype dtype;
    } rows[] = {{"swa-tiny", YOCO_F32},        {"gret-tiny", YOCO_F32}, {"swa-gqa-bf16", YOCO_BF16},
                {"gret-wide-bf16", YOCO_BF16}, {"swa-tied", YOCO_F32},  {"swa-branches", YOCO_F32},
                {"gret-branches", YOCO_F32}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        yoco_checkpoint *c;
        assert_int_equal(yoco_checkpoint_open(reference(rows[i].name), &c), YOCO_OK);
        assert_int_equal(c->dtype, rows[i].dtype);
        assert_non_null(c->final_norm);
        assert_int_equal(c->output_projection == c->embed_tokens,
                         config_of(c->shape).share_input_output_embed);
        assert_int_equal(c->shape->n_layers, config_of(c->shape).n_layers + 1);
        for (int layer = 0; layer < c->shape->n_layers; layer++)
            layer_check(c, layer);
        yoco_checkpoint_close(c);
    }
}

/* The slots hold the tensors of those names, not others of the same shape. */
static void test_slots(void **state)
{
    (void)state;
    yoco_checkpoint *c;
    assert_int_equal(yoco_checkpoint_open(reference("gret-tiny"), &c), YOCO_OK);
    const struct {
        const yoco_tensor *tensor;
        const char *name;
    } rows[] = {
        {c->embed_tokens, "embed_tokens.weight"},
        {c->output_projection, "output_projection.weight"},
        {c->layers[2].role[YOCO_ROLE_MIXER_NORM], "cross_decoder.kv_layer_norm.weight"},
        {c->layers[2].role[YOCO_ROLE_K], "cross_decoder.k_proj.weight"},
        {c->layers[2].role[YOCO_ROLE_V], "cross_decoder.v_proj.weight"},
        {c->final_norm, "layer_norm.weight"},
        {c->layers[1].role[YOCO_ROLE_MIXER_NORM], "self_decoder.layers.1.mixer_layer_norm.weight"},
        {c->layers[1].role[YOCO_ROLE_Q], "self_decoder.layers.1.mixer.q_proj.weight"},
        {c->layers[1].role[YOCO_ROLE_K], "self_decoder.layers.1.mixer.k_proj.weight"},
        {c->layers[1].role[YOCO_ROLE_V], "self_decoder.layers.1.mixer.v_proj.weight"},
        {c->layers[1].role[YOCO_ROLE_G], "self_decoder.layers.1.mixer.g_proj.weight"},
        {c->layers[1].role[YOCO_ROLE_DECAY], "self_decoder.layers.1.mixer.gt_proj.weight"},
        {c->layers[1].role[YOCO_ROLE_OUT], "self_decoder.layers.1.mixer.out_proj.weight"},
        {c->layers[3].role[YOCO_ROLE_FFN_NORM], "cross_decoder.layers.0.final_layer_norm.weight"},
        {c->layers[3].role[YOCO_ROLE_FC1], "cross_decoder.layers.0.ffn.fc1.weight"},
        {c->layers[3].role[YOCO_ROLE_GATE], "cross_decoder.layers.0.ffn.gate.weight"},
        {c->layers[4].role[YOCO_ROLE_FC2], "cross_decoder.layers.1.ffn.fc2.weight"},
        {c->layers[4].role[YOCO_ROLE_Q], "cross_decoder.layers.1.mixer.q_proj.weight"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(rows[i].tensor->name, rows[i].name);
    yoco_checkpoint_close(c);
}

static void test_release_keeps_data(void **state)
{
    (void)state;
    yoco_checkpoint *c;
    assert_int_equal(yoco_checkpoint_open(reference("swa-tiny"), &c), YOCO_OK);
    const yoco_tensor *t = c->embed_tokens;
    char *copy = malloc(t->bytes);
    memcpy(copy, t->data, t->bytes);
    yoco_tensor_release(c, t);
    yoco_tensor_release(c, c->final_norm);
    assert_memory_equal(t->data, copy, t->bytes);
    free(copy);
    yoco_checkpoint_close(c);
}

static void test_absent_files(void **state)
{
    (void)state;
    open_refused("/no/such/folder", YOCO_ERR_OPEN, "cannot open /no/such/folder/params.json");
    char *folder = model_copy("swa-tiny");
    unlink(path_in(folder, "model.safetensors"));
    open_refused(folder, YOCO_ERR_OPEN, "neither model.safetensors nor");
    unlink(path_in(folder, "params.json"));
    open_refused(folder, YOCO_ERR_OPEN, "params.json or config.json: No such file");
    folder_remove(folder);
}

/* Patches of the same length in params.json or the header, and the line that each must give. */
static void test_spoiled_models(void **state)
{
    (void)state;
    static const struct {
        const char *file, *from, *to, *line;
    } rows[] = {
        {"params.json", "\"vocab_size\": 512", "\"vocab_size\": 513",
         "tensor embed_tokens.weight has shape (512, 64); params.json asks for (513, 64)"},
        {"params.json", "\"hidden_dim\": 176", "\"hidden_dim\": 177",
         "has shape (176, 64); params.json asks for (177, 64)"},
        {"params.json", "\"n_attn_kv_heads\": 2", "\"n_attn_kv_heads\": 4",
         "tensor cross_decoder.k_proj.weight has shape (32, 64); params.json asks for (64, 64)"},
        {"params.json", "\"n_layers\": 4", "\"n_layers\": 6",
         "tensor self_decoder.layers.2.mixer_layer_norm.weight is missing"},
        {"params.json", "\"n_layers\": 4", "\"n_layers\": 2",
         "tensor self_decoder.layers.1.mixer.q_proj.weight is none of the model"},
        {"params.json", ": 32\n}", ":null}",
         "tensor self_decoder.layers.0.mixer.g_proj.weight is missing"},
        {"model.safetensors", "\"layer_norm.weight", "\"layer_norm.weighs",
         "tensor layer_norm.weighs is none of the model"},
        {"model.safetensors", "self_decoder.layers.0.mixer.q_proj",
         "self_decoder.layers.00mixer.q_proj",
         "tensor self_decoder.layers.00mixer.q_proj.weight is none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *folder = model_copy("swa-tiny");
        file_patch(path_in(folder, rows[i].file), rows[i].from, rows[i].to);
        open_refused(folder, YOCO_ERR_DATA, rows[i].line);
        folder_remove(folder);
    }
}

static void test_truncated_weights(void **state)
{
    (void)state;
    char *folder = model_copy("swa-tiny");
    const char *path = path_in(folder, "model.safetensors");
    assert_int_equal(truncate(path, 1000000), 0);
    open_refused(folder, YOCO_ERR_DATA, "is not within");
    assert_int_equal(truncate(path, 100), 0);
    open_refused(folder, YOCO_ERR_DATA, "beyond the file");
    assert_int_equal(truncate(path, 0), 0);
    open_refused(folder, YOCO_ERR_DATA, "too few");
    folder_remove(folder);
}

/* --- Models made here: the tensors of a checkpoint written again, changed by a test. --- */

enum { MAX_TENSORS = 64 };

typedef struct tensor_list {
    yoco_safetensors *file;
    int n;
    yoco_tensor tensors[MAX_TENSORS];
} tensor_list;

static void list_read(const char *folder, tensor_list *list)
{
    assert_int_equal(yoco_safetensors_open(path_in(folder, "model.safetensors"), &list->file),
                     YOCO_OK);
    list->n = yoco_safetensors_count(list->file);
    assert_true(list->n < MAX_TENSORS);
    for (int i = 0; i < list->n; i++)
        list->tensors[i] = *yoco_safetensors_at(list->file, i);
}

static void tensors_write(const char *path, const yoco_tensor *tensors, int n)
{
    yoco_safetensors_writer *writer;
    assert_int_equal(yoco_safetensors_create(path, tensors, n, &writer), YOCO_OK);
    for (int i = 0; i < n; i++)
        assert_int_equal(yoco_safetensors_append(writer, tensors[i].data, tensors[i].bytes),
                         YOCO_OK);
    assert_int_equal(yoco_safetensors_finish(writer), YOCO_OK);
}

static void test_extra_missing_and_dtype(void **state)
{
    (void)state;
    char *folder = model_copy("swa-tiny");
    const char *path = path_in(folder, "model.safetensors");
    tensor_list list;
    list_read(folder, &list);
    static const double number = 1;
    list.tensors[list.n] =
        (yoco_tensor){.name = "extra", .dtype = YOCO_F64, .data = &number, .bytes = sizeof number};
    tensors_write(path, list.tensors, list.n + 1);
    open_refused(folder, YOCO_ERR_DATA, "tensor extra is none of the model");

    tensors_write(path, list.tensors, list.n - 1);
    open_refused(folder, YOCO_ERR_DATA, "tensor layer_norm.weight is missing");

    yoco_tensor *norm = &list.tensors[list.n - 1];
    static const double numbers[64];
    norm->dtype = YOCO_F64;
    norm->data = numbers;
    norm->bytes = sizeof numbers;
    tensors_write(path, list.tensors, list.n);
    open_refused(folder, YOCO_ERR_DATA, "tensor layer_norm.weight has dtype F64");
    yoco_safetensors_close(list.file);
    folder_remove(folder);
}

static void test_mixed_dtypes(void **state)
{
    (void)state;
    char *folder = model_copy("swa-gqa-bf16");
    tensor_list list;
    yoco_checkpoint *c;
    list_read(folder, &list);
    list.tensors[list.n - 1].dtype = YOCO_F16;
    tensors_write(path_in(folder, "model.safetensors"), list.tensors, list.n);
    assert_int_equal(yoco_checkpoint_open(folder, &c), YOCO_OK);
    assert_int_equal(c->dtype, YOCO_BF16);
    assert_int_equal(c->final_norm->dtype, YOCO_F16);
    yoco_checkpoint_close(c);
    yoco_safetensors_close(list.file);
    folder_remove(folder);
}

static void test_output_beside_tied_embedding(void **state)
{
    (void)state;
    char *folder = model_copy("swa-tied");
    tensor_list list;
    yoco_checkpoint *c;
    list_read(folder, &list);
    list.tensors[list.n] = list.tensors[0];
    list.tensors[list.n].name = "output_projection.weight";
    tensors_write(path_in(folder, "model.safetensors"), list.tensors, list.n + 1);
    assert_int_equal(yoco_checkpoint_open(folder, &c), YOCO_OK);
    assert_ptr_equal(c->output_projection, c->embed_tokens);
    yoco_checkpoint_close(c);
    yoco_safetensors_close(list.file);
    folder_remove(folder);
}

/* A header of odd length is legal and leaves all data unaligned. */
static void test_unaligned_data(void **state)
{
    (void)state;
    char *folder = model_copy("swa-tiny");
    const char *path = path_in(folder, "model.safetensors");
    size_t size;
    char *bytes = file_read(path, &size);
    uint64_t header_bytes;
    memcpy(&header_bytes, bytes, 8);
    char *longer = malloc(size + 1);
    memcpy(longer, bytes, 8 + header_bytes);
    longer[8 + header_bytes] = ' ';
    memcpy(longer + 8 + header_bytes + 1, bytes + 8 + header_bytes, size - 8 - header_bytes);
    header_bytes++;
    memcpy(longer, &header_bytes, 8);
    file_write(path, longer, size + 1);
    free(longer);
    free(bytes);

    yoco_checkpoint *aligned, *c;
    assert_int_equal(yoco_checkpoint_open(reference("swa-tiny"), &aligned), YOCO_OK);
    assert_int_equal(yoco_checkpoint_open(folder, &c), YOCO_OK);
    const yoco_tensor *a = aligned->layers[4].role[YOCO_ROLE_FC2],
                      *b = c->layers[4].role[YOCO_ROLE_FC2];
    assert_int_equal((uintptr_t)b->data % 4, 0);
    assert_int_equal(a->bytes, b->bytes);
    yoco_tensor_release(c, b);
    assert_memory_equal(a->data, b->data, a->bytes);
    yoco_checkpoint_close(aligned);
    yoco_checkpoint_close(c);
    folder_remove(folder);
}

/* Splits the model of a folder into two shards and an index of them. */
static json_t *model_split(const char *folder)
{
    tensor_list list;
    list_read(folder, &list);
    json_t *weight_map = json_object();
    int half = list.n / 2;
    for (int i = 0; i < list.n; i++)
        json_object_set_new(weight_map, list.tensors[i].name,
                            json_string(i < half ? "one.safetensors" : "two.safetensors"));
    tensors_write(path_in(folder, "one.safetensors"), list.tensors, half);
    tensors_write(path_in(folder, "two.safetensors"), list.tensors + half, list.n - half);
    yoco_safetensors_close(list.file);
    unlink(path_in(folder, "model.safetensors"));
    return weight_map;
}

static void index_write(const char *folder, json_t *weight_map)
{
    json_t *index =
        json_pack("{s:{s:i}, s:O}", "metadata", "total_size", 1, "weight_map", weight_map);
    assert_int_equal(json_dump_file(index, path_in(folder, "model.safetensors.index.json"), 0), 0);
    json_decref(index);
}

static void test_shards(void **state)
{
    (void)state;
    char *folder = model_copy("gret-tiny");
    json_t *weight_map = model_split(folder);
    index_write(folder, weight_map);
    yoco_checkpoint *whole, *c;
    assert_int_equal(yoco_checkpoint_open(reference("gret-tiny"), &whole), YOCO_OK);
    assert_int_equal(yoco_checkpoint_open(folder, &c), YOCO_OK);
    for (int i = 0; i < c->shape->n_layers; i++)
        if (c->layers[i].role[YOCO_ROLE_FC1])
            assert_memory_equal(c->layers[i].role[YOCO_ROLE_FC1]->data,
                                whole->layers[i].role[YOCO_ROLE_FC1]->data,
                                c->layers[i].role[YOCO_ROLE_FC1]->bytes);
    yoco_checkpoint_close(whole);
    yoco_checkpoint_close(c);

    json_t *changed = json_copy(weight_map);
    json_object_set_new(changed, "not there", json_string("one.safetensors"));
    index_write(folder, changed);
    open_refused(folder, YOCO_ERR_DATA, "tensor not there is not in ");
    json_decref(changed);

    changed = json_copy(weight_map);
    json_object_del(changed, "layer_norm.weight");
    index_write(folder, changed);
    open_refused(folder, YOCO_ERR_DATA, "tensor layer_norm.weight of ");
    json_decref(changed);

    changed = json_copy(weight_map);
    json_object_set_new(changed, "layer_norm.weight", json_string("one.safetensors"));
    index_write(folder, changed);
    open_refused(folder, YOCO_ERR_DATA, "tensor layer_norm.weight is not in ");
    json_decref(changed);

    unlink(path_in(folder, "two.safetensors"));
    index_write(folder, weight_map);
    open_refused(folder, YOCO_ERR_OPEN, "two.safetensors: No such file");
    json_decref(weight_map);
    folder_remove(folder);
}

static void test_hostile_index(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } rows[] = {
        {"{}", "weight_map is missing"},
        {"{\"weight_map\": []}", "weight_map is missing"},
        {"{\"weight_map\": {}}", "weight_map is missing"},
        {"{\"weight_map\": {\"a\": 1}}", "shard of tensor a is not a plain file name"},
        {"{\"weight_map\": {\"a\": \"\"}}", "not a plain file name"},
        {"{\"weight_map\": {\"a\": \"..\"}}", "not a plain file name"},
        {"{\"weight_map\": {\"a\": \"../x.safetensors\"}}", "not a plain file name"},
        {"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "not a plain file name"},
        {"{\"weight_map\": {\"a\": \"x\", \"a\": \"y\"}}", "duplicate object key"},
        {"[]", "not an object"},
        {"", "is empty"},
    };
    char *folder = model_copy("swa-tiny");
    unlink(path_in(folder, "model.safetensors"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text_write(path_in(folder, "model.safetensors.index.json"), rows[i].text);
        open_refused(folder, YOCO_ERR_DATA, rows[i].line);
    }
    folder_remove(folder);
}

/* model.safetensors stands before an index, whatever that says. */
static void test_single_file_wins(void **state)
{
    (void)state;
    char *folder = model_copy("swa-tiny");
    text_write(path_in(folder, "model.safetensors.index.json"), "not even JSON");
    yoco_checkpoint *c;
    assert_int_equal(yoco_checkpoint_open(folder, &c), YOCO_OK);
    yoco_checkpoint_close(c);
    folder_remove(folder);
}

int main(int argc, char **argv)
{
    source_folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_references),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_release_keeps_data),
        cmocka_unit_test(test_absent_files),
        cmocka_unit_test(test_spoiled_models),
        cmocka_unit_test(test_truncated_weights),
        cmocka_unit_test(test_extra_missing_and_dtype),
        cmocka_unit_test(test_mixed_dtypes),
        cmocka_unit_test(test_output_beside_tied_embedding),
        cmocka_unit_test(test_unaligned_data),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_hostile_index),
        cmocka_unit_test(test_single_file_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
