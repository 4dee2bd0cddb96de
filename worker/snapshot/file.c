/* One file of a snapshot: between the worker's memory and the disk. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/edges.h"
#include "worker/snapshot/parts.h"

yoco_snapshot_payload yoco_snapshot_chunk(const yoco_snapshot *s, int64_t chunk)
{
    const yoco_worker *w = s->w;
    const yoco_grid *grid = &w->plan.input.grid;
    const yoco_model_config *c = &w->model->config;
    size_t shard = (size_t)yoco_grid_shard_row(grid, chunk) * yoco_kv_row_bytes(w);
    yoco_snapshot_payload payload = {.part = {&s->manifest.identity, YOCO_CONTEXT_CHUNK, chunk},
                                     .n_segments = 2,
                                     .bytes = (size_t)yoco_grid_chunk_rows(grid, chunk) *
                                              yoco_kv_row_bytes(w),
                                     .k = yoco_bytes(w, YOCO_BUF_SHARD_K) + shard,
                                     .v = yoco_bytes(w, YOCO_BUF_SHARD_V) + shard};
    payload.n_tensors = yoco_context_file_expected(&payload.part, payload.tensors);
    for (int i = 0; i < payload.n_tensors; i++) {
        payload.tensors[i].shape[1] = c->n_attn_kv_heads;
        payload.tensors[i].shape[2] = yoco_config_head_dim(c);
    }
    return payload;
}

yoco_snapshot_payload yoco_snapshot_edge(const yoco_snapshot *s, int64_t chunk, yoco_buffer buffer)
{
    const yoco_worker *w = s->w;
    const yoco_grid *grid = &w->plan.input.grid;
    const yoco_model_config *c = &w->model->config;
    int64_t end = yoco_i64_min((chunk + 1) * grid->chunk_rows, grid->n_tokens);
    yoco_snapshot_payload payload = {.part = {&s->manifest.identity, YOCO_CONTEXT_EDGE, chunk},
                                     .n_segments = w->model->n_self,
                                     .bytes = yoco_edge_bytes(w, end),
                                     .edges = yoco_bytes(w, buffer)};
    payload.n_tensors = yoco_context_file_expected(&payload.part, payload.tensors);
    yoco_tensor *tensor = &payload.tensors[0];
    int64_t head_dim = yoco_config_self_head_dim(c);
    const int64_t window[] = {w->model->n_self, 2, yoco_edge_rows(w, end), c->dim};
    const int64_t states[] = {w->model->n_self, c->n_self_heads, head_dim, head_dim};
    bool retention = yoco_config_is_retention(c);
    memcpy(tensor->shape, retention ? states : window, sizeof window);
    if (retention)
        tensor->dtype = YOCO_F32;
    return payload;
}

static char *segment(const yoco_snapshot *s, const yoco_snapshot_payload *p, int index)
{
    if (p->part.kind == YOCO_CONTEXT_CHUNK)
        return index == 0 ? p->k : p->v;
    return p->edges + (size_t)index * s->w->plan.edge_bytes;
}

/* A piece of a segment in host memory, hashed or appended. */
typedef yoco_status (*piece_sink)(void *context, const void *data, size_t bytes);

static yoco_status each_piece(const yoco_snapshot *s, const yoco_snapshot_payload *p, void *stage,
                              piece_sink sink, void *context)
{
    yoco_worker *w = s->w;
    for (int i = 0; i < p->n_segments; i++) {
        const char *from = segment(s, p, i);
        for (size_t done = 0, n; done < p->bytes; done += n) {
            n = (size_t)yoco_i64_min(YOCO_SNAPSHOT_STAGE_BYTES, (int64_t)(p->bytes - done));
            YOCO_TRY(w->ops->fetch(w->device, stage, from + done, n));
            YOCO_TRY(sink(context, stage, n));
        }
    }
    return YOCO_OK;
}

/* What is known of a file before it is written. */
typedef struct survey {
    yoco_hasher *hasher;
    yoco_dtype dtype;
    bool finite;
} survey;

/* An exponent of ones is a NaN or an infinity; bf16 is the upper half of f32. */
static bool all_finite(const void *data, size_t bytes, yoco_dtype dtype)
{
    const uint16_t *x = data;
    size_t step = dtype == YOCO_F32 ? 2 : 1, n_bad = 0;
    for (size_t i = step - 1; i < bytes / sizeof *x; i += step)
        n_bad += (x[i] & 0x7f80) == 0x7f80;
    return n_bad == 0;
}

