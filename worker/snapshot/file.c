/* One file of a snapshot: between the worker's memory and the disk. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/edges.h"
#include "worker/snapshot/parts.h"

yoco_snapshot_payload yoco_snapshot_chunk(const yoco_snapshot *s, int64_t chunk)
{
    return (yoco_snapshot_payload){.part = {&s->manifest.identity, YOCO_CONTEXT_CHUNK, chunk}};
}

yoco_snapshot_payload yoco_snapshot_edge(const yoco_snapshot *s, int64_t chunk, yoco_buffer buffer)
{
    return (yoco_snapshot_payload){.part = {&s->manifest.identity, YOCO_CONTEXT_EDGE, chunk},
                                   .buffer = buffer};
}

/* A run of device memory. */
typedef struct segment {
    char *at;
    size_t bytes;
    yoco_dtype dtype;
} segment;

static int count_segments(const yoco_snapshot *s, const yoco_snapshot_payload *p)
{
    const yoco_model *m = s->w->model;
    return p->part.kind == YOCO_CONTEXT_CHUNK ? YOCO_PAST_PARTS * m->n_stores : m->n_pasts;
}

/* The first position behind a chunk. */
static int64_t chunk_end(const yoco_snapshot *s, int64_t chunk)
{
    const yoco_grid *grid = &s->w->plan.input.grid;
    return yoco_i64_min((chunk + 1) * grid->chunk_rows, grid->n_tokens);
}

static segment segment_at(const yoco_snapshot *s, const yoco_snapshot_payload *p, int index)
{
    const yoco_worker *w = s->w;
    const yoco_grid *grid = &w->plan.input.grid;
    if (p->part.kind == YOCO_CONTEXT_EDGE) {
        const yoco_past *past = &w->pasts[index];
        return (segment){yoco_bytes(w, p->buffer) + past->slot_at,
                         yoco_past_bytes_before(w, past, chunk_end(s, p->part.chunk)),
                         past->shape.form == YOCO_PAST_STATE ? YOCO_F32 : w->model->dtype};
    }
    const yoco_store *store = &w->stores[index / YOCO_PAST_PARTS];
    int part = index % YOCO_PAST_PARTS;
    size_t row = store->row_bytes[part];
    int64_t first = yoco_grid_shard_row(grid, p->part.chunk);
    return (segment){yoco_store_shard(w, store, part) + (size_t)first * row,
                     (size_t)yoco_grid_chunk_rows(grid, p->part.chunk) * row, w->model->dtype};
}

/* What a file says about its segments. */
typedef struct tensor_list {
    int n;
    yoco_tensor *tensors;
    char (*names)[YOCO_CONTEXT_NAME_BYTES];
} tensor_list;

static yoco_tensor *add_tensor(tensor_list *list, yoco_context_kind kind)
{
    char *text = list->names[list->n];
    yoco_context_tensor_name(kind, list->n, text);
    yoco_tensor *tensor = &list->tensors[list->n++];
    *tensor = (yoco_tensor){.name = text};
    return tensor;
}

static void list_chunk(const yoco_snapshot *s, const yoco_snapshot_payload *p, tensor_list *list)
{
    const yoco_worker *w = s->w;
    for (int i = 0; i < w->model->n_stores; i++) {
        const yoco_layer_shape *layer = &w->model->shape->layers[w->stores[i].layer];
        for (int part = 0; part < YOCO_PAST_PARTS; part++) {
            yoco_tensor *tensor = add_tensor(list, YOCO_CONTEXT_CHUNK);
            tensor->dtype = w->model->dtype;
            tensor->n_dims = 3;
            tensor->shape[0] = yoco_grid_chunk_rows(&w->plan.input.grid, p->part.chunk);
            tensor->shape[1] = part == 0 ? layer->n_kv_heads : yoco_layer_v_heads(layer);
            tensor->shape[2] = part == 0 ? layer->k_dim : layer->v_dim;
        }
    }
}

