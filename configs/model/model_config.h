/* params.json: the shape of a YOCO model, in the field names of the authors' released code. */
#ifndef YOCO_MODEL_CONFIG_H
#define YOCO_MODEL_CONFIG_H

#include "base.h"

typedef struct yoco_model_config {
    int dim, hidden_dim;
    int n_layers; /* even: the release builds n_layers / 2 of each kind, an odd one is not there */
    int n_self_heads;                  /* heads of the self-decoder: multi-head K,V */
    int n_attn_heads, n_attn_kv_heads; /* heads of the cross-decoder: queries, shared K,V */
    int vocab_size;
    int sliding_window; /* rows a query sees, itself included; 0: gated retention */
    int64_t max_seq_len;
    float norm_eps;                /* 1e-5 unless given */
    double rope_theta;             /* 10000 unless given */
    bool share_input_output_embed; /* false unless given */
} yoco_model_config;

/* Reads and checks `text`; `name` stands in error lines. The fields by which the release runs a
 * model (max_batch_size, model_parallel_size, load_checkpoint) pass; other unknown fields pass with
 * one warning line. */
yoco_status yoco_model_config_parse(const char *name, const char *text, size_t size,
                                    yoco_model_config *out);

static inline bool yoco_config_is_retention(const yoco_model_config *c)
{
    return c->sliding_window == 0;
}

static inline int yoco_config_n_self_layers(const yoco_model_config *c)
{
    return c->n_layers / 2;
}

static inline int yoco_config_self_head_dim(const yoco_model_config *c)
{
    return c->dim / c->n_self_heads;
}

static inline int yoco_config_head_dim(const yoco_model_config *c)
{
    return c->dim / c->n_attn_heads;
}

/* Width of a row of shared K or V. */
static inline int yoco_config_kv_dim(const yoco_model_config *c)
{
    return yoco_config_head_dim(c) * c->n_attn_kv_heads;
}

#endif
