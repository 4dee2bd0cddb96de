/* The files of a saved context: safetensors whose metadata says which context and which part of it
 * they are, and the checksum of their data. So each can be checked alone, also while there is no
 * manifest yet. */
#ifndef YOCO_CONTEXT_FILE_H
#define YOCO_CONTEXT_FILE_H

#include <limits.h>

#include "configs/context/manifest.h"
#include "configs/files/path.h"
#include "configs/files/safetensors.h"

typedef enum yoco_context_kind {
    YOCO_CONTEXT_DOCUMENT, /* document.safetensors: tokens I64 (n_tokens) */
    YOCO_CONTEXT_CHUNK,    /* chunk-<number>.safetensors: k, v (rows, n_kv_heads, head_dim) */
    YOCO_CONTEXT_EDGE,     /* edge-<number>.safetensors: what leaves that chunk: edges (n_layers, 2,
                              rows, dim), or (n_layers, heads, head_dim, head_dim) F32 */
} yoco_context_kind;

typedef struct yoco_context_part {
    const yoco_context_identity *identity;
    yoco_context_kind kind;
    int64_t chunk; /* 0 for the document */
} yoco_context_part;

/* "manifest.json", "partial.json". */
extern const char *const yoco_context_manifest_name, *const yoco_context_partial_name;

/* YOCO_ERR_OPEN, logged, where it is too long. */
yoco_status yoco_context_part_path(const char *folder, const yoco_context_part *part,
                                   char path[PATH_MAX]);
/* Whether a name is one that this folder's files have, unfinished ones included. */
bool yoco_context_owns_name(const char *name);

/* Whether a name is one that a file system or a desktop puts into any folder: neither a context's
 * nor anybody else's. */
bool yoco_context_passes_name(const char *name);

/* A name of a tensor fits. */
enum { YOCO_CONTEXT_NAME_BYTES = 24 };

/* As yoco_safetensors_create; the checksum is of the data that will be appended, or
 * yoco_context_file_seal puts it there once that is known. */
yoco_status yoco_context_file_create(const char *path, const yoco_context_part *part,
                                     yoco_hash checksum, const yoco_tensor *tensors, int n_tensors,
                                     yoco_safetensors_writer **out);

yoco_status yoco_context_file_seal(yoco_safetensors_writer *writer, yoco_hash checksum);

/* Tensor `index` of a file: "tokens"; "k", "v", "k.1", "v.1", ..., a pair for each layer that keeps
 * rows; "edges", "edges.1", ..., one for each run of equal edges. */
void yoco_context_tensor_name(yoco_context_kind kind, int index,
                              char name[YOCO_CONTEXT_NAME_BYTES]);

/* Checks the header of a file: its part, and exactly the tensors expected, in that order; NULL:
 * what a model could have there. The caller compares the checksum with the data. */
yoco_status yoco_context_file_check(const char *name, const yoco_safetensors *file,
                                    const yoco_context_part *part, const yoco_tensor *expected,
                                    int n_expected, yoco_hash *checksum);

/* The line for data that is not what the checksum says; returns YOCO_ERR_DATA. */
yoco_status yoco_context_file_damaged(const char *name);

#endif