static yoco_status add_to_survey(void *context, const void *data, size_t bytes)
{
    survey *v = context;
    yoco_hasher_add(v->hasher, data, bytes);
    v->finite = v->finite && all_finite(data, bytes, v->dtype);
    return YOCO_OK;
}

static yoco_status append(void *writer, const void *data, size_t bytes)
{
    return yoco_safetensors_append(writer, data, bytes);
}

static yoco_status file_bytes(const char *path, int64_t *out)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        yoco_log_error("cannot open %s: %s", path, strerror(errno));
        return YOCO_ERR_IO;
    }
    *out = info.st_size;
    return YOCO_OK;
}

yoco_status yoco_snapshot_write(const yoco_snapshot *s, const yoco_snapshot_payload *p, void *stage,
                                yoco_context_entry *entry)
{
    char path[PATH_MAX];
    survey v = {.dtype = p->tensors[0].dtype, .finite = true};
    yoco_safetensors_writer *writer;
    YOCO_TRY(yoco_context_part_path(s->folder, &p->part, path));
    YOCO_TRY(yoco_hasher_create(&v.hasher));
    yoco_status surveyed = each_piece(s, p, stage, add_to_survey, &v);
    entry->checksum = yoco_hasher_finish(v.hasher);
    YOCO_TRY(surveyed);
    if (!v.finite) {
        yoco_log_error("%s is not written: its values are not finite; are the weights damaged?",
                       path);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(yoco_context_file_create(path, &p->part, entry->checksum, p->tensors, p->n_tensors,
                                      &writer));
    yoco_status status = each_piece(s, p, stage, append, writer);
    if (status != YOCO_OK) {
        yoco_safetensors_discard(writer);
        return status;
    }
    YOCO_TRY(yoco_safetensors_finish(writer));
    return file_bytes(path, &entry->bytes);
}

bool yoco_snapshot_exists(const yoco_snapshot *s, const yoco_snapshot_payload *p)
{
    char path[PATH_MAX];
    return yoco_context_part_path(s->folder, &p->part, path) == YOCO_OK && access(path, F_OK) == 0;
}

/* One pass over the file: each piece is hashed while it is in the cache. */
static yoco_status fill(const yoco_snapshot *s, const yoco_snapshot_payload *p, const char *data,
                        yoco_hash *checksum)
{
    yoco_worker *w = s->w;
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    for (int i = 0; i < p->n_segments; i++) {
        char *to = segment(s, p, i);
        for (size_t done = 0, n; done < p->bytes; done += n, data += n) {
            n = (size_t)yoco_i64_min(YOCO_SNAPSHOT_STAGE_BYTES, (int64_t)(p->bytes - done));
            yoco_hasher_add(hasher, data, n);
            w->ops->upload(w->device, to + done, data, n);
        }
    }
    *checksum = yoco_hasher_finish(hasher);
    return w->ops->synchronize(w->device);
}

static yoco_status read_file(const yoco_snapshot *s, const yoco_snapshot_payload *p,
                             const char *path, const yoco_safetensors *file,
                             const yoco_context_entry *listed, yoco_context_entry *entry)
{
    yoco_hash checksum;
    YOCO_TRY(
        yoco_context_file_check(path, file, &p->part, p->tensors, p->n_tensors, &entry->checksum));
    entry->bytes = yoco_safetensors_file_bytes(file);
    YOCO_TRY(fill(s, p, yoco_safetensors_at(file, 0)->data, &checksum));
    bool as_listed = !listed || (listed->bytes == entry->bytes &&
                                 yoco_hash_equal(listed->checksum, entry->checksum));
    if (as_listed && yoco_hash_equal(checksum, entry->checksum))
        return YOCO_OK;
    return yoco_context_file_damaged(path);
}

yoco_status yoco_snapshot_read(const yoco_snapshot *s, const yoco_snapshot_payload *p,
                               const yoco_context_entry *listed, yoco_context_entry *entry)
{
    char path[PATH_MAX];
    yoco_safetensors *file;
    yoco_context_entry found;
    YOCO_TRY(yoco_context_part_path(s->folder, &p->part, path));
    YOCO_TRY(yoco_safetensors_open(path, &file));
    yoco_status status = read_file(s, p, path, file, listed, &found);
    yoco_safetensors_close(file);
    if (status == YOCO_OK)
        *entry = found;
    return status;
}
