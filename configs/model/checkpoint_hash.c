/* What makes two models the same: every field of the config that a result depends on, and every
 * tensor as stored. */
#include "configs/model/checkpoint_parts.h"
#include "configs/model/family.h"

#include <stdio.h>
#include <string.h>

static void text_add(yoco_hasher *hasher, const char *text)
{
    yoco_hasher_add(hasher, text, strlen(text) + 1);
}

static void layer_add(yoco_hasher *hasher, const yoco_layer_shape *l)
{
    const int sizes[] = {l->source,    l->n_heads,    l->n_kv_heads, l->k_dim,      l->v_dim,
                         l->n_v_heads, l->window,     l->rotation,   l->hidden_dim, l->traits,
                         l->n_taps,    l->n_channels, l->n_states,   l->dt_rank};
    const float reals[] = {l->q_norm_eps, l->decay_divisor, l->beta_scale, l->out_eps,
                           l->lambda_init};
    text_add(hasher, yoco_layer_kind_name(l->kind));
    yoco_hasher_add(hasher, sizes, sizeof sizes);
    yoco_hasher_add(hasher, reals, sizeof reals);
    if (l->embed_dim > 0 || l->score_scale > 0) { /* others keep the hash they had */
        char text[64];
        snprintf(text, sizeof text, "%d %.9g", l->embed_dim, (double)l->score_scale);
        text_add(hasher, text);
    }
}

static void shape_add(yoco_hasher *hasher, const yoco_model_shape *m)
{
    char text[384];
    snprintf(text, sizeof text, "%s %d %d %lld %.9g %.9g %d", m->family->model_type, m->dim,
             m->vocab_size, (long long)m->max_seq_len, (double)m->norm_eps, (double)m->embed_scale,
             (int)m->tied);
    text_add(hasher, text);
    if (m->logit_cap > 0 || m->embed_dim > 0 || m->rounds_scales) {
        snprintf(text, sizeof text, "%.9g %d %.9g %d", (double)m->logit_cap, m->embed_dim,
                 (double)m->layer_embed_scale, (int)m->rounds_scales);
        text_add(hasher, text);
    }
    for (int i = 0; i < m->n_rotations; i++) {
        yoco_rotation_identify(&m->rotations[i], text, sizeof text);
        text_add(hasher, text);
    }
    for (int i = 0; i < m->n_layers; i++)
        layer_add(hasher, &m->layers[i]);
}

static void rows_add(yoco_hasher *hasher, const yoco_tensor *tensor)
{
    const size_t row_bytes = tensor->bytes / (size_t)tensor->shape[0];
    for (int64_t row = 0, n; row < tensor->shape[0]; row += n) {
        const void *data;
        n = yoco_tensor_run(tensor, row, &data);
        yoco_hasher_add(hasher, data, (size_t)n * row_bytes);
    }
}

static yoco_status config_add(yoco_hasher *hasher, const yoco_model_shape *shape)
{
    if (shape->family->identify)
        return shape->family->identify(shape, hasher);
    shape_add(hasher, shape);
    return YOCO_OK;
}

yoco_status yoco_checkpoint_hash(const yoco_checkpoint *checkpoint, yoco_hash *out)
{
    const checkpoint_store *store = checkpoint->store;
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    yoco_status status = config_add(hasher, checkpoint->shape);
    for (int i = 0; i < store->n_specs; i++) {
        const yoco_tensor *tensor = *yoco_checkpoint_slot(checkpoint, &store->specs[i]);
        text_add(hasher, store->specs[i].name);
        text_add(hasher, yoco_dtype_name(tensor->dtype));
        rows_add(hasher, tensor);
        yoco_tensor_release(checkpoint, tensor);
    }
    *out = yoco_hasher_finish(hasher);
    return status;
}

yoco_status yoco_checkpoint_ids(const yoco_checkpoint *checkpoint, yoco_hash *config,
                                yoco_hash *files)
{
    const checkpoint_store *store = checkpoint->store;
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    yoco_status status = config_add(hasher, checkpoint->shape);
    *config = yoco_hasher_finish(hasher);
    YOCO_TRY(status);
    YOCO_TRY(yoco_hasher_create(&hasher));
    for (int i = 0; i < store->n_files; i++) {
        yoco_file_id id = yoco_safetensors_file_id(store->files[i].tensors);
        yoco_hasher_add(hasher, &id, sizeof id);
    }
    *files = yoco_hasher_finish(hasher);
    return YOCO_OK;
}
