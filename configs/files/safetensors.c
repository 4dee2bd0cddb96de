#include "configs/files/safetensors.h"

#include "configs/files/first_bytes.h"
#include "configs/files/json_text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors data is little-endian");

enum { SIZE_BYTES = 8, MAX_HEADER_BYTES = 100 * 1000 * 1000 };

struct yoco_safetensors {
    yoco_map map;   /* empty where the caller keeps the bytes */
    json_t *header; /* owns the tensors' names */
    int n_tensors;
    yoco_tensor *tensors; /* in order of data */
    const yoco_tensor **by_name;
};

static bool dtype_find(const char *text, yoco_dtype *out)
{
    static const yoco_dtype dtypes[] = {YOCO_F32, YOCO_BF16, YOCO_F16, YOCO_F64, YOCO_I64};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(text, yoco_dtype_name(dtypes[i])) == 0) {
            *out = dtypes[i];
            return true;
        }
    }
    return false;
}

static yoco_status shape_read(const char *name, const json_t *shape, yoco_tensor *tensor)
{
    if (!json_is_array(shape) || json_array_size(shape) > YOCO_TENSOR_MAX_DIMS) {
        yoco_log_error("%s: tensor %s: shape is not an array of at most %d sizes", name,
                       tensor->name, YOCO_TENSOR_MAX_DIMS);
        return YOCO_ERR_DATA;
    }
    tensor->n_dims = (int)json_array_size(shape);
    size_t bytes = yoco_dtype_bytes(tensor->dtype);
    for (int i = 0; i < tensor->n_dims; i++) {
        const json_t *size = json_array_get(shape, (size_t)i);
        if (!json_is_integer(size) || json_integer_value(size) < 0) {
            yoco_log_error("%s: tensor %s: dimension %d of its shape is not an integer from 0",
                           name, tensor->name, i);
            return YOCO_ERR_DATA;
        }
        tensor->shape[i] = json_integer_value(size);
        if (!yoco_size_mul(bytes, (size_t)tensor->shape[i], &bytes)) {
            yoco_log_error("%s: tensor %s: the product of its shape overflows", name, tensor->name);
            return YOCO_ERR_DATA;
        }
    }
    tensor->bytes = bytes;
    return YOCO_OK;
}

/* Expects the size that the shape asks for in tensor->bytes. */
static yoco_status range_read(const char *name, const json_t *offsets, const uint8_t *data,
                              size_t data_bytes, yoco_tensor *tensor)
{
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second)) {
        yoco_log_error("%s: tensor %s: data_offsets is not a pair of integers", name, tensor->name);
        return YOCO_ERR_DATA;
    }
    json_int_t begin = json_integer_value(first), end = json_integer_value(second);
    if (begin < 0 || end < begin || (uint64_t)end > data_bytes) {
        yoco_log_error("%s: tensor %s: range %lld to %lld is not within the %zu bytes of data",
                       name, tensor->name, (long long)begin, (long long)end, data_bytes);
        return YOCO_ERR_DATA;
    }
    if ((size_t)(end - begin) != tensor->bytes) {
        yoco_log_error("%s: tensor %s: range %lld to %lld, but shape and dtype take %zu bytes",
                       name, tensor->name, (long long)begin, (long long)end, tensor->bytes);
        return YOCO_ERR_DATA;
    }
    tensor->data = data + begin;
    return YOCO_OK;
}

