/* The safetensors files of a model folder. */
#include "configs/model/checkpoint_parts.h"

#include "configs/files/json_text.h"
#include "configs/files/path.h"
#include "configs/model/foreign.h"

#include <stdio.h>
#include <string.h>

static const char index_name[] = "model.safetensors.index.json";
enum { MAX_INDEX_BYTES = 1 << 28 };

/* Takes `path`, also when it fails. */
static yoco_status file_open(char *path, checkpoint_file *out)
{
    yoco_safetensors *tensors;
    yoco_status status = yoco_safetensors_open(path, &tensors);
    if (status != YOCO_OK) {
        yoco_free(path);
        return status;
    }
    *out = (checkpoint_file){path, tensors};
    return YOCO_OK;
}

/* The index may only name files of its own folder. */
static yoco_status shard_name_check(const char *index_path, const char *tensor, const json_t *shard)
{
    const char *name = json_string_value(shard);
    if (name && name[0] != '\0' && !strchr(name, '/') && strcmp(name, ".") != 0 &&
        strcmp(name, "..") != 0)
        return YOCO_OK;
    yoco_log_error("%s: the shard of tensor %s is not a plain file name", index_path, tensor);
    return YOCO_ERR_DATA;
}

/* Every tensor of the index lies in the shard it names, and no shard has others. `numbers` gives
 * the shards' places in `files`. */
static yoco_status index_check(const char *index_path, json_t *weight_map, const json_t *numbers,
                               const checkpoint_file *files, int n_files)
{
    const char *tensor;
    json_t *shard;
    json_object_foreach(weight_map, tensor, shard)
    {
        const char *name = json_string_value(shard);
        const checkpoint_file *file = &files[json_integer_value(json_object_get(numbers, name))];
        if (!yoco_safetensors_find(file->tensors, tensor)) {
            yoco_log_error("%s: tensor %s is not in %s", index_path, tensor, file->path);
            return YOCO_ERR_DATA;
        }
    }
    for (int f = 0; f < n_files; f++) {
        for (int i = 0; i < yoco_safetensors_count(files[f].tensors); i++) {
            const char *name = yoco_safetensors_at(files[f].tensors, i)->name;
            const char *listed = json_string_value(json_object_get(weight_map, name));
            if (!listed || json_integer_value(json_object_get(numbers, listed)) != f) {
                yoco_log_error("%s: tensor %s of %s is not listed", index_path, name,
                               files[f].path);
                return YOCO_ERR_DATA;
            }
        }
    }
    return YOCO_OK;
}

/* Opens each shard once. On failure the caller closes what was opened. */
static yoco_status shards_open(const char *folder, const char *index_path, json_t *weight_map,
                               json_t *numbers, checkpoint_file *files, int *n_files)
{
    const char *tensor;
    json_t *shard;
    json_object_foreach(weight_map, tensor, shard)
    {
        YOCO_TRY(shard_name_check(index_path, tensor, shard));
        const char *name = json_string_value(shard);
        if (json_object_get(numbers, name))
            continue;
        char *path;
        YOCO_TRY(yoco_path_alloc(folder, name, &path));
        YOCO_TRY(file_open(path, &files[*n_files]));
        json_object_set_new(numbers, name, json_integer((*n_files)++));
    }
    return index_check(index_path, weight_map, numbers, files, *n_files);
}

static yoco_status indexed_open(const char *folder, const char *index_path, checkpoint_file **files,
                                int *n_files)
{
    json_t *index;
    YOCO_TRY(yoco_json_read(index_path, MAX_INDEX_BYTES, &index));
    json_t *weight_map = json_object_get(index, "weight_map"), *numbers = json_object();
    checkpoint_file *list = NULL;
    int n = 0;
    yoco_status status;
    if (json_object_size(weight_map) == 0) {
        yoco_log_error("%s: weight_map is missing, empty or not an object", index_path);
        status = YOCO_ERR_DATA;
    } else {
        status = yoco_alloc(json_object_size(weight_map) * sizeof *list, "the list of shards",
                            (void **)&list);
    }
    if (status == YOCO_OK)
        status = shards_open(folder, index_path, weight_map, numbers, list, &n);
    json_decref(numbers);
    json_decref(index);
    if (status != YOCO_OK) {
        yoco_checkpoint_files_close(list, n);
        return status;
    }
    *files = list;
    *n_files = n;
    return YOCO_OK;
}

static yoco_status single_open(char *path, checkpoint_file **files, int *n_files)
{
    checkpoint_file file, *list;
    YOCO_TRY(file_open(path, &file));
    yoco_status status = yoco_alloc(sizeof file, "the list of files", (void **)&list);
    if (status != YOCO_OK) {
        yoco_safetensors_close(file.tensors);
        yoco_free(file.path);
        return status;
    }
    *list = file;
    *files = list;
    *n_files = 1;
    return YOCO_OK;
}

yoco_status yoco_checkpoint_files_open(const char *folder, checkpoint_file **files, int *n_files)
{
    char *path;
    YOCO_TRY(yoco_path_alloc(folder, "model.safetensors", &path));
    if (!yoco_path_is_missing(path))
        return single_open(path, files, n_files);
    yoco_free(path);
    YOCO_TRY(yoco_path_alloc(folder, index_name, &path));
    yoco_status status = YOCO_ERR_OPEN;
    if (!yoco_path_is_missing(path)) {
        status = indexed_open(folder, path, files, n_files);
    } else {
        char hint[YOCO_FOREIGN_TEXT];
        yoco_foreign_weights(folder, hint);
        yoco_log_error("cannot open %s: it has neither model.safetensors nor %s%s", folder,
                       index_name, hint);
    }
    yoco_free(path);
    return status;
}

void yoco_checkpoint_files_close(checkpoint_file *files, int n_files)
{
    for (int i = 0; i < n_files; i++) {
        yoco_safetensors_close(files[i].tensors);
        yoco_free(files[i].path);
    }
    yoco_free(files);
}
