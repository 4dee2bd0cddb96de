#include "configs/context/document.h"

#include <string.h>

enum { PIECE = 4096 };

/* Ids first .. first + n - 1, widened. */
static void widen(const int32_t *ids, int64_t n, int64_t wide[PIECE])
{
    for (int64_t i = 0; i < n; i++)
        wide[i] = ids[i];
}

yoco_status yoco_context_document_hash(const int32_t *ids, int64_t n_ids, yoco_hash *out)
{
    yoco_hasher *hasher;
    int64_t wide[PIECE];
    YOCO_TRY(yoco_hasher_create(&hasher));
    for (int64_t done = 0, n; done < n_ids; done += n) {
        n = yoco_i64_min(PIECE, n_ids - done);
        widen(ids + done, n, wide);
        yoco_hasher_add(hasher, wide, (size_t)n * sizeof *wide);
    }
    *out = yoco_hasher_finish(hasher);
    return YOCO_OK;
}

static yoco_status write_ids(yoco_safetensors_writer *writer, const int32_t *ids, int64_t n_ids)
{
    int64_t wide[PIECE];
    for (int64_t done = 0, n; done < n_ids; done += n) {
        n = yoco_i64_min(PIECE, n_ids - done);
        widen(ids + done, n, wide);
        YOCO_TRY(yoco_safetensors_append(writer, wide, (size_t)n * sizeof *wide));
    }
    return YOCO_OK;
}

yoco_status yoco_context_document_save(const char *folder, const yoco_context_identity *identity,
                                       const int32_t *ids)
{
    const yoco_context_part part = {identity, YOCO_CONTEXT_DOCUMENT, 0};
    const yoco_tensor tokens = {
        .name = "tokens", .dtype = YOCO_I64, .n_dims = 1, .shape = {identity->n_tokens}};
    char path[PATH_MAX];
    yoco_safetensors_writer *writer;
    YOCO_TRY(yoco_context_part_path(folder, &part, path));
    YOCO_TRY(yoco_context_file_create(path, &part, identity->document, &tokens, 1, &writer));
    yoco_status status = write_ids(writer, ids, identity->n_tokens);
    if (status == YOCO_OK)
        return yoco_safetensors_finish(writer);
    yoco_safetensors_discard(writer);
    return status;
}

static yoco_status narrow(const char *name, const yoco_tensor *tokens, int vocab_size, int32_t *ids)
{
    for (int64_t i = 0; i < tokens->shape[0]; i++) {
        int64_t id;
        memcpy(&id, (const char *)tokens->data + (size_t)i * sizeof id, sizeof id);
        if (id < 0 || id >= vocab_size) {
            yoco_log_error("%s: token %lld is %lld, not an id below %d: made with another model",
                           name, (long long)i, (long long)id, vocab_size);
            return YOCO_ERR_DATA;
        }
        ids[i] = (int32_t)id;
    }
    return YOCO_OK;
}

static yoco_status data_check(const char *name, const yoco_safetensors *file, yoco_hash checksum)
{
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    for (int i = 0; i < yoco_safetensors_count(file); i++)
        yoco_hasher_add(hasher, yoco_safetensors_at(file, i)->data,
                        yoco_safetensors_at(file, i)->bytes);
    if (yoco_hash_equal(yoco_hasher_finish(hasher), checksum))
        return YOCO_OK;
    return yoco_context_file_damaged(name);
}

/* Header and data. `listed` is what the manifest says; bytes 0: it does not say how many. */
static yoco_status part_check(const char *name, const yoco_safetensors *file,
                              const yoco_context_part *part, const yoco_context_entry *listed)
{
    yoco_hash checksum;
    YOCO_TRY(yoco_context_file_check(name, file, part, NULL, 0, &checksum));
    bool same_length = listed->bytes == 0 || listed->bytes == yoco_safetensors_file_bytes(file);
    if (!same_length || !yoco_hash_equal(checksum, listed->checksum))
        return yoco_context_file_damaged(name);
    return data_check(name, file, checksum);
}

yoco_status yoco_context_document_load(const char *folder, const yoco_context_identity *identity,
                                       int vocab_size, int32_t **ids)
{
    const yoco_context_part part = {identity, YOCO_CONTEXT_DOCUMENT, 0};
    const yoco_context_entry listed = {0, identity->document};
    char path[PATH_MAX];
    yoco_safetensors *file;
    int32_t *list = NULL;
    YOCO_TRY(yoco_context_part_path(folder, &part, path));
    YOCO_TRY(yoco_safetensors_open(path, &file));
    yoco_status status = part_check(path, file, &part, &listed);
    if (status == YOCO_OK)
        status = yoco_alloc((size_t)identity->n_tokens * sizeof *list, path, (void **)&list);
    if (status == YOCO_OK)
        status = narrow(path, yoco_safetensors_at(file, 0), vocab_size, list);
    yoco_safetensors_close(file);
    if (status == YOCO_OK)
        *ids = list;
    else
        yoco_free(list);
    return status;
}

static yoco_status file_verify(const char *folder, const yoco_context_part *part,
                               const yoco_context_entry *listed)
{
    char path[PATH_MAX];
    yoco_safetensors *file;
    YOCO_TRY(yoco_context_part_path(folder, part, path));
    YOCO_TRY(yoco_safetensors_open(path, &file));
    yoco_status status = part_check(path, file, part, listed);
    yoco_safetensors_close(file);
    return status;
}

yoco_status yoco_context_verify(const char *folder, const yoco_context_manifest *manifest)
{
    const yoco_context_identity *identity = &manifest->identity;
    yoco_context_part part = {identity, YOCO_CONTEXT_DOCUMENT, 0};
    const yoco_context_entry document = {0, identity->document};
    yoco_status worst = file_verify(folder, &part, &document);
    for (int64_t chunk = 0; chunk < manifest->n_chunks; chunk++) {
        const yoco_context_entry *entries[] = {&manifest->chunks[chunk], &manifest->edges[chunk]};
        for (int i = 0; i < 2; i++) {
            if (entries[i]->bytes == 0)
                continue;
            part.kind = i == 0 ? YOCO_CONTEXT_CHUNK : YOCO_CONTEXT_EDGE;
            part.chunk = chunk;
            yoco_status status = file_verify(folder, &part, entries[i]);
            if (status > worst)
                worst = status;
        }
    }
    return worst;
}
