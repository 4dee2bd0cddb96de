#include "worker/model.h"

#include <math.h>
#include <stdlib.h>

#include "worker/merge_scale.h"

static yoco_status make_matrix(yoco_model *m, const yoco_checkpoint *checkpoint,
                               const yoco_tensor *tensor, yoco_weight_use use, yoco_weight **out)
{
    if (!tensor)
        return YOCO_OK;
    yoco_matrix matrix = {.dtype = tensor->dtype,
                          .n_out = tensor->shape[0],
                          .n_in = tensor->shape[1],
                          .data = tensor->data};
    YOCO_TRY(m->ops->weight_create(m->device, &matrix, use, out));
    if (use == YOCO_WEIGHT_LINEAR)
        yoco_tensor_release(checkpoint, tensor);
    return YOCO_OK;
}

static yoco_status make_vector(yoco_model *m, const yoco_tensor *tensor, float **out)
{
    int64_t n = tensor->shape[0];
    float *host = NULL;
    YOCO_TRY(yoco_alloc((size_t)n * sizeof(float), tensor->name, (void **)&host));
    for (int64_t i = 0; i < n; i++) {
        if (tensor->dtype == YOCO_F32)
            host[i] = ((const float *)tensor->data)[i];
        else if (tensor->dtype == YOCO_BF16)
            host[i] = yoco_bf16_to_f32(((const uint16_t *)tensor->data)[i]);
        else
            host[i] = yoco_f16_to_f32(((const uint16_t *)tensor->data)[i]);
    }
    size_t bytes = (size_t)n * sizeof(float);
    yoco_status status = m->ops->alloc(m->device, bytes, tensor->name, (void **)out);
    if (status == YOCO_OK)
        m->ops->upload(m->device, *out, host, bytes);
    yoco_free(host);
    return status;
}

static yoco_status make_layer(yoco_model *m, const yoco_checkpoint *checkpoint, int index)
{
    const yoco_layer_tensors *t = &checkpoint->layers[index];
    yoco_layer *layer = &m->layers[index];
    const struct {
        const yoco_tensor *tensor;
        yoco_weight **weight;
    } matrices[] = {
        {t->q_proj, &layer->q}, {t->k_proj, &layer->k},           {t->v_proj, &layer->v},
        {t->g_proj, &layer->g}, {t->gt_proj, &layer->gate_decay}, {t->out_proj, &layer->out},
        {t->fc1, &layer->fc1},  {t->gate, &layer->gate},          {t->fc2, &layer->fc2},
    };
    YOCO_TRY(make_vector(m, t->mixer_norm, &layer->mixer_norm));
    YOCO_TRY(make_vector(m, t->ffn_norm, &layer->ffn_norm));
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        YOCO_TRY(
            make_matrix(m, checkpoint, matrices[i].tensor, YOCO_WEIGHT_LINEAR, matrices[i].weight));
    return YOCO_OK;
}

/* Frequency i of a head is theta^-(i / (half - 1)): both ends of the range, unlike most models. */
static yoco_status make_frequencies(yoco_model *m, int head_dim, double **out)
{
    static const char what[] = "rotary frequencies";
    int half = head_dim / 2;
    size_t bytes = (size_t)half * sizeof(double);
    double *host = NULL;
    YOCO_TRY(yoco_alloc(bytes, what, (void **)&host));
    for (int i = 0; i < half; i++)
        host[i] = half == 1 ? 1.0 : pow(m->config.rope_theta, -((double)i / (half - 1)));
    yoco_status status = m->ops->alloc(m->device, bytes, what, (void **)out);
    if (status == YOCO_OK)
        m->ops->upload(m->device, *out, host, bytes);
    yoco_free(host);
    return status;
}

static yoco_status make_merge_scale(yoco_model *m, const yoco_checkpoint *checkpoint)
{
    size_t bytes = (size_t)yoco_config_kv_dim(&m->config) * sizeof(int);
    int *host = NULL;
    YOCO_TRY(yoco_alloc(bytes, "merge scale", (void **)&host));
    yoco_status status = yoco_merge_o_exponents(checkpoint, host);
    if (status == YOCO_OK)
        status = m->ops->alloc(m->device, bytes, "merge scale", (void **)&m->o_exponent);
    if (status == YOCO_OK)
        m->ops->upload(m->device, m->o_exponent, host, bytes);
    yoco_free(host);
    m->l_exponent = yoco_merge_l_exponent(m->config.max_seq_len);
    return status;
}

