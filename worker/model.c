#include "worker/layers/differential.h"
#include "worker/layers/layers.h"
#include "worker/layers/stream_bound.h"
#include "worker/merge_scale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static yoco_status make_matrix(yoco_model *m, const yoco_checkpoint *checkpoint,
                               const yoco_tensor *tensor, yoco_weight_use use, yoco_weight **out)
{
    yoco_matrix matrix = {.dtype = tensor->dtype,
                          .n_out = tensor->shape[0],
                          .n_in = tensor->shape[1],
                          .data = tensor->data};
    void *gathered = NULL;
    if (tensor->group_rows > 0) {
        YOCO_TRY(yoco_alloc(tensor->bytes, tensor->name, &gathered));
        yoco_tensor_gather(tensor, gathered);
        matrix.data = gathered;
    }
    yoco_status status = m->ops->weight_create(m->device, &matrix, use, out);
    yoco_free(gathered);
    YOCO_TRY(status);
    if (use == YOCO_WEIGHT_LINEAR)
        yoco_tensor_release(checkpoint, tensor);
    return YOCO_OK;
}

/* Host data to memory of the device. */
static yoco_status make_table(yoco_model *m, const char *what, const void *host, size_t bytes,
                              void **out)
{
    YOCO_TRY(m->ops->alloc(m->device, bytes, what, out));
    m->ops->upload(m->device, *out, host, bytes);
    return YOCO_OK;
}

/* less_1: of a norm whose weights are stored so. */
static yoco_status make_vector(yoco_model *m, const yoco_tensor *tensor, int64_t n, bool less_1,
                               float **out)
{
    float *host = NULL;
    YOCO_TRY(yoco_alloc((size_t)n * sizeof(float), tensor->name, (void **)&host));
    for (int64_t i = 0; i < n; i++)
        host[i] = less_1 ? 1.0f + yoco_tensor_element(tensor, i) : yoco_tensor_element(tensor, i);
    yoco_status status = make_table(m, tensor->name, host, (size_t)n * sizeof(float), (void **)out);
    yoco_free(host);
    return status;
}

static yoco_status make_frequencies(yoco_model *m, int rotation)
{
    static const char what[] = "rotary frequencies";
    const yoco_rotation *r = &m->shape->rotations[rotation];
    size_t bytes = (size_t)yoco_rotation_pairs(r) * sizeof(double);
    double *host = NULL;
    YOCO_TRY(yoco_alloc(bytes, what, (void **)&host));
    for (int i = 0; i < yoco_rotation_pairs(r); i++)
        host[i] = yoco_rotation_frequency(r, i);
    yoco_status status = make_table(m, what, host, bytes, (void **)&m->frequencies[rotation]);
    yoco_free(host);
    return status;
}

static yoco_status no_bounds(double *bounds, size_t n)
{
    for (size_t j = 0; j < n; j++)
        bounds[j] = 0;
    return YOCO_OK;
}

/* Reads the tensors before their pages are released. */
static yoco_status make_merge_scale(yoco_model *m, const yoco_checkpoint *checkpoint, int index,
                                    double entering)
{
    yoco_layer *layer = &m->layers[index];
    const yoco_layer_tensors *tensors = &checkpoint->layers[index];
    static const char what[] = "merge scale";
    const size_t n = (size_t)yoco_layer_v_width(layer->shape);
    double *bounds = NULL;
    int *host = NULL;
    yoco_status status = yoco_alloc(n * sizeof *bounds, what, (void **)&bounds);
    if (status == YOCO_OK)
        status = yoco_alloc(n * sizeof *host, what, (void **)&host);
    if (status == YOCO_OK)
        status = checkpoint->is_shape
                     ? no_bounds(bounds, n)
                     : layer->ops->value_bounds(layer->shape, tensors, entering, bounds);
    for (size_t j = 0; status == YOCO_OK && j < n; j++)
        host[j] = yoco_merge_o_exponent(m->shape->max_seq_len, bounds[j]);
    if (status == YOCO_OK)
        status = make_table(m, what, host, n * sizeof *host, (void **)&layer->o_exponent);
    yoco_free(host);
    yoco_free(bounds);
    return status;
}

