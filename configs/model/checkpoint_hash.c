/* What makes two models the same: every field of the config that a result depends on, and every
 * tensor as stored. */
#include "configs/model/checkpoint_parts.h"

#include <stdio.h>
#include <string.h>

static void text_add(yoco_hasher *hasher, const char *text)
{
    yoco_hasher_add(hasher, text, strlen(text) + 1);
}

static void config_add(yoco_hasher *hasher, const yoco_model_config *c)
{
    char text[512];
    snprintf(text, sizeof text, "%d %d %d %d %d %d %d %d %lld %.9g %.17g %d", c->dim, c->hidden_dim,
             c->n_layers, c->n_self_heads, c->n_attn_heads, c->n_attn_kv_heads, c->vocab_size,
             c->sliding_window, (long long)c->max_seq_len, (double)c->norm_eps, c->rope_theta,
             (int)c->share_input_output_embed);
    text_add(hasher, text);
}

yoco_status yoco_checkpoint_hash(const yoco_checkpoint *checkpoint, yoco_hash *out)
{
    const checkpoint_store *store = checkpoint->store;
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    config_add(hasher, &checkpoint->config);
    for (int i = 0; i < store->n_specs; i++) {
        const yoco_tensor *tensor = *store->specs[i].slot;
        text_add(hasher, store->specs[i].name);
        text_add(hasher, yoco_dtype_name(tensor->dtype));
        yoco_hasher_add(hasher, tensor->data, tensor->bytes);
        yoco_tensor_release(checkpoint, tensor);
    }
    *out = yoco_hasher_finish(hasher);
    return YOCO_OK;
}

yoco_status yoco_checkpoint_ids(const yoco_checkpoint *checkpoint, yoco_hash *config,
                                yoco_hash *files)
{
    const checkpoint_store *store = checkpoint->store;
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    config_add(hasher, &checkpoint->config);
    *config = yoco_hasher_finish(hasher);
    YOCO_TRY(yoco_hasher_create(&hasher));
    for (int i = 0; i < store->n_files; i++) {
        yoco_file_id id = yoco_safetensors_file_id(store->files[i].tensors);
        yoco_hasher_add(hasher, &id, sizeof id);
    }
    *files = yoco_hasher_finish(hasher);
    return YOCO_OK;
}
