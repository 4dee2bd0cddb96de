/* The row-wise parts of a layer, for prefill and decode alike. */
#include <math.h>

#include "worker/internal.h"

static void rope_table(yoco_worker *w, int n_freqs, const double *frequencies, yoco_buffer cos,
                       yoco_buffer sin, int64_t n_rows)
{
    w->ops->rope_table(w->device,
                       &(yoco_rope_table_args){.n_rows = n_rows,
                                               .n_freqs = n_freqs,
                                               .positions = w->buffers[YOCO_BUF_POSITIONS],
                                               .frequencies = frequencies,
                                               .cos = w->buffers[cos],
                                               .sin = w->buffers[sin]});
}

static bool same_rotation(const yoco_model_config *c)
{
    return yoco_config_self_head_dim(c) == yoco_config_head_dim(c);
}

void yoco_embed_rows(yoco_worker *w, const int32_t *ids, const int64_t *positions, int64_t n_rows)
{
    const yoco_model_config *c = &w->model->config;
    w->ops->upload(w->device, w->buffers[YOCO_BUF_IDS], ids, (size_t)n_rows * sizeof *ids);
    w->ops->upload(w->device, w->buffers[YOCO_BUF_POSITIONS], positions,
                   (size_t)n_rows * sizeof *positions);
    w->ops->embed(w->device, &(yoco_embed_args){.n_rows = n_rows,
                                                .scale = sqrtf((float)c->dim),
                                                .table = w->model->embedding,
                                                .ids = w->buffers[YOCO_BUF_IDS],
                                                .x = yoco_f32(w, YOCO_BUF_X)});
    rope_table(w, yoco_config_self_head_dim(c) / 2, w->model->self_frequencies, YOCO_BUF_SELF_COS,
               YOCO_BUF_SELF_SIN, n_rows);
    if (!same_rotation(c))
        rope_table(w, yoco_config_head_dim(c) / 2, w->model->frequencies, YOCO_BUF_COS,
                   YOCO_BUF_SIN, n_rows);
}

void yoco_norm_rows(yoco_worker *w, const float *weight, int64_t n_rows)
{
    w->ops->rms_norm(w->device, &(yoco_rms_norm_args){.n_rows = n_rows,
                                                      .dim = w->model->config.dim,
                                                      .eps = w->model->config.norm_eps,
                                                      .x = yoco_f32(w, YOCO_BUF_X),
                                                      .weight = weight,
                                                      .out_dtype = w->model->dtype,
                                                      .out = w->buffers[YOCO_BUF_NORM]});
}

void yoco_project(yoco_worker *w, yoco_linear linear, const yoco_weight *weight, float *y,
                  int64_t n_rows)
{
    linear(w->device,
           &(yoco_linear_args){
               .n_rows = n_rows, .weight = weight, .x = w->buffers[YOCO_BUF_NORM], .y = y});
}

void yoco_project_all(yoco_worker *w, yoco_linear linear, const yoco_projection *projections, int n,
                      int64_t n_rows)
{
    yoco_linear_args args[YOCO_MAX_CHAIN];
    for (int i = 0; i < n; i++)
        args[i] = (yoco_linear_args){.n_rows = n_rows,
                                     .weight = projections[i].weight,
                                     .x = w->buffers[YOCO_BUF_NORM],
                                     .y = projections[i].y,
                                     .next = i + 1 < n ? &args[i + 1] : NULL};
    linear(w->device, args);
}

static yoco_rope_args self_rotation(const yoco_worker *w, const float *x, yoco_dtype dtype,
                                    void *out, int64_t n_rows)
{
    const yoco_model_config *c = &w->model->config;
    return (yoco_rope_args){.n_rows = n_rows,
                            .n_heads = c->n_self_heads,
                            .head_dim = yoco_config_self_head_dim(c),
                            .scale = 1.0f,
                            .cos = yoco_f32(w, YOCO_BUF_SELF_COS),
                            .sin = yoco_f32(w, YOCO_BUF_SELF_SIN),
                            .x = x,
                            .out_dtype = dtype,
                            .out = out};
}

void yoco_rotate_window(yoco_worker *w, float *q, const float *k, const float *v, void *k_out,
                        void *v_out, int64_t n_rows)
{
    yoco_rope_args values = self_rotation(w, v, w->model->dtype, v_out, n_rows);
    yoco_rope_args keys = self_rotation(w, k, w->model->dtype, k_out, n_rows);
    yoco_rope_args queries = self_rotation(w, q, YOCO_F32, q, n_rows);
    values.cos = values.sin = NULL; /* only rounded */
    keys.next = &values;
    queries.next = &keys;
    w->ops->rope(w->device, &queries);
}

