#include "coordinator/identity.h"

#define XXH_INLINE_ALL
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "coordinator/tokenizer_config.h"

static void write_hash(XXH128_hash_t hash, char out[YOCO_IDENTITY_BYTES])
{
    snprintf(out, YOCO_IDENTITY_BYTES, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void yoco_identity_of(const void *data, size_t size, char out[YOCO_IDENTITY_BYTES])
{
    write_hash(XXH3_128bits(data, size), out);
}

static void add_tensor(XXH3_state_t *state, const yoco_tensor *tensor)
{
    int64_t head[2 + YOCO_TENSOR_MAX_DIMS] = {0};
    if (!tensor)
        return;
    head[0] = tensor->dtype;
    head[1] = tensor->n_dims;
    memcpy(head + 2, tensor->shape, (size_t)tensor->n_dims * sizeof *head);
    XXH3_128bits_update(state, tensor->name, strlen(tensor->name));
    XXH3_128bits_update(state, head, sizeof head);
    XXH3_128bits_update(state, tensor->data, tensor->bytes);
}

static void add_config(XXH3_state_t *state, const yoco_model_config *c)
{
    char text[512];
    int n =
        snprintf(text, sizeof text, "%d %d %d %d %d %d %d %d %lld %a %a %d", c->dim, c->hidden_dim,
                 c->n_layers, c->n_self_heads, c->n_attn_heads, c->n_attn_kv_heads, c->vocab_size,
                 c->sliding_window, (long long)c->max_seq_len, (double)c->norm_eps, c->rope_theta,
                 c->share_input_output_embed);
    XXH3_128bits_update(state, text, (size_t)n);
}

void yoco_identity_of_model(const yoco_checkpoint *checkpoint, char out[YOCO_IDENTITY_BYTES])
{
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    add_config(&state, &checkpoint->config);
    add_tensor(&state, checkpoint->embed_tokens);
    if (checkpoint->output_projection != checkpoint->embed_tokens)
        add_tensor(&state, checkpoint->output_projection);
    add_tensor(&state, checkpoint->kv_norm);
    add_tensor(&state, checkpoint->k_proj);
    add_tensor(&state, checkpoint->v_proj);
    add_tensor(&state, checkpoint->final_norm);
    for (int i = 0; i < checkpoint->config.n_layers; i++) {
        const yoco_layer_tensors *t = &checkpoint->layers[i];
        const yoco_tensor *const tensors[] = {t->mixer_norm, t->q_proj,  t->k_proj,   t->v_proj,
                                              t->g_proj,     t->gt_proj, t->out_proj, t->ffn_norm,
                                              t->fc1,        t->gate,    t->fc2};
        for (size_t j = 0; j < sizeof tensors / sizeof *tensors; j++)
            add_tensor(&state, tensors[j]);
    }
    write_hash(XXH3_128bits_digest(&state), out);
}

static void add_tokenizer_config(XXH3_state_t *state, const yoco_tokenizer_config *c)
{
    const int32_t numbers[] = {c->shift, c->bos, c->pad};
    XXH3_128bits_update(state, numbers, sizeof numbers);
    XXH3_128bits_update(state, c->ends, (size_t)c->n_ends * sizeof *c->ends);
    XXH3_128bits_update(state, c->pattern, strlen(c->pattern));
    for (size_t i = 0; i < c->n_specials; i++) {
        XXH3_128bits_update(state, c->specials[i].text, c->specials[i].size + 1);
        XXH3_128bits_update(state, &c->specials[i].id, sizeof c->specials[i].id);
    }
}

yoco_status yoco_identity_of_tokenizer(const char *folder, char out[YOCO_IDENTITY_BYTES])
{
    yoco_tokenizer_config config;
    yoco_map ranks;
    XXH3_state_t state;
    bool found;
    YOCO_TRY(yoco_tokenizer_config_load(folder, &config, &found));
    if (!found) {
        yoco_log_error("%s has no tokenizer (yoco_tokenizer.json)", folder);
        return YOCO_ERR_DATA;
    }
    yoco_status status = yoco_map_open(config.ranks_path, &ranks);
    if (status == YOCO_OK) {
        XXH3_128bits_reset(&state);
        add_tokenizer_config(&state, &config);
        XXH3_128bits_update(&state, ranks.data, ranks.size);
        write_hash(XXH3_128bits_digest(&state), out);
        yoco_map_close(&ranks);
    }
    yoco_tokenizer_config_free(&config);
    return status;
}
