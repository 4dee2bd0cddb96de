/* Random weights. Counter-based: element i of tensor t depends on (seed, t, i) alone, so threads
 * fill in any order and the bits are the same everywhere. */
#include "configs/model/checkpoint_parts.h"

#include <math.h>

/* Source: SplitMix64, Steele, Lea & Flood 2014: its step and its output function. */
static const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);

static inline uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Uniform in (-bound, bound): the odd numbers within 2^24 times bound_scaled = bound * 2^-24, so
 * that the product's is the only rounding. */
static inline float uniform(uint64_t key, int64_t i, float bound_scaled)
{
    int32_t centred = (int32_t)(mix(key + (uint64_t)i * step) >> 40) - (1 << 23);
    return (float)(2 * centred + 1) * bound_scaled;
}

static void fill(const yoco_tensor *tensor, void *data, uint64_t key, float centre, float bound)
{
    int64_t n = (int64_t)(tensor->bytes / yoco_dtype_bytes(tensor->dtype));
    float bound_scaled = bound * 0x1p-24f;
    if (tensor->dtype == YOCO_F32) {
        float *to = data;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < n; i++)
            to[i] = centre + uniform(key, i, bound_scaled);
    } else {
        uint16_t *to = data;
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < n; i++)
            to[i] = yoco_f32_to_bf16(centre + uniform(key, i, bound_scaled));
    }
}

/* A row of a matrix has norm 1, so what it makes of an input of rms 1 has rms 1; that holds for the
 * embedding too, which is multiplied by sqrt(dim), and for a layer's part of a row of the table.
 * Logits get rms 1.5, to tell tokens apart. */
static yoco_status spec_fill(yoco_checkpoint *c, const yoco_tensor_spec *spec, uint64_t key)
{
    yoco_tensor like = yoco_checkpoint_tensor(spec, c->dtype);
    void *data;
    const yoco_tensor_spec *same =
        &c->store->specs[yoco_checkpoint_find(c, spec->name, spec->first_row)];
    if (same != spec && same->rule.role == spec->rule.role) {
        *yoco_checkpoint_slot(c, spec) = *yoco_checkpoint_slot(c, same);
        return YOCO_OK;
    }
    YOCO_TRY(yoco_checkpoint_own(c, &like, yoco_checkpoint_slot(c, spec), &data));
    if (like.n_dims == 1) {
        bool is_offset =
            spec->rule.is_less_1 || (spec->layer < 0 ? spec->layer == YOCO_TENSOR_FINAL_NORM_BIAS
                                                     : yoco_role_is_offset(spec->rule.role));
        fill(&like, data, key, is_offset ? 0 : 1, 0.1f);
    } else {
        bool is_table = spec->layer == YOCO_TENSOR_LAYER_TABLE;
        double deviation = 1 / sqrt((double)(is_table ? c->shape->embed_dim : like.shape[1]));
        if (spec->layer == YOCO_TENSOR_OUTPUT)
            deviation *= 1.5;
        fill(&like, data, key, 0, (float)(deviation * sqrt(3)));
    }
    return YOCO_OK;
}

static yoco_status specs_fill(yoco_checkpoint *c, uint64_t seed)
{
    for (int i = 0; i < c->store->n_specs; i++) {
        uint64_t key = mix(mix(seed + step) + (uint64_t)i * step);
        YOCO_TRY(spec_fill(c, &c->store->specs[i], key));
    }
    if (c->shape->tied)
        c->output_projection = c->embed_tokens;
    return YOCO_OK;
}

yoco_status yoco_checkpoint_random(const yoco_model_shape *shape, yoco_dtype dtype, uint64_t seed,
                                   yoco_checkpoint **out)
{
    if (dtype != YOCO_F32 && dtype != YOCO_BF16) {
        yoco_log_error("random weights are F32 or BF16, not %s", yoco_dtype_name(dtype));
        return YOCO_ERR_USAGE;
    }
    yoco_checkpoint *c;
    YOCO_TRY(yoco_checkpoint_create(shape, &c));
    c->dtype = dtype;
    yoco_status status = specs_fill(c, seed);
    if (status != YOCO_OK) {
        yoco_checkpoint_close(c);
        return status;
    }
    *out = c;
    return YOCO_OK;
}
