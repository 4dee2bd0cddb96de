/* The plain backend: scalar loops on one thread, slow and easy to check. It is the oracle for the
 * others, so every sum runs in f64 and is rounded once, to f32, where it ends. */
#ifndef YOCO_REFERENCE_H
#define YOCO_REFERENCE_H

#include "kernels/ops_attend.h"

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

/* attention.c: the partials, without their maxima. */
void reference_attend_partials(const yoco_attend_args *args);

extern const yoco_dense_ops yoco_reference_dense;               /* rows.c */
extern const yoco_window_ops yoco_reference_window;             /* attention.c */
extern const yoco_causal_ops yoco_reference_causal;             /* attention.c */
extern const yoco_retention_ops yoco_reference_retention;       /* retention.c */
extern const yoco_attend_ops yoco_reference_attend;             /* merge.c */
extern const yoco_choose_ops yoco_reference_choose;             /* choose.c */
extern const yoco_mamba_ops yoco_reference_mamba;               /* mamba.c */
extern const yoco_differential_ops yoco_reference_differential; /* differential.c */
extern const yoco_conv_ops yoco_reference_conv;                 /* conv.c */
extern const yoco_delta_ops yoco_reference_delta;               /* delta.c */

#endif
