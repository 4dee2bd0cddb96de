#include "configs/model/checkpoint_parts.h"
#include "configs/model/family.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static yoco_status zeroed_alloc(size_t bytes, const char *what, void **out)
{
    YOCO_TRY(yoco_alloc(bytes, what, out));
    memset(*out, 0, bytes);
    return YOCO_OK;
}

static yoco_status parts_create(yoco_checkpoint *c)
{
    YOCO_TRY(zeroed_alloc(sizeof *c->store, "a checkpoint", (void **)&c->store));
    checkpoint_store *store = c->store;
    YOCO_TRY(zeroed_alloc((size_t)c->shape->n_layers * sizeof *c->layers, "the list of layers",
                          (void **)&c->layers));
    YOCO_TRY(yoco_model_tensors(c->shape, &store->specs, &store->n_specs));
    YOCO_TRY(yoco_alloc((size_t)store->n_specs * sizeof *store->views, "the list of tensors",
                        (void **)&store->views));
    return yoco_alloc((size_t)store->n_specs * sizeof *store->own, "the list of tensors",
                      (void **)&store->own);
}

yoco_status yoco_checkpoint_create(const yoco_model_shape *shape, yoco_checkpoint **out)
{
    yoco_checkpoint *c;
    YOCO_TRY(zeroed_alloc(sizeof *c, "a checkpoint", (void **)&c));
    yoco_status status = yoco_model_shape_copy(shape, &c->shape);
    if (status == YOCO_OK)
        status = parts_create(c);
    if (status != YOCO_OK) {
        yoco_checkpoint_close(c);
        return status;
    }
    *out = c;
    return YOCO_OK;
}

const yoco_tensor **yoco_checkpoint_slot(const yoco_checkpoint *checkpoint,
                                         const yoco_tensor_spec *spec)
{
    yoco_checkpoint *c = (yoco_checkpoint *)checkpoint;
    switch (spec->layer) {
    case YOCO_TENSOR_EMBEDDING:
        return &c->embed_tokens;
    case YOCO_TENSOR_OUTPUT:
        return &c->output_projection;
    case YOCO_TENSOR_FINAL_NORM:
        return &c->final_norm;
    case YOCO_TENSOR_FINAL_NORM_BIAS:
        return &c->final_norm_bias;
    case YOCO_TENSOR_LAYER_TABLE:
        return &c->layer_table;
    case YOCO_TENSOR_LAYER_NORM:
        return &c->layer_norm;
    default:
        return &c->layers[spec->layer].role[spec->rule.role];
    }
}

int yoco_checkpoint_find(const yoco_checkpoint *c, const char *name, int64_t first_row)
{
    const yoco_tensor_spec *specs = c->store->specs;
    int i = 0;
    while (i < c->store->n_specs &&
           (specs[i].first_row != first_row || strcmp(specs[i].name, name) != 0))
        i++;
    return i;
}

void yoco_tensor_gather(const yoco_tensor *tensor, void *out)
{
    const size_t row_bytes = tensor->bytes / (size_t)tensor->shape[0];
    char *to = out;
    for (int64_t row = 0, n; row < tensor->shape[0]; row += n, to += (size_t)n * row_bytes) {
        const void *from;
        n = yoco_tensor_run(tensor, row, &from);
        memcpy(to, from, (size_t)n * row_bytes);
    }
}

yoco_tensor yoco_checkpoint_tensor(const yoco_tensor_spec *spec, yoco_dtype dtype)
{
    const yoco_tensor_rule *rule = &spec->rule;
    size_t n = (size_t)rule->n_out * (rule->n_in > 0 ? (size_t)rule->n_in : 1);
    return (yoco_tensor){.name = spec->name,
                         .dtype = dtype,
                         .n_dims = rule->n_in > 0 ? 2 : 1,
                         .shape = {rule->n_out, rule->n_in},
                         .bytes = n * yoco_dtype_bytes(dtype)};
}