static yoco_status tensor_read(const char *name, const json_t *info, const uint8_t *data,
                               size_t data_bytes, yoco_tensor *tensor)
{
    const json_t *dtype = json_object_get(info, "dtype");
    const json_t *shape = json_object_get(info, "shape");
    const json_t *offsets = json_object_get(info, "data_offsets");
    if (json_object_size(info) != 3 || !json_is_string(dtype) || !shape || !offsets) {
        yoco_log_error("%s: tensor %s is not described by dtype, shape and data_offsets alone",
                       name, tensor->name);
        return YOCO_ERR_DATA;
    }
    if (!dtype_find(json_string_value(dtype), &tensor->dtype)) {
        char shown[YOCO_JSON_SHOWN_BYTES];
        yoco_log_error("%s: tensor %s: dtype %s is not supported; weights are F32, BF16 or F16",
                       name, tensor->name, yoco_json_show(dtype, shown));
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(shape_read(name, shape, tensor));
    return range_read(name, offsets, data, data_bytes, tensor);
}

static yoco_status metadata_check(const char *name, json_t *metadata)
{
    const char *key;
    json_t *value;
    bool legal = json_is_object(metadata);
    json_object_foreach(metadata, key, value) legal = legal && json_is_string(value);
    if (legal)
        return YOCO_OK;
    yoco_log_error("%s: __metadata__ is not an object of strings", name);
    return YOCO_ERR_DATA;
}

/* Tensors without data sort before the one that begins where they lie. */
static int compare_data(const void *left, const void *right)
{
    const yoco_tensor *a = left, *b = right;
    if (a->data != b->data)
        return (const uint8_t *)a->data < (const uint8_t *)b->data ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int compare_name(const void *left, const void *right)
{
    return strcmp((*(const yoco_tensor *const *)left)->name,
                  (*(const yoco_tensor *const *)right)->name);
}

static yoco_status ranges_check(const char *name, const yoco_safetensors *file, const uint8_t *data,
                                size_t data_bytes)
{
    const uint8_t *expected = data;
    for (int i = 0; i < file->n_tensors; i++) {
        const yoco_tensor *tensor = &file->tensors[i];
        const uint8_t *begin = tensor->data;
        if (begin != expected) {
            yoco_log_error("%s: tensor %s begins at %zu where the data before it ends at %zu: %s",
                           name, tensor->name, (size_t)(begin - data), (size_t)(expected - data),
                           begin < expected ? "they overlap" : "a hole");
            return YOCO_ERR_DATA;
        }
        expected = begin + tensor->bytes;
    }
    if (expected != data + data_bytes) {
        yoco_log_error("%s: %zu bytes at the end belong to no tensor", name,
                       (size_t)(data + data_bytes - expected));
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

/* Fills file->tensors and by_name from file->header. */
static yoco_status tensors_read(const char *name, yoco_safetensors *file, const uint8_t *data,
                                size_t data_bytes)
{
    size_t n_entries = json_object_size(file->header);
    if (n_entries > INT_MAX) {
        yoco_log_error("%s: %zu tensors are too many", name, n_entries);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(yoco_alloc(n_entries * sizeof *file->tensors, name, (void **)&file->tensors));
    YOCO_TRY(yoco_alloc(n_entries * sizeof *file->by_name, name, (void **)&file->by_name));
    const char *key;
    json_t *info;
    json_object_foreach(file->header, key, info)
    {
        if (strcmp(key, "__metadata__") == 0) {
            YOCO_TRY(metadata_check(name, info));
            continue;
        }
        yoco_tensor *tensor = &file->tensors[file->n_tensors++];
        *tensor = (yoco_tensor){.name = key};
        YOCO_TRY(tensor_read(name, info, data, data_bytes, tensor));
    }
    if (file->n_tensors > 0)
        qsort(file->tensors, (size_t)file->n_tensors, sizeof *file->tensors, compare_data);
    YOCO_TRY(ranges_check(name, file, data, data_bytes));
    for (int i = 0; i < file->n_tensors; i++)
        file->by_name[i] = &file->tensors[i];
    if (file->n_tensors > 0)
        qsort(file->by_name, (size_t)file->n_tensors, sizeof *file->by_name, compare_name);
    return YOCO_OK;
}

static yoco_status header_size_read(const char *name, const uint8_t *bytes, size_t size,
                                    size_t *out)
{
    if (size < SIZE_BYTES) {
        yoco_log_error("%s: %zu bytes are too few for a safetensors file", name, size);
        return YOCO_ERR_DATA;
    }
    uint64_t header_bytes;
    memcpy(&header_bytes, bytes, SIZE_BYTES);
    if (header_bytes > MAX_HEADER_BYTES) {
        yoco_log_error("%s: a header of %llu bytes is over the format's limit of %d", name,
                       (unsigned long long)header_bytes, MAX_HEADER_BYTES);
        return YOCO_ERR_DATA;
    }
    if (header_bytes > size - SIZE_BYTES) {
        yoco_log_error("%s: the header of %llu bytes ends beyond the file of %zu bytes", name,
                       (unsigned long long)header_bytes, size);
        return YOCO_ERR_DATA;
    }
    if (header_bytes == 0 || bytes[SIZE_BYTES] != '{') {
        yoco_log_error("%s: the header does not begin with '{'", name);
        return YOCO_ERR_DATA;
    }
    *out = (size_t)header_bytes;
    return YOCO_OK;
}

static yoco_status file_read(const char *name, const uint8_t *bytes, size_t size,
                             yoco_safetensors *file)
{
    size_t header_bytes;
    YOCO_TRY(header_size_read(name, bytes, size, &header_bytes));
    YOCO_TRY(yoco_json_parse(name, (const char *)bytes + SIZE_BYTES, header_bytes, &file->header));
    size_t before_data = SIZE_BYTES + header_bytes;
    return tensors_read(name, file, bytes + before_data, size - before_data);
}

yoco_status yoco_safetensors_parse(const char *name, const void *data, size_t size,
                                   yoco_safetensors **out)
{
    yoco_safetensors *file;
    YOCO_TRY(yoco_alloc(sizeof *file, name, (void **)&file));
    *file = (yoco_safetensors){0};
    yoco_status status = file_read(name, data, size, file);
    if (status != YOCO_OK) {
        yoco_safetensors_close(file);
        return status;
    }
    *out = file;
    return YOCO_OK;
}

yoco_status yoco_safetensors_open(const char *path, yoco_safetensors **out)
{
    yoco_map map;
    YOCO_TRY(yoco_map_open(path, &map));
    yoco_status status = yoco_first_bytes_check(path, YOCO_FILE_WEIGHTS, map.data, map.size);
    if (status == YOCO_OK)
        status = yoco_safetensors_parse(path, map.data, map.size, out);
    if (status == YOCO_OK)
        (*out)->map = map;
    else
        yoco_map_close(&map);
    return status;
}

void yoco_safetensors_close(yoco_safetensors *file)
{
    if (!file)
        return;
    yoco_free(file->by_name);
    yoco_free(file->tensors);
    json_decref(file->header);
    yoco_map_close(&file->map);
    yoco_free(file);
}

int yoco_safetensors_count(const yoco_safetensors *file)
{
    return file->n_tensors;
}

const yoco_tensor *yoco_safetensors_at(const yoco_safetensors *file, int index)
{
    return &file->tensors[index];
}

const yoco_tensor *yoco_safetensors_find(const yoco_safetensors *file, const char *name)
{
    if (file->n_tensors == 0)
        return NULL;
    const yoco_tensor key = {.name = name}, *wanted = &key;
    const yoco_tensor **found = bsearch(&wanted, file->by_name, (size_t)file->n_tensors,
                                        sizeof *file->by_name, compare_name);
    return found ? *found : NULL;
}

const char *yoco_safetensors_note(const yoco_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

int64_t yoco_safetensors_file_bytes(const yoco_safetensors *file)
{
    return (int64_t)file->map.size;
}

yoco_file_id yoco_safetensors_file_id(const yoco_safetensors *file)
{
    return file->map.id;
}
