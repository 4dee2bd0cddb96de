/* The safetensors format, read (mapped, nothing copied) and written.
 * A file: u64 little-endian header size, JSON header, data. Every rule of the format is enforced on
 * reading: header at most 100 MB and within the file, starting with '{'; no duplicate keys; known
 * dtypes; shape times dtype equal to the range, without overflow; ranges contiguous, without holes
 * or overlaps, up to the end of the file. Source: https://github.com/huggingface/safetensors,
 * "Format". */
#ifndef YOCO_SAFETENSORS_H
#define YOCO_SAFETENSORS_H

#include "base.h"

enum { YOCO_TENSOR_MAX_DIMS = 8 };

typedef struct yoco_tensor {
    const char *name; /* lives as long as the file */
    yoco_dtype dtype;
    int n_dims;
    int64_t shape[YOCO_TENSOR_MAX_DIMS];
    const void *data; /* into the map; only as aligned as the file has it */
    size_t bytes;
    /* Of a part of a file's tensor whose rows do not lie side by side: so many do, and so many rows
     * behind the first of them begin the next. 0: all do. */
    int64_t group_rows, group_stride;
} yoco_tensor;

typedef struct yoco_safetensors yoco_safetensors;

yoco_status yoco_safetensors_open(const char *path, yoco_safetensors **out);
/* Parses bytes that the caller keeps alive; `name` stands in error lines. */
yoco_status yoco_safetensors_parse(const char *name, const void *data, size_t size,
                                   yoco_safetensors **out);
void yoco_safetensors_close(yoco_safetensors *file);

int yoco_safetensors_count(const yoco_safetensors *file);
const yoco_tensor *yoco_safetensors_at(const yoco_safetensors *file,
                                       int index); /* in order of data */
const yoco_tensor *yoco_safetensors_find(const yoco_safetensors *file,
                                         const char *name); /* NULL: none */

/* Of an opened file; 0 for bytes that the caller keeps. */
int64_t yoco_safetensors_file_bytes(const yoco_safetensors *file);
yoco_file_id yoco_safetensors_file_id(const yoco_safetensors *file);
/* The value of a key of __metadata__; NULL: none. */
const char *yoco_safetensors_note(const yoco_safetensors *file, const char *key);

/* Writing: names, shapes and dtypes first (their `data` is ignored), then the data in that order,
 * in pieces of any size. The file appears under its name only when `finish` succeeds: written
 * beside it, synced, renamed. */
typedef struct yoco_safetensors_writer yoco_safetensors_writer;

yoco_status yoco_safetensors_create(const char *path, const yoco_tensor *tensors, int n_tensors,
                                    yoco_safetensors_writer **out);
/* The same with an entry in __metadata__ for each note. */
typedef struct yoco_safetensors_note_entry {
    const char *key, *value;
} yoco_safetensors_note_entry;

yoco_status yoco_safetensors_create_noted(const char *path,
                                          const yoco_safetensors_note_entry *notes, int n_notes,
                                          const yoco_tensor *tensors, int n_tensors,
                                          yoco_safetensors_writer **out);
/* Puts another value, of equal length, in the place of a note's. */
yoco_status yoco_safetensors_set_note(yoco_safetensors_writer *writer, const char *key,
                                      const char *value);
yoco_status yoco_safetensors_append(yoco_safetensors_writer *writer, const void *data,
                                    size_t bytes);
/* Frees the writer in every case; fails if the data appended is not what the header says. */
yoco_status yoco_safetensors_finish(yoco_safetensors_writer *writer);
void yoco_safetensors_discard(yoco_safetensors_writer *writer);

#endif