/* Once all tensors are there: a layer may replace one of them. */
static yoco_status make_derived(yoco_model *m, const yoco_checkpoint *checkpoint, int index)
{
    static const char what[] = "a table of a layer";
    yoco_layer *layer = &m->layers[index];
    const yoco_role role = layer->ops->derived_role;
    yoco_derived derived = {.table = NULL};
    yoco_tensor_rule rules[YOCO_N_ROLES];
    size_t bytes = 0;
    if (!layer->ops->derive || checkpoint->is_shape)
        return YOCO_OK;
    for (int i = yoco_layer_tensor_rules(layer->shape, rules); i-- > 0;)
        if (role != YOCO_ROLE_MIXER_NORM && rules[i].role == role)
            bytes = (size_t)yoco_rule_elements(&rules[i]) * sizeof(float);
    if (bytes > 0)
        YOCO_TRY(yoco_alloc(bytes, what, (void **)&derived.table));
    yoco_status status = layer->ops->derive(layer->shape, &checkpoint->layers[index], &derived);
    if (status == YOCO_OK && bytes > 0)
        m->ops->upload(m->device, layer->vectors[role], derived.table, bytes);
    if (status == YOCO_OK)
        layer->lambda = derived.lambda;
    yoco_free(derived.table);
    return status;
}

/* entering: see yoco_layer_ops. */
static yoco_status make_layer(yoco_model *m, const yoco_checkpoint *checkpoint, int index,
                              double entering)
{
    yoco_layer *layer = &m->layers[index];
    const yoco_layer_tensors *tensors = &checkpoint->layers[index];
    yoco_tensor_rule rules[YOCO_N_ROLES];
    if (layer->ops->value_bounds)
        YOCO_TRY(make_merge_scale(m, checkpoint, index, entering));
    for (int i = yoco_layer_tensor_rules(layer->shape, rules); i-- > 0;) {
        yoco_role role = rules[i].role;
        const yoco_tensor *tensor = tensors->role[role];
        if (rules[i].is_table)
            YOCO_TRY(make_vector(m, tensor, yoco_rule_elements(&rules[i]), rules[i].is_less_1,
                                 &layer->vectors[role]));
        else
            YOCO_TRY(make_matrix(m, checkpoint, tensor, YOCO_WEIGHT_LINEAR, &layer->weights[role]));
    }
    if (tensors->role[YOCO_ROLE_SCALE] && !checkpoint->is_shape)
        layer->scale = yoco_tensor_element(tensors->role[YOCO_ROLE_SCALE], 0);
    return make_derived(m, checkpoint, index);
}

/* To nearest, ties to even; far from the dtype's least and greatest values. */
static float round_to(yoco_dtype dtype, float x)
{
    int bits = dtype == YOCO_BF16 ? 8 : dtype == YOCO_F16 ? 11 : 24, exponent;
    float fraction = frexpf(x, &exponent);
    return ldexpf(nearbyintf(ldexpf(fraction, bits)), exponent - bits);
}

/* Scales of the embeddings, and the table that stays where it is. */
static yoco_status make_embeddings(yoco_model *m, const yoco_checkpoint *checkpoint)
{
    const yoco_model_shape *s = m->shape;
    m->embed_scale = s->embed_scale;
    m->layer_embed_scale = s->layer_embed_scale;
    if (s->rounds_scales)
        m->embed_scale = round_to(checkpoint->embed_tokens->dtype, s->embed_scale);
    if (s->embed_dim > 0) {
        m->layer_table = checkpoint->layer_table;
        if (s->rounds_scales)
            m->layer_embed_scale = round_to(m->layer_table->dtype, s->layer_embed_scale);
        YOCO_TRY(make_vector(m, checkpoint->layer_norm, s->embed_dim, false, &m->layer_norm));
    }
    return make_matrix(m, checkpoint, checkpoint->embed_tokens, YOCO_WEIGHT_EMBEDDING,
                       &m->embedding);
}

