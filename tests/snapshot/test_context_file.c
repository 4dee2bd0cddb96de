/* The files of a context: names, and headers that say which part of which context they are. */
#include "configs/context/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/configs/fixture.h"

static const yoco_context_identity identity = {
    .model = {1, 2}, .arithmetic = "cpu", .dtype = YOCO_BF16, .n_tokens = 5, .chunk_rows = 2};

static void test_names(void **state)
{
    (void)state;
    static const char *const own[] = {"manifest.json",
                                      "partial.json",
                                      "partial.json.17.tmp",
                                      "document.safetensors",
                                      "chunk-000000.safetensors",
                                      "chunk-1234567.safetensors",
                                      "edge-000003.safetensors.9.tmp"};
    static const char *const others[] = {"manifest.json.bak",
                                         "chunk-3.safetensors",
                                         "chunk-000003.safetensors.tmp",
                                         "chunk-000003.safetensors.1.tmp.2",
                                         "chunk",
                                         "edge-",
                                         "chunk-00000x.safetensors",
                                         "notes",
                                         ".manifest.json",
                                         ""};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_true(yoco_context_owns_name(own[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(yoco_context_owns_name(others[i]));
}

/* K and V of two layers, of 3 and of 5 heads. */
enum { N_TENSORS = 4 };

static void make_tensors(int64_t n_rows, yoco_tensor tensors[N_TENSORS])
{
    static const char *const names[N_TENSORS] = {"k", "v", "k.1", "v.1"};
    for (int i = 0; i < N_TENSORS; i++)
        tensors[i] = (yoco_tensor){
            .name = names[i], .dtype = YOCO_BF16, .n_dims = 3, .shape = {n_rows, i < 2 ? 3 : 5, 4}};
}

/* The first n of these tensors. */
static void save_chunk(const char *path, int64_t chunk, int n)
{
    const yoco_context_part part = {&identity, YOCO_CONTEXT_CHUNK, chunk};
    yoco_tensor tensors[N_TENSORS];
    yoco_safetensors_writer *writer;
    make_tensors(chunk == 2 ? 1 : 2, tensors);
    assert_int_equal(yoco_context_file_create(path, &part, (yoco_hash){7, 8}, tensors, n, &writer),
                     YOCO_OK);
    for (int i = 0; i < n; i++) {
        char zeros[2 * 5 * 4 * 2] = {0};
        size_t bytes = (size_t)(tensors[i].shape[0] * tensors[i].shape[1]) * 4 * 2;
        assert_int_equal(yoco_safetensors_append(writer, zeros, bytes), YOCO_OK);
    }
    assert_int_equal(yoco_safetensors_finish(writer), YOCO_OK);
}

/* The file under `path` as that chunk, with so many heads in V of the first layer (-1: any
 * model's).
 */
static void check(const char *path, const yoco_context_identity *wanted, int64_t chunk,
                  int64_t n_heads, const char *expected_line)
{
    const yoco_context_part part = {wanted, YOCO_CONTEXT_CHUNK, chunk};
    yoco_tensor tensors[N_TENSORS];
    yoco_safetensors *file;
    yoco_hash checksum = {0, 0};
    make_tensors(chunk == 2 ? 1 : 2, tensors);
    tensors[1].shape[1] = n_heads;
    assert_int_equal(yoco_safetensors_open(path, &file), YOCO_OK);
    log_begin();
    yoco_status status = yoco_context_file_check(path, file, &part, n_heads < 0 ? NULL : tensors,
                                                 N_TENSORS, &checksum);
    log_end(expected_line);
    assert_int_equal(status, expected_line ? YOCO_ERR_DATA : YOCO_OK);
    assert_int_equal(checksum.low, expected_line ? 0 : 8);
    yoco_safetensors_close(file);
}

static void test_headers(void **state)
{
    (void)state;
    char *folder = folder_create();
    const char *path = path_in(folder, "chunk");
    save_chunk(path, 1, N_TENSORS);
    check(path, &identity, 1, 3, NULL);
    check(path, &identity, 1, -1, NULL);
    check(path, &identity, 1, 2, "its tensors");
    check(path, &identity, 0, -1, "its chunk is 1, not 0");
    yoco_context_identity other = identity;
    other.model.high++;
    check(path, &other, 1, -1, "its model is");
    other = identity;
    strcpy(other.arithmetic, "gpu");
    check(path, &other, 1, -1, "its arithmetic is cpu, not gpu");
    save_chunk(path, 2, N_TENSORS); /* of one row */
    check(path, &identity, 2, 3, NULL);
    check(path, &identity, 2, -1, NULL);
    save_chunk(path, 1, 2);
    check(path, &identity, 1, -1, NULL);
    check(path, &identity, 1, 3, "its tensors");
    save_chunk(path, 1, 3); /* K without V */
    check(path, &identity, 1, -1, "its tensors");
    folder_remove(folder);
}

static void test_document(void **state)
{
    (void)state;
    static const int32_t ids[] = {3, 0, 7, 7, 1};
    char *folder = folder_create();
    yoco_context_identity id = identity;
    int32_t *found;
    assert_int_equal(yoco_context_document_hash(ids, 5, &id.document), YOCO_OK);
    assert_int_equal(yoco_context_document_save(folder, &id, ids), YOCO_OK);
    assert_int_equal(yoco_context_document_load(folder, &id, 8, &found), YOCO_OK);
    assert_memory_equal(found, ids, sizeof ids);
    yoco_free(found);
    log_begin();
    yoco_status status = yoco_context_document_load(folder, &id, 7, &found);
    log_end("token 2 is 7, not an id below 7");
    assert_int_equal(status, YOCO_ERR_DATA);
    id.document.low++;
    log_begin();
    status = yoco_context_document_load(folder, &id, 8, &found);
    log_end("its document is");
    assert_int_equal(status, YOCO_ERR_DATA);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
