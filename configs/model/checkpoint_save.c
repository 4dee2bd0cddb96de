#include "configs/files/json_text.h"
#include "configs/model/checkpoint_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static json_t *config_json(const yoco_model_config *c)
{
    json_t *window = c->sliding_window ? json_integer(c->sliding_window) : json_null();
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:o, s:f, s:f, s:b}", "dim", c->dim,
                     "n_layers", c->n_layers, "hidden_dim", c->hidden_dim, "n_self_heads",
                     c->n_self_heads, "n_attn_heads", c->n_attn_heads, "n_attn_kv_heads",
                     c->n_attn_kv_heads, "vocab_size", c->vocab_size, "max_seq_len",
                     (json_int_t)c->max_seq_len, "sliding_window", window, "rope_theta",
                     c->rope_theta, "norm_eps", (double)c->norm_eps, "share_input_output_embed",
                     (int)c->share_input_output_embed);
}

static yoco_status data_write(yoco_safetensors_writer *writer, const yoco_checkpoint *c)
{
    const checkpoint_store *store = c->store;
    for (int i = 0; i < store->n_specs; i++) {
        const yoco_tensor *tensor = *yoco_checkpoint_slot(c, &store->specs[i]);
        YOCO_TRY(yoco_safetensors_append(writer, tensor->data, tensor->bytes));
    }
    return YOCO_OK;
}

static yoco_status weights_save(const yoco_checkpoint *c, const char *path)
{
    const checkpoint_store *store = c->store;
    yoco_tensor *list;
    YOCO_TRY(
        yoco_alloc((size_t)store->n_specs * sizeof *list, "the list of tensors", (void **)&list));
    for (int i = 0; i < store->n_specs; i++)
        list[i] = **yoco_checkpoint_slot(c, &store->specs[i]);
    yoco_safetensors_writer *writer;
    yoco_status status = yoco_safetensors_create(path, list, store->n_specs, &writer);
    yoco_free(list);
    YOCO_TRY(status);
    status = data_write(writer, c);
    if (status == YOCO_OK)
        return yoco_safetensors_finish(writer);
    yoco_safetensors_discard(writer);
    return status;
}

yoco_status yoco_checkpoint_save(const yoco_checkpoint *checkpoint, const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        int error = errno;
        yoco_log_error("cannot create folder %s: %s", folder, strerror(error));
        return yoco_status_of_errno(error);
    }
    char *path;
    YOCO_TRY(yoco_path_alloc(folder, "model.safetensors", &path));
    yoco_status status = weights_save(checkpoint, path);
    yoco_free(path);
    YOCO_TRY(status);
    YOCO_TRY(yoco_path_alloc(folder, "params.json", &path));
    status = yoco_json_save(path, config_json(&checkpoint->shape->config), JSON_INDENT(2));
    yoco_free(path);
    return status;
}
