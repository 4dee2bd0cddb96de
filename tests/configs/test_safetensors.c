#include "configs/files/safetensors.h"

#include "fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *source_folder;

#define T(dtype, shape, range)                                                                     \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" range "}"

static void test_valid(void **state)
{
    (void)state;
    size_t size;
    /* Names out of the order of data, a scalar, a tensor without data in the middle, padding. */
    char *bytes = safetensors_bytes(
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"b\":" T("F32", "[2,3]",
                   "[4,28]") ","
                             "\"empty\":" T("BF16", "[0,7]",
                                            "[4,4]") ","
                                                     "\"scalar\":" T("I64", "[]",
                                                                     "[28,36]") ","
                                                                                "\"a\":" T(
                                                                                    "F16", "[2]",
                                                                                    "[0,4]") "}   ",
        36, &size);
    yoco_safetensors *file;
    assert_int_equal(yoco_safetensors_parse("made", bytes, size, &file), YOCO_OK);
    static const char *const order[] = {"a", "empty", "b", "scalar"};
    assert_int_equal(yoco_safetensors_count(file), 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(yoco_safetensors_at(file, i)->name, order[i]);
    const yoco_tensor *b = yoco_safetensors_find(file, "b");
    assert_non_null(b);
    assert_int_equal(b->dtype, YOCO_F32);
    assert_int_equal(b->n_dims, 2);
    assert_int_equal(b->shape[0], 2);
    assert_int_equal(b->shape[1], 3);
    assert_int_equal(b->bytes, 24);
    assert_memory_equal(b->data, bytes + size - 36 + 4, 24);
    const yoco_tensor *scalar = yoco_safetensors_find(file, "scalar");
    assert_int_equal(scalar->n_dims, 0);
    assert_int_equal(scalar->bytes, 8);
    assert_null(yoco_safetensors_find(file, "c"));
    assert_null(yoco_safetensors_find(file, "__metadata__"));
    yoco_safetensors_close(file);
    free(bytes);
}

static void test_no_tensors(void **state)
{
    (void)state;
    size_t size;
    char *bytes = safetensors_bytes("{}", 0, &size);
    yoco_safetensors *file;
    assert_int_equal(yoco_safetensors_parse("made", bytes, size, &file), YOCO_OK);
    assert_int_equal(yoco_safetensors_count(file), 0);
    assert_null(yoco_safetensors_find(file, "a"));
    yoco_safetensors_close(file);
    free(bytes);
}

static void parse_refused(const void *bytes, size_t size, const char *expected)
{
    yoco_safetensors *file = NULL;
    log_begin();
    yoco_status status = yoco_safetensors_parse("made", bytes, size, &file);
    log_end(expected);
    assert_int_equal(status, YOCO_ERR_DATA);
    assert_null(file);
}

#define A "\"a\":" T("F32", "[2]", "[0,8]")

static void test_hostile_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        const char *expected;
    } rows[] = {
        {"", 0, "does not begin with '{'"},
        {" {}", 0, "does not begin with '{'"},
        {"[]", 0, "does not begin with '{'"},
        {"{" A, 8, "not valid JSON"},
        {"{" A "} x", 8, "not valid JSON"},
        {"{" A "," A "}", 8, "duplicate object key"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
         "duplicate object key"},
        {"{\"a\\u0000b\":" T("F32", "[2]", "[0,8]") "}", 8, "not valid JSON"},
        {"{\"\xff\":" T("F32", "[2]", "[0,8]") "}", 8, "not valid JSON"},
        {"{\"a\":3}", 0, "not described by"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "not described by"},
        {"{\"a\":{\"dtype\":4,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "not described by"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8,
         "not described by"},
        {"{\"__metadata__\":[]," A "}", 8, "__metadata__ is not"},
        {"{\"__metadata__\":{\"x\":1}," A "}", 8, "__metadata__ is not"},
        {"{\"a\":" T("I32", "[2]", "[0,8]") "}", 8,
         "tensor a: dtype \"I32\" is not supported; weights are F32, BF16 or F16"},
        {"{\"a\":" T("f32", "[2]", "[0,8]") "}", 8, "dtype \"f32\" is not supported"},
        {"{\"a\":" T("F32", "2", "[0,8]") "}", 8, "shape is not an array"},
        {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, "shape is not an array"},
        {"{\"a\":" T("F32", "[2.5]", "[0,8]") "}", 8, "dimension 0 of its shape"},
        {"{\"a\":" T("F32", "[1,-2]", "[0,8]") "}", 8, "dimension 1 of its shape"},
        {"{\"a\":" T("F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "shape overflows"},
        {"{\"a\":" T("F32", "[4611686018427387904]", "[0,0]") "}", 0, "shape overflows"},
        {"{\"a\":" T("F32", "[9223372036854775808]", "[0,0]") "}", 0, "dimension 0 of its shape"},
        {"{\"a\":" T("F32", "[2]", "[0]") "}", 8, "not a pair"},
        {"{\"a\":" T("F32", "[2]", "[0,8,8]") "}", 8, "not a pair"},
        {"{\"a\":" T("F32", "[2]", "8") "}", 8, "not a pair"},
        {"{\"a\":" T("F32", "[2]", "[0,8.5]") "}", 8, "not a pair"},
        {"{\"a\":" T("F32", "[2]", "[-8,0]") "}", 8, "not within the 8 bytes"},
        {"{\"a\":" T("F32", "[2]", "[8,0]") "}", 8, "not within the 8 bytes"},
        {"{\"a\":" T("F32", "[2]", "[4,12]") "}", 8, "not within the 8 bytes"},
        {"{" A "}", 7, "not within the 7 bytes"},
        {"{\"a\":" T("F32", "[3]", "[0,8]") "}", 8, "take 12 bytes"},
        {"{\"a\":" T("F32", "[0]", "[0,8]") "}", 8, "take 0 bytes"},
        {"{" A "}", 9, "1 bytes at the end belong to no tensor"},
        {"{}", 1, "1 bytes at the end"},
        {"{\"a\":" T("F32", "[2]", "[4,12]") "}", 12, "a hole"},
        {"{" A ",\"b\":" T("F32", "[1]", "[12,16]") "}", 16, "tensor b begins at 12"},
        {"{" A ",\"b\":" T("F32", "[2]", "[4,12]") "}", 12, "they overlap"},
        {"{" A ",\"b\":" T("F32", "[2]", "[0,8]") "}", 8, "they overlap"},
        {"{" A ",\"b\":" T("F32", "[0]", "[4,4]") "}", 8, "they overlap"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size;
        char *bytes = safetensors_bytes(rows[i].header, rows[i].n_data, &size);
        parse_refused(bytes, size, rows[i].expected);
        free(bytes);
    }
}

static void test_hostile_header_sizes(void **state)
{
    (void)state;
    size_t size;
    char *bytes = safetensors_bytes("{" A "}", 8, &size);
    parse_refused(NULL, 0, "0 bytes are too few");
    for (size_t cut = 0; cut < size; cut++)
        parse_refused(bytes, cut,
                      cut < 8          ? "too few"
                      : cut < size - 8 ? "beyond the file"
                                       : "not within the");
    static const struct {
        uint64_t header_bytes;
        const char *expected;
    } rows[] = {{UINT64_MAX, "over the format's limit"},
                {UINT64_MAX - 7, "over the format's limit"},
                {100000001, "over the format's limit"},
                {100000000, "beyond the file"},
                {1 << 20, "beyond the file"},
                {0, "does not begin with '{'"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memcpy(bytes, &rows[i].header_bytes, sizeof rows[i].header_bytes);
        parse_refused(bytes, size, rows[i].expected);
    }
    free(bytes);
}

static void test_open(void **state)
{
    (void)state;
    char path[4096];
    yoco_safetensors *file;
    snprintf(path, sizeof path, "%s/tests/reference/swa-tiny/expected.safetensors", source_folder);
    assert_int_equal(yoco_safetensors_open(path, &file), YOCO_OK);
    const yoco_tensor *logits = yoco_safetensors_find(file, "logits");
    assert_non_null(logits);
    assert_int_equal(logits->dtype, YOCO_F64);
    assert_int_equal(logits->shape[0], 24);
    assert_int_equal(logits->shape[1], 512);
    yoco_safetensors_close(file);
    log_begin();
    yoco_status status = yoco_safetensors_open("/no/such/file", &file);
    log_end("cannot open /no/such/file");
    assert_int_equal(status, YOCO_ERR_OPEN);
}

static int count_entries(const char *folder)
{
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2;
}

static const yoco_tensor written[] = {
    {.name = "ids.0", .dtype = YOCO_I64, .n_dims = 1, .shape = {3}},
    {.name = "empty", .dtype = YOCO_F32, .n_dims = 2, .shape = {0, 5}},
    {.name = "a \"quoted\" name", .dtype = YOCO_BF16, .n_dims = 3, .shape = {1, 2, 3}},
    {.name = "scalar", .dtype = YOCO_F64},
};

/* 24 + 0 + 12 + 8 bytes */
enum { N_WRITTEN = 4, WRITTEN_BYTES = 44 };

static void test_write_round_trip(void **state)
{
    (void)state;
    char *folder = folder_create();
    const char *path = path_in(folder, "out.safetensors");
    unsigned char data[WRITTEN_BYTES];
    for (int i = 0; i < WRITTEN_BYTES; i++)
        data[i] = (unsigned char)(200 - i);
    text_write(path, "an older file");

    yoco_safetensors_writer *writer;
    assert_int_equal(yoco_safetensors_create(path, written, N_WRITTEN, &writer), YOCO_OK);
    for (size_t i = 0, piece = 1; i < WRITTEN_BYTES; i += piece, piece = 5)
        assert_int_equal(
            yoco_safetensors_append(writer, data + i,
                                    WRITTEN_BYTES - i < piece ? WRITTEN_BYTES - i : piece),
            YOCO_OK);
    size_t size;
    char *before = file_read(path, &size);
    assert_string_equal(before, "an older file");
    free(before);
    assert_int_equal(yoco_safetensors_finish(writer), YOCO_OK);
    assert_int_equal(count_entries(folder), 1);

    yoco_safetensors *file;
    assert_int_equal(yoco_safetensors_open(path, &file), YOCO_OK);
    assert_int_equal(yoco_safetensors_count(file), N_WRITTEN);
    size_t offset = 0;
    for (int i = 0; i < N_WRITTEN; i++) {
        const yoco_tensor *t = yoco_safetensors_at(file, i);
        assert_string_equal(t->name, written[i].name);
        assert_int_equal(t->dtype, written[i].dtype);
        assert_int_equal(t->n_dims, written[i].n_dims);
        assert_memory_equal(t->shape, written[i].shape, sizeof t->shape);
        if (t->bytes > 0)
            assert_memory_equal(t->data, data + offset, t->bytes);
        offset += t->bytes;
    }
    assert_int_equal(offset, WRITTEN_BYTES);
    assert_int_equal((uintptr_t)yoco_safetensors_at(file, 0)->data % 8, 0);
    yoco_safetensors_close(file);
    folder_remove(folder);
}

/* Writes again what `from` holds. */
static void file_rewrite(const char *from, const char *to)
{
    yoco_safetensors *file;
    yoco_safetensors_writer *writer;
    assert_int_equal(yoco_safetensors_open(from, &file), YOCO_OK);
    int n = yoco_safetensors_count(file);
    assert_int_equal(yoco_safetensors_create(to, yoco_safetensors_at(file, 0), n, &writer),
                     YOCO_OK);
    for (int i = 0; i < n; i++) {
        const yoco_tensor *t = yoco_safetensors_at(file, i);
        assert_int_equal(yoco_safetensors_append(writer, t->data, t->bytes), YOCO_OK);
    }
    assert_int_equal(yoco_safetensors_finish(writer), YOCO_OK);
    yoco_safetensors_close(file);
}

/* What the reader takes apart, the writer puts together to the same bytes. */
static void test_write_again(void **state)
{
    (void)state;
    char *folder = folder_create(), source[4096];
    snprintf(source, sizeof source, "%s/tests/reference/gret-tiny/expected.safetensors",
             source_folder);
    const char *first = path_in(folder, "first"), *second = path_in(folder, "second");
    file_rewrite(source, first);
    file_rewrite(first, second);
    size_t source_size, first_size, second_size;
    char *a = file_read(source, &source_size), *b = file_read(first, &first_size),
         *c = file_read(second, &second_size);
    assert_int_equal(second_size, first_size);
    assert_memory_equal(c, b, first_size);
    size_t n_data = 307400; /* the end of the last tensor; the source's header has more spaces */
    assert_memory_equal(b + first_size - n_data, a + source_size - n_data, n_data);
    free(a);
    free(b);
    free(c);
    folder_remove(folder);
}

static void test_write_wrong_amount(void **state)
{
    (void)state;
    char *folder = folder_create(), data[WRITTEN_BYTES + 1] = {0};
    const char *path = path_in(folder, "out.safetensors");
    yoco_safetensors_writer *writer;
    assert_int_equal(yoco_safetensors_create(path, written, N_WRITTEN, &writer), YOCO_OK);
    assert_int_equal(yoco_safetensors_append(writer, data, WRITTEN_BYTES - 1), YOCO_OK);
    log_begin();
    yoco_status status = yoco_safetensors_finish(writer);
    log_end("1 bytes missing");
    assert_int_equal(status, YOCO_ERR_INTERNAL);
    assert_int_equal(count_entries(folder), 0);

    assert_int_equal(yoco_safetensors_create(path, written, N_WRITTEN, &writer), YOCO_OK);
    assert_int_equal(yoco_safetensors_append(writer, data, WRITTEN_BYTES), YOCO_OK);
    log_begin();
    status = yoco_safetensors_append(writer, data, 1);
    log_end("1 bytes over");
    assert_int_equal(status, YOCO_ERR_INTERNAL);
    assert_int_equal(yoco_safetensors_finish(writer), YOCO_ERR_INTERNAL);
    assert_int_equal(count_entries(folder), 0);

    assert_int_equal(yoco_safetensors_create(path, written, N_WRITTEN, &writer), YOCO_OK);
    yoco_safetensors_discard(writer);
    assert_int_equal(count_entries(folder), 0);
    folder_remove(folder);
}

static void create_refused(const char *path, const yoco_tensor *tensors, int n_tensors,
                           yoco_status expected, const char *line)
{
    yoco_safetensors_writer *writer = NULL;
    log_begin();
    yoco_status status = yoco_safetensors_create(path, tensors, n_tensors, &writer);
    log_end(line);
    assert_int_equal(status, expected);
    assert_null(writer);
}

static void test_write_refused(void **state)
{
    (void)state;
    char *folder = folder_create();
    const char *path = path_in(folder, "out.safetensors");
    const yoco_tensor twice[] = {{.name = "a"}, {.name = "a"}};
    const yoco_tensor reserved = {.name = "__metadata__"}, not_utf8 = {.name = "\xff"};
    const yoco_tensor huge = {
        .name = "a", .n_dims = 2, .shape = {INT64_C(1) << 40, INT64_C(1) << 40}};
    create_refused(path, twice, 2, YOCO_ERR_DATA, "name a is taken");
    create_refused(path, &reserved, 1, YOCO_ERR_DATA, "name __metadata__ is taken");
    create_refused(path, &not_utf8, 1, YOCO_ERR_DATA, "not UTF-8");
    create_refused(path, &huge, 1, YOCO_ERR_DATA, "illegal shape");
    create_refused(folder, written, N_WRITTEN, YOCO_ERR_OPEN, "not a regular file");
    create_refused("/no/such/folder/out", written, N_WRITTEN, YOCO_ERR_OPEN, "No such file");
    assert_int_equal(count_entries(folder), 0);
    folder_remove(folder);
}

int main(int argc, char **argv)
{
    source_folder = argc > 1 ? argv[1] : ".";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_no_tensors),
        cmocka_unit_test(test_hostile_headers),
        cmocka_unit_test(test_hostile_header_sizes),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_write_round_trip),
        cmocka_unit_test(test_write_again),
        cmocka_unit_test(test_write_wrong_amount),
        cmocka_unit_test(test_write_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
