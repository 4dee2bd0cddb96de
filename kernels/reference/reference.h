/* The plain backend: scalar loops on one thread, slow and easy to check. It is the oracle for the
 * others, so every sum runs in f64 and is rounded once, to f32, where it ends. */
#ifndef YOCO_REFERENCE_H
#define YOCO_REFERENCE_H

#include "kernels/kernels.h"

#include <string.h>

struct yoco_device {
    yoco_dtype dtype;
};

/* LINEAR: an own f32 copy, its values rounded to the run's dtype. EMBEDDING: the checkpoint's data.
 */
struct yoco_weight {
    yoco_dtype dtype;
    int64_t n_out, n_in;
    const void *data; /* (n_out, n_in), of any alignment */
    float *owned;     /* what to free, NULL for EMBEDDING */
};

/* Element `index` of a tensor of any storage type and alignment. */
static inline float reference_load(yoco_dtype dtype, const void *data, int64_t index)
{
    const char *at = (const char *)data + (size_t)index * yoco_dtype_bytes(dtype);
    if (dtype == YOCO_F32) {
        float value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return dtype == YOCO_BF16 ? yoco_bf16_to_f32(bits) : yoco_f16_to_f32(bits);
}

/* Writes f32, or rounds to bf16. */
static inline void reference_store(yoco_dtype dtype, void *data, int64_t index, float value)
{
    if (dtype == YOCO_BF16)
        ((uint16_t *)data)[index] = yoco_f32_to_bf16(value);
    else
        ((float *)data)[index] = value;
}

/* rows.c */
void reference_embed(yoco_device *device, const yoco_embed_args *args);
void reference_rms_norm(yoco_device *device, const yoco_rms_norm_args *args);
void reference_linear(yoco_device *device, const yoco_linear_args *args);
void reference_rope_table(yoco_device *device, const yoco_rope_table_args *args);
void reference_rope(yoco_device *device, const yoco_rope_args *args);
void reference_cast(yoco_device *device, const yoco_cast_args *args);
void reference_swiglu(yoco_device *device, const yoco_swiglu_args *args);

/* attention.c */
void reference_window_attend(yoco_device *device, const yoco_window_args *args);
void reference_window_step(yoco_device *device, const yoco_window_step_args *args);
void reference_attend(yoco_device *device, const yoco_attend_args *args);

/* merge.c */
/* The part of attend that follows the partials: M and *bad. */
void reference_partials_max(const yoco_attend_args *args);
void reference_merge_sum(yoco_device *device, const yoco_attend_args *args);
void reference_merge_finish(yoco_device *device, const yoco_attend_args *args);

/* retention.c */
void reference_retention_local(yoco_device *device, const yoco_retention_args *args);
void reference_retention_scan(yoco_device *device, const yoco_retention_args *args);
void reference_retention_correct(yoco_device *device, const yoco_retention_args *args);
void reference_retention_step(yoco_device *device, const yoco_retention_step_args *args);

#endif
