#include "configs/files/atomic_file.h"
#include "configs/files/json_text.h"
#include "configs/model/checkpoint_parts.h"
#include "configs/model/family.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files of both kinds of configs would not say which of them the weights are of. */
static yoco_status check_other_config(const yoco_checkpoint *c, const char *folder)
{
    static const char *const names[] = {"config.json", "params.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path;
        if (strcmp(names[i], yoco_model_shape_file(c->shape)) == 0)
            continue;
        YOCO_TRY(yoco_path_alloc(folder, names[i], &path));
        bool exists = access(path, F_OK) == 0;
        if (exists)
            yoco_log_error("%s is of a model of another family: remove it, or give another folder",
                           path);
        yoco_free(path);
        if (exists)
            return YOCO_ERR_USAGE;
    }
    return YOCO_OK;
}

/* Whether a tensor of the files begins with spec i. */
static bool begins(const yoco_checkpoint *c, int i)
{
    const yoco_tensor_spec *spec = &c->store->specs[i];
    return spec->first_row == 0 && yoco_checkpoint_find(c, spec->name, 0) == i;
}

/* That tensor, with all of its rows, which several specs may hold. */
static yoco_tensor file_tensor(const yoco_checkpoint *c, int i)
{
    const yoco_tensor_spec *spec = &c->store->specs[i];
    yoco_tensor tensor = **yoco_checkpoint_slot(c, spec);
    size_t row_bytes = tensor.bytes / (size_t)spec->rule.n_out;
    tensor.name = spec->name;
    tensor.n_dims = spec->n_dims;
    memcpy(tensor.shape, spec->shape, sizeof spec->shape);
    tensor.bytes = (size_t)spec->shape[0] * row_bytes;
    return tensor;
}

/* Which of a spec's rows a row of the files is; < 0: it is another's. */
static int64_t row_of(const yoco_tensor_spec *spec, int64_t row)
{
    const int64_t group = spec->group_rows > 0 ? spec->group_rows : spec->rule.n_out;
    const int64_t at = row - spec->first_row,
                  n = spec->group_stride > 0 ? at / spec->group_stride : 0,
                  within = at - n * spec->group_stride;
    return at < 0 || within >= group || n * group >= spec->rule.n_out ? -1 : n * group + within;
}

/* The rows of one spec that follow `row` of a tensor of the files; it moves behind them. */
static yoco_status rows_write(yoco_safetensors_writer *writer, const yoco_checkpoint *c,
                              const char *name, int64_t *row)
{
    const yoco_tensor_spec *spec = c->store->specs;
    int64_t from = -1;
    for (;; spec++)
        if (strcmp(spec->name, name) == 0 && (from = row_of(spec, *row)) >= 0)
            break;
    const yoco_tensor *tensor = *yoco_checkpoint_slot(c, spec);
    const size_t row_bytes = tensor->bytes / (size_t)spec->rule.n_out;
    const void *data;
    int64_t n = yoco_tensor_run(tensor, from, &data);
    if (spec->group_rows > 0)
        n = yoco_i64_min(n, spec->group_rows - from % spec->group_rows);
    *row += n;
    return yoco_safetensors_append(writer, data, (size_t)n * row_bytes);
}

static yoco_status tensor_write(yoco_safetensors_writer *writer, const yoco_checkpoint *c,
                                const yoco_tensor_spec *first)
{
    for (int64_t row = 0; row < first->shape[0];)
        YOCO_TRY(rows_write(writer, c, first->name, &row));
    return YOCO_OK;
}

static yoco_status data_write(yoco_safetensors_writer *writer, const yoco_checkpoint *c)
{
    for (int i = 0; i < c->store->n_specs; i++)
        if (begins(c, i))
            YOCO_TRY(tensor_write(writer, c, &c->store->specs[i]));
    return YOCO_OK;
}

static yoco_status weights_save(const yoco_checkpoint *c, const char *path)
{
    const checkpoint_store *store = c->store;
    yoco_tensor *list;
    int n = 0;
    YOCO_TRY(
        yoco_alloc((size_t)store->n_specs * sizeof *list, "the list of tensors", (void **)&list));
    for (int i = 0; i < store->n_specs; i++)
        if (begins(c, i))
            list[n++] = file_tensor(c, i);
    yoco_safetensors_writer *writer;
    yoco_status status = yoco_safetensors_create(path, list, n, &writer);
    yoco_free(list);
    YOCO_TRY(status);
    status = data_write(writer, c);
    if (status == YOCO_OK)
        return yoco_safetensors_finish(writer);
    yoco_safetensors_discard(writer);
    return status;
}

static bool set_dtype(json_t *object, yoco_dtype dtype)
{
    static const char *const keys[] = {"dtype", "torch_dtype"};
    const char *word = dtype == YOCO_F32 ? "float32" : dtype == YOCO_F16 ? "float16" : "bfloat16";
    bool is_there = false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        bool has = json_object_get(object, keys[i]) != NULL;
        is_there = is_there || has;
        if (has)
            json_object_set_new(object, keys[i], json_string(word));
    }
    return is_there;
}

/* The config says the type of these weights where it says one. */
static yoco_status config_save(const yoco_checkpoint *checkpoint, const char *path)
{
    const yoco_model_shape *shape = checkpoint->shape;
    const char *text = yoco_model_shape_text(shape);
    json_t *root = json_loadb(text, shape->text_bytes, 0, NULL);
    bool outside = set_dtype(root, checkpoint->dtype);
    bool inside = set_dtype(json_object_get(root, "text_config"), checkpoint->dtype);
    if (outside || inside)
        return yoco_json_save(path, root, JSON_INDENT(2));
    json_decref(root);
    return yoco_atomic_file_save(path, text, shape->text_bytes);
}

yoco_status yoco_checkpoint_save(const yoco_checkpoint *checkpoint, const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        int error = errno;
        yoco_log_error("cannot create folder %s: %s", folder, strerror(error));
        return yoco_status_of_errno(error);
    }
    char *path;
    const yoco_model_shape *shape = checkpoint->shape;
    YOCO_TRY(check_other_config(checkpoint, folder));
    YOCO_TRY(yoco_path_alloc(folder, "model.safetensors", &path));
    yoco_status status = weights_save(checkpoint, path);
    yoco_free(path);
    YOCO_TRY(status);
    YOCO_TRY(yoco_path_alloc(folder, yoco_model_shape_file(shape), &path));
    status = config_save(checkpoint, path);
    yoco_free(path);
    return status;
}