/* The file is read ahead of the repacking by a layer. */
static void expect_layer(const yoco_model *m, const yoco_checkpoint *checkpoint, int index)
{
    yoco_tensor_rule rules[YOCO_N_ROLES];
    for (int i = yoco_layer_tensor_rules(m->layers[index].shape, rules); i-- > 0;)
        yoco_tensor_expect(checkpoint, checkpoint->layers[index].role[rules[i].role]);
}

/* What each layer remembers and reads, counted in the order of the layers. A layer is before those
 * that name it. */
static void number_pasts(yoco_model *m)
{
    for (int i = 0; i < m->shape->n_layers; i++) {
        yoco_past_shape pasts[YOCO_MAX_PASTS];
        yoco_layer *layer = &m->layers[i];
        int n = yoco_layer_pasts(layer->shape, pasts);
        layer->first_past = m->n_pasts;
        layer->store = -1;
        for (int j = 0; j < n; j++) {
            if (pasts[j].form == YOCO_PAST_ROWS)
                layer->store = m->n_stores++;
            else
                m->n_pasts++;
        }
        if (layer->shape->source != i) {
            layer->first_past = m->layers[layer->shape->source].first_past;
            layer->store = m->layers[layer->shape->source].store;
        }
    }
}

/* Prefill runs the layers before the last that keeps a past: those must be able to. */
static yoco_status check_layers(const yoco_model *m)
{
    for (int i = 0; i < m->last_kept; i++) {
        const yoco_layer_kind kind = m->shape->layers[i].kind;
        const yoco_layer_ops *ops = yoco_layer_ops_of(kind);
        if (ops->keep || ops->mix)
            continue;
        yoco_log_error("layer %d, %s, stands before layer %d, which still keeps a past: prefill "
                       "cannot run such a model",
                       i, yoco_layer_kind_name(kind), m->last_kept);
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

static bool has_family(const yoco_ops *ops, const yoco_op_family *family)
{
    const void *table;
    memcpy(&table, (const char *)ops + family->at, sizeof table);
    return table != NULL;
}

static yoco_status check_family(const yoco_ops *ops, const yoco_op_family *family, int index,
                                const yoco_layer_shape *layer)
{
    if (has_family(ops, family))
        return YOCO_OK;
    yoco_log_error("the %s backend has no %s ops, which layer %d (%s) needs: choose another with "
                   "--backend",
                   ops->name, family->name, index, yoco_layer_kind_name(layer->kind));
    return YOCO_ERR_USAGE;
}

yoco_status yoco_model_check_ops(const yoco_ops *ops, const yoco_model_shape *shape)
{
    static const yoco_op_family always[] = {{YOCO_OP_FAMILY(dense)}, {YOCO_OP_FAMILY(choose)}};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (has_family(ops, &always[i]))
            continue;
        yoco_log_error("the %s backend has no %s ops, which every model needs: choose another "
                       "with --backend",
                       ops->name, always[i].name);
        return YOCO_ERR_USAGE;
    }
    for (int i = 0; i < shape->n_layers; i++) {
        const yoco_layer_shape *layer = &shape->layers[i];
        const yoco_op_family *needs = yoco_layer_ops_of(layer->kind)->needs;
        for (int j = 0; j < YOCO_MAX_NEEDS && needs[j].name; j++)
            YOCO_TRY(check_family(ops, &needs[j], i, layer));
        if (layer->traits & YOCO_TRAIT_DIFFERENTIAL)
            YOCO_TRY(check_family(ops, &yoco_heads_need, i, layer));
    }
    return YOCO_OK;
}

yoco_status yoco_model_add_output(yoco_model *m, const yoco_checkpoint *checkpoint)
{
    if (m->output)
        return YOCO_OK;
    YOCO_TRY(
        make_matrix(m, checkpoint, checkpoint->output_projection, YOCO_WEIGHT_LINEAR, &m->output));
    return m->ops->synchronize(m->device);
}

static yoco_status make_layers(yoco_model *m, const yoco_checkpoint *checkpoint)
{
    const yoco_model_shape *shape = m->shape;
    const bool bounded = yoco_stream_bound_wanted(shape) && !checkpoint->is_shape;
    double entering = bounded ? yoco_stream_bound_first(checkpoint) : 0;
    expect_layer(m, checkpoint, 0);
    for (int i = 0; i < shape->n_layers; i++) {
        if (i + 1 < shape->n_layers)
            expect_layer(m, checkpoint, i + 1);
        double leaving =
            bounded ? yoco_stream_bound_next(&shape->layers[i], &checkpoint->layers[i], entering)
                    : 0;
        YOCO_TRY(make_layer(m, checkpoint, i, entering));
        m->layers[i].read_exponent = m->layers[m->layers[i].shape->source].o_exponent;
        entering = leaving;
    }
    return YOCO_OK;
}

static yoco_status fill_model(yoco_model *m, const yoco_checkpoint *checkpoint, bool with_output)
{
    YOCO_TRY(check_layers(m));
    for (int i = 0; i < m->shape->n_rotations; i++)
        YOCO_TRY(make_frequencies(m, i));
    YOCO_TRY(make_embeddings(m, checkpoint));
    YOCO_TRY(make_layers(m, checkpoint));
    YOCO_TRY(make_vector(m, checkpoint->final_norm, m->shape->dim, m->shape->final_norm_less_1,
                         &m->final_norm));
    if (checkpoint->final_norm_bias)
        YOCO_TRY(
            make_vector(m, checkpoint->final_norm_bias, m->shape->dim, false, &m->final_norm_bias));
    if (with_output)
        YOCO_TRY(yoco_model_add_output(m, checkpoint));
    return m->ops->synchronize(m->device);
}

yoco_status yoco_model_create(const yoco_ops *ops, yoco_device *device,
                              const yoco_checkpoint *checkpoint, yoco_dtype dtype, bool with_output,
                              yoco_model **out)
{
    const yoco_model_shape *shape = checkpoint->shape;
    yoco_model *m = calloc(1, sizeof *m);
    yoco_layer *layers = calloc((size_t)shape->n_layers, sizeof *layers);
    if (!m || !layers) {
        yoco_log_error("cannot allocate the table of layers");
        free(layers);
        free(m);
        return YOCO_ERR_MEMORY;
    }
    *m = (yoco_model){.ops = ops,
                      .device = device,
                      .shape = shape,
                      .dtype = dtype,
                      .layers = layers,
                      .l_exponent = yoco_merge_l_exponent(shape->max_seq_len),
                      .last_kept = yoco_shape_last_kept(shape)};
    for (int i = 0; i < shape->n_layers; i++) {
        layers[i].shape = &shape->layers[i];
        layers[i].ops = yoco_layer_ops_of(shape->layers[i].kind);
        layers[i].scale = 1.0f;
    }
    number_pasts(m);
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
    for (int role = 0; role < YOCO_N_ROLES; role++) {
        m->ops->weight_free(m->device, layer->weights[role]);
        m->ops->free(m->device, layer->vectors[role]);
    }
    m->ops->free(m->device, layer->o_exponent);
}

void yoco_model_free(yoco_model *m)
{
    if (!m)
        return;
    for (int i = 0; i < m->shape->n_layers; i++)
        free_layer(m, &m->layers[i]);
    for (int i = 0; i < YOCO_MAX_ROTATIONS; i++)
        m->ops->free(m->device, m->frequencies[i]);
    m->ops->weight_free(m->device, m->embedding);
    m->ops->weight_free(m->device, m->output);
    m->ops->free(m->device, m->final_norm);
    m->ops->free(m->device, m->final_norm_bias);
    m->ops->free(m->device, m->layer_norm);
    free(m->layers);
    free(m);
}
