/* What a folder with a saved context belongs to and what it holds (docs/SNAPSHOTS.md):
 * manifest.json of a complete one, partial.json of one in the making. The text comes from
 * strangers: unknown and missing fields, sizes that do not fit together and numbers out of range
 * are refused. File names are derived from the chunk's number and never read. */
#ifndef YOCO_CONTEXT_MANIFEST_H
#define YOCO_CONTEXT_MANIFEST_H

#include "configs/files/hash.h"

/* A change of what the files hold, of YOCO_RETENTION_ROWS included, is another version. */
enum { YOCO_CONTEXT_VERSION = 1, YOCO_CONTEXT_ARITHMETIC_BYTES = 256 };

/* Equal identities, equal bytes. */
typedef struct yoco_context_identity {
    yoco_hash model;     /* yoco_checkpoint_hash */
    yoco_hash tokenizer; /* 0 where there is none */
    yoco_hash document;  /* of the token ids as 64-bit integers */
    char arithmetic[YOCO_CONTEXT_ARITHMETIC_BYTES];
    yoco_dtype dtype; /* of K and V: F32 or BF16 */
    int64_t n_tokens; /* >= 0 */
    int64_t chunk_rows;
} yoco_context_identity;

/* One file: its length, and the checksum of the tensors in it. bytes 0: there is no such file. */
typedef struct yoco_context_entry {
    int64_t bytes;
    yoco_hash checksum;
} yoco_context_entry;

typedef struct yoco_context_manifest {
    yoco_context_identity identity;
    bool temporary;             /* begun by --checkpoint, which may remove it; absent: not so */
    int64_t n_chunks;           /* as n_tokens and chunk_rows have it */
    yoco_context_entry *chunks; /* (n_chunks); NULL in partial.json */
    yoco_context_entry *edges;  /* (n_chunks): the edges after each chunk; the last is there */
} yoco_context_manifest;

/* partial.json has no lists. `name` stands in error lines. */
yoco_status yoco_context_manifest_parse(const char *name, const char *text, size_t size,
                                        bool partial, yoco_context_manifest *out);
yoco_status yoco_context_manifest_load(const char *path, bool partial, yoco_context_manifest *out);
/* Replaces the file durably. Without lists (chunks NULL) it writes a partial.json. */
yoco_status yoco_context_manifest_save(const char *path, const yoco_context_manifest *manifest);
void yoco_context_manifest_free(yoco_context_manifest *manifest);

/* YOCO_ERR_DATA, logged, names the first field in which what `path` says is not what is wanted, and
 * what to do. */
yoco_status yoco_context_identity_check(const char *path, const yoco_context_identity *found,
                                        const yoco_context_identity *wanted);

#endif
