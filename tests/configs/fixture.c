#define _GNU_SOURCE /* nftw, memmem */
#include "fixture.h"

#include "configs/model/family.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ftw.h>
#include <setjmp.h>

#include <cmocka.h>

char *folder_create(void)
{
    char *folder = strdup("/tmp/yoco-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

void folder_remove(char *folder)
{
    assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(folder);
}

const char *path_in(const char *folder, const char *name)
{
    static char paths[8][4096];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void file_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(size ? fwrite(data, 1, size, file) : 0, size);
    assert_int_equal(fclose(file), 0);
}

void text_write(const char *path, const char *text)
{
    file_write(path, text, strlen(text));
}

char *file_read(const char *path, size_t *size)
{
    yoco_map map;
    assert_int_equal(yoco_map_open(path, &map), YOCO_OK);
    char *data = malloc(map.size + 1);
    assert_non_null(data);
    if (map.size > 0)
        memcpy(data, map.data, map.size);
    data[map.size] = '\0';
    *size = map.size;
    yoco_map_close(&map);
    return data;
}

void file_copy(const char *from, const char *to)
{
    size_t size;
    char *data = file_read(from, &size);
    file_write(to, data, size);
    free(data);
}

void file_patch(const char *path, const char *from, const char *to)
{
    size_t size;
    char *data = file_read(path, &size);
    assert_int_equal(strlen(from), strlen(to));
    char *place = memmem(data, size, from, strlen(from));
    assert_non_null(place);
    memcpy(place, to, strlen(to));
    file_write(path, data, size);
    free(data);
}

char *safetensors_bytes(const char *header, size_t n_data, size_t *size)
{
    uint64_t header_bytes = strlen(header);
    size_t before_data = sizeof header_bytes + header_bytes;
    *size = before_data + n_data;
    char *bytes = malloc(*size);
    assert_non_null(bytes);
    memcpy(bytes, &header_bytes, sizeof header_bytes);
    memcpy(bytes + sizeof header_bytes, header, header_bytes);
    for (size_t i = 0; i < n_data; i++)
        bytes[before_data + i] = (char)i;
    return bytes;
}

void safetensors_file(const char *path, const char *header, size_t n_data)
{
    size_t size;
    char *bytes = safetensors_bytes(header, n_data, &size);
    file_write(path, bytes, size);
    free(bytes);
}

static FILE *caught;
static int real_stderr = -1;

void log_begin(void)
{
    caught = tmpfile();
    assert_non_null(caught);
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    dup2(fileno(caught), STDERR_FILENO);
}

void log_end(const char *expected)
{
    char text[8192];
    fflush(stderr);
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    rewind(caught);
    text[fread(text, 1, sizeof text - 1, caught)] = '\0';
    fclose(caught);
    if (!expected) {
        assert_string_equal(text, "");
        return;
    }
    char *line_end = strchr(text, '\n');
    if (!line_end || line_end[1] != '\0' || !strstr(text, expected))
        fail_msg("expected one line with '%s', got '%s'", expected, text);
}

yoco_model_config config_of(const yoco_model_shape *shape)
{
    yoco_model_config config;
    assert_int_equal(yoco_model_config_parse("params.json", yoco_model_shape_text(shape),
                                             shape->text_bytes, &config),
                     YOCO_OK);
    return config;
}

static yoco_model_shape *tiny_shape(int n_layers, int sliding_window)
{
    const yoco_model_config config = {.dim = 32,
                                      .hidden_dim = 48,
                                      .n_layers = n_layers,
                                      .n_self_heads = 2,
                                      .n_attn_heads = 4,
                                      .n_attn_kv_heads = 2,
                                      .vocab_size = 50,
                                      .sliding_window = sliding_window,
                                      .max_seq_len = 1000,
                                      .norm_eps = 1e-5f,
                                      .rope_theta = 10000.0};
    yoco_model_shape *shape;
    assert_int_equal(yoco_model_shape_make(&config, &shape), YOCO_OK);
    return shape;
}

static yoco_checkpoint *random_checkpoint(yoco_model_shape *shape)
{
    yoco_checkpoint *checkpoint;
    assert_int_equal(yoco_checkpoint_random(shape, YOCO_F32, 1, &checkpoint), YOCO_OK);
    yoco_free(shape);
    return checkpoint;
}

yoco_checkpoint *checkpoint_tiny(int sliding_window)
{
    return random_checkpoint(tiny_shape(4, sliding_window));
}

yoco_checkpoint *checkpoint_mixed(void)
{
    yoco_model_shape *shape = tiny_shape(6, 8);
    yoco_layer_shape *layers = shape->layers;
    layers[1].kind = YOCO_LAYER_RETENTION;
    layers[1].window = 0;
    layers[1].decay_divisor = 16;
    layers[2] = layers[3];
    layers[2].source = layers[4].source = 2;
    layers[2].n_kv_heads = layers[4].n_kv_heads = 4;
    return random_checkpoint(shape);
}

/* Rates of decay of 0.1: a state then depends on many blocks. Made here, so writable. */
static void remember_long(const yoco_tensor *a_log)
{
    float *rates = (float *)(uintptr_t)a_log->data;
    for (int64_t i = 0; i < a_log->shape[0]; i++)
        rates[i] -= 3.3f;
}

yoco_checkpoint *checkpoint_delta(void)
{
    static const char config[] =
        "{\"model_type\": \"yoco\", \"hidden_size\": 32, \"num_hidden_layers\": 4,\n"
        "\"num_self_decoder_layers\": 2, \"intermediate_size\": 48, \"vocab_size\": 50,\n"
        "\"max_position_embeddings\": 1000, \"norm_eps\": 1e-5,\n"
        "\"self_decoder_attn\": {\"type\": \"gated_deltanet\", \"num_heads\": 2, \"num_v_heads\": "
        "4,\n"
        "\"head_dim\": 6, \"expand_v\": 1.5, \"allow_neg_eigval\": true},\n"
        "\"cross_decoder_attn\": {\"num_heads\": 4, \"num_kv_heads\": 2}}";
    yoco_model_shape *shape;
    assert_int_equal(yoco_model_shape_parse("config.json", config, strlen(config), &shape),
                     YOCO_OK);
    yoco_checkpoint *checkpoint = random_checkpoint(shape);
    for (int i = 0; i < 2; i++)
        remember_long(checkpoint->layers[i].role[YOCO_ROLE_A_LOG]);
    return checkpoint;
}
