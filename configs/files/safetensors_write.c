#include "configs/files/safetensors.h"

#include "configs/files/atomic_file.h"
#include "configs/files/json_text.h"

#include <stdlib.h>
#include <string.h>

/* The header ends on this boundary, so that data of any dtype is aligned in a map of the file. */
enum { ALIGNMENT = 8 };

struct yoco_safetensors_writer {
    yoco_atomic_file *file;
    size_t n_left_bytes; /* of the data that the header promises */
    yoco_status status;  /* of the first append that failed */
};

static yoco_status tensor_bytes(const char *path, const yoco_tensor *tensor, size_t *out)
{
    size_t bytes = yoco_dtype_bytes(tensor->dtype);
    bool legal = tensor->n_dims >= 0 && tensor->n_dims <= YOCO_TENSOR_MAX_DIMS;
    for (int i = 0; legal && i < tensor->n_dims; i++)
        legal = tensor->shape[i] >= 0 && yoco_size_mul(bytes, (size_t)tensor->shape[i], &bytes);
    if (!legal) {
        yoco_log_error("cannot write %s: tensor %s has an illegal shape", path, tensor->name);
        return YOCO_ERR_DATA;
    }
    *out = bytes;
    return YOCO_OK;
}

static json_t *tensor_json(const yoco_tensor *tensor, size_t begin, size_t end)
{
    json_t *shape = json_array();
    for (int i = 0; i < tensor->n_dims; i++)
        json_array_append_new(shape, json_integer(tensor->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", yoco_dtype_name(tensor->dtype), "shape",
                     shape, "data_offsets", (json_int_t)begin, (json_int_t)end);
}

static yoco_status header_fill(const char *path, const yoco_tensor *tensors, int n_tensors,
                               json_t *header, size_t *data_bytes)
{
    size_t begin = 0, bytes, end;
    for (int i = 0; i < n_tensors; i++) {
        const char *name = tensors[i].name;
        YOCO_TRY(tensor_bytes(path, &tensors[i], &bytes));
        if (!yoco_size_add(begin, bytes, &end) || end > INT64_MAX) {
            yoco_log_error("cannot write %s: the sizes of its tensors overflow", path);
            return YOCO_ERR_DATA;
        }
        if (strcmp(name, "__metadata__") == 0 || json_object_get(header, name) ||
            json_object_set_new(header, name, tensor_json(&tensors[i], begin, end)) != 0) {
            yoco_log_error("cannot write %s: tensor name %s is taken or not UTF-8", path, name);
            return YOCO_ERR_DATA;
        }
        begin = end;
    }
    *data_bytes = begin;
    return YOCO_OK;
}

static yoco_status header_write(yoco_atomic_file *file, const char *text)
{
    static const char spaces[ALIGNMENT] = "        ";
    size_t used = strlen(text), padding = (ALIGNMENT - used % ALIGNMENT) % ALIGNMENT;
    uint64_t header_bytes = used + padding;
    YOCO_TRY(yoco_atomic_file_write(file, &header_bytes, sizeof header_bytes));
    YOCO_TRY(yoco_atomic_file_write(file, text, used));
    return yoco_atomic_file_write(file, spaces, padding);
}

static yoco_status file_begin(const char *path, const char *header, yoco_atomic_file **out)
{
    if (!header) {
        yoco_log_error("cannot write %s: no memory for its header", path);
        return YOCO_ERR_MEMORY;
    }
    yoco_atomic_file *file;
    YOCO_TRY(yoco_atomic_file_create(path, &file));
    yoco_status status = header_write(file, header);
    if (status != YOCO_OK) {
        yoco_atomic_file_discard(file);
        return status;
    }
    *out = file;
    return YOCO_OK;
}

static json_t *notes_json(const yoco_safetensors_note_entry *notes, int n_notes)
{
    json_t *object = json_object();
    for (int i = 0; i < n_notes; i++)
        json_object_set_new(object, notes[i].key, json_string(notes[i].value));
    return object;
}

yoco_status yoco_safetensors_create_noted(const char *path,
                                          const yoco_safetensors_note_entry *notes, int n_notes,
                                          const yoco_tensor *tensors, int n_tensors,
                                          yoco_safetensors_writer **out)
{
    yoco_safetensors_writer *writer;
    YOCO_TRY(yoco_alloc(sizeof *writer, path, (void **)&writer));
    writer->status = YOCO_OK;
    json_t *header = json_object();
    yoco_status status = header_fill(path, tensors, n_tensors, header, &writer->n_left_bytes);
    if (status == YOCO_OK) {
        if (n_notes > 0)
            json_object_set_new(header, "__metadata__", notes_json(notes, n_notes));
        char *text = json_dumps(header, JSON_COMPACT);
        status = file_begin(path, text, &writer->file);
        free(text);
    }
    json_decref(header);
    if (status != YOCO_OK) {
        yoco_free(writer);
        return status;
    }
    *out = writer;
    return YOCO_OK;
}

yoco_status yoco_safetensors_create(const char *path, const yoco_tensor *tensors, int n_tensors,
                                    yoco_safetensors_writer **out)
{
    return yoco_safetensors_create_noted(path, NULL, 0, tensors, n_tensors, out);
}

yoco_status yoco_safetensors_append(yoco_safetensors_writer *writer, const void *data, size_t bytes)
{
    YOCO_TRY(writer->status);
    if (bytes > writer->n_left_bytes) {
        yoco_log_error("more data for a safetensors file than its header says: %zu bytes over",
                       bytes - writer->n_left_bytes);
        writer->status = YOCO_ERR_INTERNAL;
    } else {
        writer->status = yoco_atomic_file_write(writer->file, data, bytes);
        writer->n_left_bytes -= bytes;
    }
    return writer->status;
}

yoco_status yoco_safetensors_finish(yoco_safetensors_writer *writer)
{
    yoco_status status = writer->status;
    if (status == YOCO_OK && writer->n_left_bytes > 0) {
        yoco_log_error("less data for a safetensors file than its header says: %zu bytes missing",
                       writer->n_left_bytes);
        status = YOCO_ERR_INTERNAL;
    }
    if (status == YOCO_OK)
        status = yoco_atomic_file_finish(writer->file);
    else
        yoco_atomic_file_discard(writer->file);
    yoco_free(writer);
    return status;
}

void yoco_safetensors_discard(yoco_safetensors_writer *writer)
{
    if (!writer)
        return;
    yoco_atomic_file_discard(writer->file);
    yoco_free(writer);
}