static bool is_like(const yoco_past_shape *a, const yoco_past_shape *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* A tensor for each run of equal pasts: (n, 2, rows, width), where K is as wide as V, or (n, ...) a
 * state. */
static void list_edge(const yoco_snapshot *s, const yoco_snapshot_payload *p, tensor_list *list)
{
    const yoco_worker *w = s->w;
    for (int i = 0, n; i < w->model->n_pasts; i += n) {
        const yoco_past_shape *past = &w->pasts[i].shape;
        for (n = 1; i + n < w->model->n_pasts && is_like(past, &w->pasts[i + n].shape); n++)
            ;
        yoco_tensor *tensor = add_tensor(list, YOCO_CONTEXT_EDGE);
        bool even = past->width[0] == past->width[1];
        int64_t width = past->width[0] + past->width[1];
        tensor->dtype = past->form == YOCO_PAST_STATE ? YOCO_F32 : w->model->dtype;
        tensor->n_dims = 4;
        const int64_t rows[] = {n, even ? 2 : 1,
                                yoco_past_edge_rows(past, chunk_end(s, p->part.chunk)),
                                even ? width / 2 : width};
        const int64_t state[] = {n, past->state[0], past->state[1], past->state[2]};
        memcpy(tensor->shape, past->form == YOCO_PAST_STATE ? state : rows, sizeof rows);
    }
}

static void list_free(tensor_list *list)
{
    yoco_free(list->tensors);
    yoco_free(list->names);
}

static yoco_status list_make(const yoco_snapshot *s, const yoco_snapshot_payload *p,
                             tensor_list *out)
{
    static const char what[] = "the list of tensors";
    tensor_list list = {.n = 0};
    size_t most = (size_t)count_segments(s, p) + 1;
    YOCO_TRY(yoco_alloc(most * sizeof *list.tensors, what, (void **)&list.tensors));
    yoco_status status = yoco_alloc(most * sizeof *list.names, what, (void **)&list.names);
    if (status != YOCO_OK) {
        list_free(&list);
        return status;
    }
    if (p->part.kind == YOCO_CONTEXT_CHUNK)
        list_chunk(s, p, &list);
    else
        list_edge(s, p, &list);
    *out = list;
    return YOCO_OK;
}

/* An exponent of ones is a NaN or an infinity; bf16 is the upper half of f32. */
static bool all_finite(const void *data, size_t bytes, yoco_dtype dtype)
{
    const uint16_t *x = data;
    size_t step = dtype == YOCO_F32 ? 2 : 1, n_bad = 0;
    for (size_t i = step - 1; i < bytes / sizeof *x; i += step)
        n_bad += (x[i] & 0x7f80) == 0x7f80;
    return n_bad == 0;
}

/* One pass over the device's memory: each piece is checked, hashed and written while it is in the
 * cache. */
static yoco_status write_segments(const yoco_snapshot *s, const yoco_snapshot_payload *p,
                                  void *stage, const char *path, yoco_hasher *hasher,
                                  yoco_safetensors_writer *writer)
{
    yoco_worker *w = s->w;
    for (int i = 0; i < count_segments(s, p); i++) {
        const segment from = segment_at(s, p, i);
        for (size_t done = 0, n; done < from.bytes; done += n) {
            n = (size_t)yoco_i64_min(YOCO_SNAPSHOT_STAGE_BYTES, (int64_t)(from.bytes - done));
            YOCO_TRY(w->ops->fetch(w->device, stage, from.at + done, n));
            if (!all_finite(stage, n, from.dtype)) {
                yoco_log_error(
                    "%s is not written: its values are not finite; are the weights damaged?", path);
                return YOCO_ERR_DATA;
            }
            yoco_hasher_add(hasher, stage, n);
            YOCO_TRY(yoco_safetensors_append(writer, stage, n));
        }
    }
    return YOCO_OK;
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

static yoco_status create_file(const yoco_snapshot *s, const yoco_snapshot_payload *p,
                               const char *path, yoco_safetensors_writer **out)
{
    tensor_list list;
    YOCO_TRY(list_make(s, p, &list));
    yoco_status status =
        yoco_context_file_create(path, &p->part, (yoco_hash){0, 0}, list.tensors, list.n, out);
    list_free(&list);
    return status;
}

yoco_status yoco_snapshot_write(const yoco_snapshot *s, const yoco_snapshot_payload *p, void *stage,
                                yoco_context_entry *entry)
{
    char path[PATH_MAX];
    yoco_hasher *hasher;
    yoco_safetensors_writer *writer;
    YOCO_TRY(yoco_context_part_path(s->folder, &p->part, path));
    YOCO_TRY(create_file(s, p, path, &writer));
    yoco_status status = yoco_hasher_create(&hasher);
    if (status == YOCO_OK) {
        status = write_segments(s, p, stage, path, hasher, writer);
        entry->checksum = yoco_hasher_finish(hasher);
    }
    if (status == YOCO_OK)
        status = yoco_context_file_seal(writer, entry->checksum);
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
    for (int i = 0; i < count_segments(s, p); i++) {
        const segment to = segment_at(s, p, i);
        for (size_t done = 0, n; done < to.bytes; done += n, data += n) {
            n = (size_t)yoco_i64_min(YOCO_SNAPSHOT_STAGE_BYTES, (int64_t)(to.bytes - done));
            yoco_hasher_add(hasher, data, n);
            w->ops->upload(w->device, to.at + done, data, n);
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
    tensor_list list;
    YOCO_TRY(list_make(s, p, &list));
    yoco_status checked =
        yoco_context_file_check(path, file, &p->part, list.tensors, list.n, &entry->checksum);
    list_free(&list);
    YOCO_TRY(checked);
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