yoco_status yoco_model_add_output(yoco_model *m, const yoco_checkpoint *checkpoint)
{
    if (m->output)
        return YOCO_OK;
    YOCO_TRY(
        make_matrix(m, checkpoint, checkpoint->output_projection, YOCO_WEIGHT_LINEAR, &m->output));
    return m->ops->synchronize(m->device);
}

static yoco_status fill_model(yoco_model *m, const yoco_checkpoint *checkpoint, bool with_output)
{
    const yoco_model_config *c = &m->config;
    YOCO_TRY(make_merge_scale(m, checkpoint)); /* reads v_proj before its pages are released */
    YOCO_TRY(make_frequencies(m, yoco_config_self_head_dim(c), &m->self_frequencies));
    YOCO_TRY(make_frequencies(m, yoco_config_head_dim(c), &m->frequencies));
    YOCO_TRY(
        make_matrix(m, checkpoint, checkpoint->embed_tokens, YOCO_WEIGHT_EMBEDDING, &m->embedding));
    for (int i = 0; i < m->n_self + m->n_cross; i++)
        YOCO_TRY(make_layer(m, checkpoint, i));
    YOCO_TRY(make_vector(m, checkpoint->kv_norm, &m->kv_norm));
    YOCO_TRY(make_matrix(m, checkpoint, checkpoint->k_proj, YOCO_WEIGHT_LINEAR, &m->k));
    YOCO_TRY(make_matrix(m, checkpoint, checkpoint->v_proj, YOCO_WEIGHT_LINEAR, &m->v));
    YOCO_TRY(make_vector(m, checkpoint->final_norm, &m->final_norm));
    if (with_output)
        YOCO_TRY(yoco_model_add_output(m, checkpoint));
    return m->ops->synchronize(m->device);
}

yoco_status yoco_model_create(const yoco_ops *ops, yoco_device *device,
                              const yoco_checkpoint *checkpoint, yoco_dtype dtype, bool with_output,
                              yoco_model **out)
{
    yoco_model *m = calloc(1, sizeof *m);
    int n_self = yoco_config_n_self_layers(&checkpoint->config);
    yoco_layer *layers = calloc(2 * (size_t)n_self, sizeof *layers);
    if (!m || !layers) {
        yoco_log_error("cannot allocate the table of layers");
        free(layers);
        free(m);
        return YOCO_ERR_MEMORY;
    }
    *m = (yoco_model){.ops = ops,
                      .device = device,
                      .config = checkpoint->config,
                      .dtype = dtype,
                      .embedding_dtype = checkpoint->embed_tokens->dtype,
                      .n_self = n_self,
                      .n_cross = n_self,
                      .layers = layers};
    yoco_status status = fill_model(m, checkpoint, with_output);
    if (status != YOCO_OK) {
        yoco_model_free(m);
        return status;
    }
    *out = m;
    return YOCO_OK;
}

static void free_layer(yoco_model *m, yoco_layer *layer)
{
    yoco_weight *const weights[] = {layer->q,   layer->k,          layer->v,
                                    layer->g,   layer->gate_decay, layer->out,
                                    layer->fc1, layer->gate,       layer->fc2};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        m->ops->weight_free(m->device, weights[i]);
    m->ops->free(m->device, layer->mixer_norm);
    m->ops->free(m->device, layer->ffn_norm);
}

void yoco_model_free(yoco_model *m)
{
    if (!m)
        return;
    for (int i = 0; i < m->n_self + m->n_cross; i++)
        free_layer(m, &m->layers[i]);
    m->ops->weight_free(m->device, m->embedding);
    m->ops->weight_free(m->device, m->k);
    m->ops->weight_free(m->device, m->v);
    m->ops->weight_free(m->device, m->output);
    m->ops->free(m->device, m->kv_norm);
    m->ops->free(m->device, m->final_norm);
    m->ops->free(m->device, m->o_exponent);
    m->ops->free(m->device, m->self_frequencies);
    m->ops->free(m->device, m->frequencies);
    free(m->layers);
    free(m);
}