void yoco_rotate_retention(yoco_worker *w, float *q, float *k, int64_t n_rows)
{
    yoco_rope_args keys = self_rotation(w, k, YOCO_F32, k, n_rows);
    yoco_rope_args queries = self_rotation(w, q, YOCO_F32, q, n_rows);
    keys.scale = 1.0f / sqrtf((float)keys.head_dim);
    queries.next = &keys;
    w->ops->rope(w->device, &queries);
}

static yoco_rope_args cross_rotation(const yoco_worker *w, int n_heads, const float *x,
                                     yoco_dtype dtype, void *out, int64_t n_rows)
{
    const yoco_model_config *c = &w->model->config;
    bool same = same_rotation(c);
    return (yoco_rope_args){.n_rows = n_rows,
                            .n_heads = n_heads,
                            .head_dim = yoco_config_head_dim(c),
                            .scale = 1.0f,
                            .cos = yoco_f32(w, same ? YOCO_BUF_SELF_COS : YOCO_BUF_COS),
                            .sin = yoco_f32(w, same ? YOCO_BUF_SELF_SIN : YOCO_BUF_SIN),
                            .x = x,
                            .out_dtype = dtype,
                            .out = out};
}

void yoco_rotate_cross(yoco_worker *w, float *q, int64_t n_rows)
{
    yoco_rope_args args = cross_rotation(w, w->model->config.n_attn_heads, q, YOCO_F32, q, n_rows);
    w->ops->rope(w->device, &args);
}

void yoco_retention_gate(yoco_worker *w, int64_t n_rows)
{
    const yoco_model_config *c = &w->model->config;
    float *out = yoco_wide(w, YOCO_BUF_WIDE_A, 2);
    w->ops->rms_norm(w->device, &(yoco_rms_norm_args){.n_rows = n_rows * c->n_self_heads,
                                                      .dim = yoco_config_self_head_dim(c),
                                                      .eps = c->norm_eps,
                                                      .x = out,
                                                      .out_dtype = YOCO_F32,
                                                      .out = out});
    w->ops->swiglu(w->device, &(yoco_swiglu_args){.n = n_rows * c->dim,
                                                  .a = yoco_wide(w, YOCO_BUF_WIDE_B, 1),
                                                  .b = out,
                                                  .out_dtype = w->model->dtype,
                                                  .out = w->buffers[YOCO_BUF_NORM]});
}

void yoco_add_output(yoco_worker *w, yoco_linear linear, const yoco_layer *layer, int64_t n_rows)
{
    linear(w->device, &(yoco_linear_args){.n_rows = n_rows,
                                          .weight = layer->out,
                                          .x = w->buffers[YOCO_BUF_NORM],
                                          .y = yoco_f32(w, YOCO_BUF_X),
                                          .accumulate = true});
}

void yoco_feed_forward(yoco_worker *w, yoco_linear linear, const yoco_layer *layer, int64_t n_rows)
{
    yoco_norm_rows(w, layer->ffn_norm, n_rows);
    const yoco_projection projections[] = {{layer->fc1, yoco_f32(w, YOCO_BUF_WIDE_A)},
                                           {layer->gate, yoco_f32(w, YOCO_BUF_WIDE_B)}};
    yoco_project_all(w, linear, projections, 2, n_rows);
    w->ops->swiglu(w->device, &(yoco_swiglu_args){.n = n_rows * w->model->config.hidden_dim,
                                                  .a = yoco_f32(w, YOCO_BUF_WIDE_A),
                                                  .b = yoco_f32(w, YOCO_BUF_WIDE_B),
                                                  .out_dtype = w->model->dtype,
                                                  .out = w->buffers[YOCO_BUF_HIDDEN]});
    linear(w->device, &(yoco_linear_args){.n_rows = n_rows,
                                          .weight = layer->fc2,
                                          .x = w->buffers[YOCO_BUF_HIDDEN],
                                          .y = yoco_f32(w, YOCO_BUF_X),
                                          .accumulate = true});
}

void yoco_shared_kv(yoco_worker *w, yoco_linear linear, void *k, void *v, int64_t n_rows)
{
    const yoco_model *m = w->model;
    float *key = yoco_wide(w, YOCO_BUF_WIDE_A, 0), *value = yoco_wide(w, YOCO_BUF_WIDE_B, 0);
    yoco_norm_rows(w, m->kv_norm, n_rows);
    int n_heads = m->config.n_attn_kv_heads;
    const yoco_projection projections[] = {{m->k, key}, {m->v, value}};
    yoco_project_all(w, linear, projections, 2, n_rows);
    yoco_rope_args values = cross_rotation(w, n_heads, value, m->dtype, v, n_rows);
    yoco_rope_args keys = cross_rotation(w, n_heads, key, m->dtype, k, n_rows);
    values.cos = values.sin = NULL; /* only rounded */
    keys.next = &values;
    w->ops->rope(w->device, &keys);
}