yoco_status yoco_checkpoint_own(yoco_checkpoint *checkpoint, const yoco_tensor *like,
                                const yoco_tensor **out, void **data)
{
    checkpoint_store *store = checkpoint->store;
    YOCO_TRY(yoco_alloc(like->bytes, like->name, data));
    yoco_tensor *tensor = &store->own[store->n_own++];
    *tensor = *like;
    tensor->data = *data;
    *out = tensor;
    return YOCO_OK;
}

static int compare_specs(const void *left, const void *right)
{
    return strcmp((*(const yoco_tensor_spec *const *)left)->name,
                  (*(const yoco_tensor_spec *const *)right)->name);
}

static int compare_name(const void *name, const void *spec)
{
    return strcmp(name, (*(const yoco_tensor_spec *const *)spec)->name);
}

/* "(512, 64)" */
static const char *shape_text(int n_dims, const int64_t *shape, char text[256])
{
    int used = snprintf(text, 256, "(");
    for (int i = 0; i < n_dims; i++)
        used +=
            snprintf(text + used, 256 - (size_t)used, "%s%lld", i ? ", " : "", (long long)shape[i]);
    snprintf(text + used, 256 - (size_t)used, ")");
    return text;
}

static yoco_status tensor_check(const yoco_checkpoint *c, const char *path,
                                const yoco_tensor *tensor, const yoco_tensor_spec *spec)
{
    if (tensor->n_dims != spec->n_dims ||
        memcmp(tensor->shape, spec->shape, (size_t)spec->n_dims * sizeof *spec->shape) != 0) {
        char found[256], expected[256];
        yoco_log_error("%s: tensor %s has shape %s; %s asks for %s", path, tensor->name,
                       shape_text(tensor->n_dims, tensor->shape, found),
                       yoco_model_shape_file(c->shape),
                       shape_text(spec->n_dims, spec->shape, expected));
        return YOCO_ERR_DATA;
    }
    if (tensor->dtype != YOCO_F32 && tensor->dtype != YOCO_BF16 && tensor->dtype != YOCO_F16) {
        yoco_log_error("%s: tensor %s has dtype %s; weights are F32, BF16 or F16", path,
                       tensor->name, yoco_dtype_name(tensor->dtype));
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

/* The rows of a file's tensor that a spec asks for, in the rule's shape: the tensor itself, where
 * it is that. */
static const yoco_tensor *rows_of(checkpoint_store *store, const yoco_tensor *tensor,
                                  const yoco_tensor_spec *spec)
{
    yoco_tensor view = yoco_checkpoint_tensor(spec, tensor->dtype);
    if (view.bytes == tensor->bytes && view.n_dims == tensor->n_dims)
        return tensor;
    view.data = (const char *)tensor->data +
                (size_t)spec->first_row * (view.bytes / (size_t)spec->rule.n_out);
    view.group_rows = spec->group_rows;
    view.group_stride = spec->group_stride;
    store->views[store->n_views] = view;
    return &store->views[store->n_views++];
}

/* Puts a tensor of a file into its slot. The format does not align data, the users of a checkpoint
 * read it through typed pointers: an unaligned tensor is copied. */
static yoco_status tensor_place(yoco_checkpoint *c, const char *path, const yoco_tensor *tensor,
                                const yoco_tensor_spec *spec)
{
    const yoco_tensor **slot = yoco_checkpoint_slot(c, spec);
    if (*slot) {
        yoco_log_error("%s: tensor %s is in another file too", path, tensor->name);
        return YOCO_ERR_DATA;
    }
    YOCO_TRY(tensor_check(c, path, tensor, spec));
    *slot = rows_of(c->store, tensor, spec);
    if ((uintptr_t)tensor->data % yoco_dtype_bytes(tensor->dtype) != 0) {
        void *copy;
        const yoco_tensor *from = *slot;
        yoco_tensor like = *from;
        like.group_rows = like.group_stride = 0;
        YOCO_TRY(yoco_checkpoint_own(c, &like, slot, &copy));
        yoco_tensor_gather(from, copy);
    }
    return YOCO_OK;
}

/* Whether the files may hold it all the same. */
static bool is_ignored(const yoco_model_shape *shape, const char *name)
{
    const yoco_family *family = shape->family;
    return (shape->tied && strcmp(name, family->output) == 0) ||
           (family->ignores && family->ignores(name));
}

/* Specs that share a tensor stand side by side. */
static yoco_status named_place(yoco_checkpoint *c, const char *path, const yoco_tensor *tensor,
                               const yoco_tensor_spec **by_name, int first)
{
    const char *name = by_name[first]->name;
    for (int i = first; i < c->store->n_specs && strcmp(by_name[i]->name, name) == 0; i++)
        YOCO_TRY(tensor_place(c, path, tensor, by_name[i]));
    return YOCO_OK;
}

/* The first of the specs of a tensor, by its own name or by the one it stands for; n_specs: none.
 */
static int name_find(const yoco_checkpoint *c, const yoco_tensor_spec **by_name, const char *name)
{
    const yoco_family *family = c->shape->family;
    const size_t n = (size_t)c->store->n_specs;
    char other[YOCO_TENSOR_NAME_BYTES];
    const yoco_tensor_spec **found = bsearch(name, by_name, n, sizeof *by_name, compare_name);
    if (!found && family->rename && family->rename(c->shape, name, other))
        found = bsearch(other, by_name, n, sizeof *by_name, compare_name);
    while (found && found > by_name && strcmp(found[-1]->name, (*found)->name) == 0)
        found--;
    return found ? (int)(found - by_name) : c->store->n_specs;
}

static yoco_status file_place(yoco_checkpoint *c, const checkpoint_file *file,
                              const yoco_tensor_spec **by_name)
{
    for (int i = 0; i < yoco_safetensors_count(file->tensors); i++) {
        const yoco_tensor *tensor = yoco_safetensors_at(file->tensors, i);
        int found = name_find(c, by_name, tensor->name);
        if (found == c->store->n_specs && is_ignored(c->shape, tensor->name))
            continue;
        if (found == c->store->n_specs) {
            yoco_log_error("%s: tensor %s is none of the model that %s describes", file->path,
                           tensor->name, yoco_model_shape_file(c->shape));
            return YOCO_ERR_DATA;
        }
        YOCO_TRY(named_place(c, file->path, tensor, by_name, found));
    }
    return YOCO_OK;
}

static yoco_status files_place(yoco_checkpoint *c)
{
    const checkpoint_store *store = c->store;
    const yoco_tensor_spec **by_name;
    YOCO_TRY(yoco_alloc((size_t)store->n_specs * sizeof *by_name, "the list of tensors",
                        (void **)&by_name));
    for (int i = 0; i < store->n_specs; i++)
        by_name[i] = &store->specs[i];
    qsort(by_name, (size_t)store->n_specs, sizeof *by_name, compare_specs);
    yoco_status status = YOCO_OK;
    for (int i = 0; i < store->n_files && status == YOCO_OK; i++)
        status = file_place(c, &store->files[i], by_name);
    yoco_free(by_name);
    return status;
}

static yoco_status specs_check(const yoco_checkpoint *c, const char *folder)
{
    for (int i = 0; i < c->store->n_specs; i++) {
        if (!*yoco_checkpoint_slot(c, &c->store->specs[i])) {
            yoco_log_error("%s: tensor %s is missing from its safetensors files", folder,
                           c->store->specs[i].name);
            return YOCO_ERR_DATA;
        }
    }
    return YOCO_OK;
}

static yoco_dtype dtype_of(const yoco_checkpoint *c)
{
    const checkpoint_store *store = c->store;
    yoco_dtype dtype = YOCO_F16;
    for (int i = 0; i < store->n_specs; i++) {
        yoco_dtype one = (*yoco_checkpoint_slot(c, &store->specs[i]))->dtype;
        if (one == YOCO_F32)
            return one;
        if (one == YOCO_BF16)
            dtype = one;
    }
    return dtype;
}

static yoco_status weights_open(yoco_checkpoint *c, const char *folder)
{
    YOCO_TRY(yoco_checkpoint_files_open(folder, &c->store->files, &c->store->n_files));
    YOCO_TRY(files_place(c));
    YOCO_TRY(specs_check(c, folder));
    c->dtype = dtype_of(c);
    if (c->shape->tied)
        c->output_projection = c->embed_tokens;
    return YOCO_OK;
}

yoco_status yoco_checkpoint_open_shape(const yoco_model_shape *shape, const char *folder,
                                       yoco_checkpoint **out)
{
    yoco_checkpoint *c;
    YOCO_TRY(yoco_checkpoint_create(shape, &c));
    yoco_status status = weights_open(c, folder);
    if (status != YOCO_OK) {
        yoco_checkpoint_close(c);
        return status;
    }
    *out = c;
    return YOCO_OK;
}

yoco_status yoco_checkpoint_open(const char *folder, yoco_checkpoint **out)
{
    yoco_model_shape *shape;
    YOCO_TRY(yoco_model_shape_load(folder, &shape));
    yoco_status status = yoco_checkpoint_open_shape(shape, folder, out);
    yoco_free(shape);
    return status;
}

yoco_status yoco_checkpoint_borrow(const yoco_model_shape *shape, yoco_dtype dtype,
                                   const void *data, yoco_checkpoint **out)
{
    yoco_checkpoint *c;
    YOCO_TRY(yoco_checkpoint_create(shape, &c));
    checkpoint_store *store = c->store;
    store->is_borrowed = c->is_shape = true;
    for (int i = 0; i < store->n_specs; i++) {
        const yoco_tensor_spec *spec = &store->specs[i];
        yoco_tensor *tensor = &store->own[store->n_own++];
        *tensor = yoco_checkpoint_tensor(spec, dtype);
        tensor->data = data;
        *yoco_checkpoint_slot(c, spec) = tensor;
    }
    c->dtype = dtype;
    if (shape->tied)
        c->output_projection = c->embed_tokens;
    *out = c;
    return YOCO_OK;
}

/* Bytes from its first row to its last, others' between them included. */
static size_t span(const yoco_tensor *tensor)
{
    const size_t row_bytes = tensor->bytes / (size_t)tensor->shape[0];
    const void *last;
    yoco_tensor_run(tensor, tensor->shape[0] - 1, &last);
    return (size_t)((const char *)last - (const char *)tensor->data) + row_bytes;
}

static bool is_mapped(const yoco_checkpoint *checkpoint, const yoco_tensor *tensor)
{
    const checkpoint_store *store = checkpoint->store;
    return tensor < store->own || tensor >= store->own + store->n_own;
}

void yoco_tensor_expect(const yoco_checkpoint *checkpoint, const yoco_tensor *tensor)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), data = (uintptr_t)tensor->data;
    uintptr_t begin = data / page * page, end = data + span(tensor);
    if (is_mapped(checkpoint, tensor))
        madvise((void *)begin, end - begin, MADV_WILLNEED);
}

void yoco_tensor_release(const yoco_checkpoint *checkpoint, const yoco_tensor *tensor)
{
    if (!is_mapped(checkpoint, tensor))
        return;
    /* Whole pages inside the tensor only: its neighbours may still be in use. */
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), data = (uintptr_t)tensor->data;
    uintptr_t begin = (data + page - 1) / page * page, end = (data + span(tensor)) / page * page;
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

void yoco_checkpoint_close(yoco_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    checkpoint_store *store = checkpoint->store;
    if (store) {
        for (int i = 0; i < store->n_own && !store->is_borrowed; i++)
            yoco_free((void *)store->own[i].data);
        yoco_free(store->views);
        yoco_free(store->own);
        yoco_free(store->specs);
        yoco_checkpoint_files_close(store->files, store->n_files);
        yoco_free(store);
    }
    yoco_free(checkpoint->layers);
    yoco_free(checkpoint->shape);
    yoco_free(checkpoint);
}
