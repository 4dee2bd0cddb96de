/* Differential attention's own op: two softmaxes over the same V are subtracted.
 * Source: Differential Transformer (arXiv 2410.05258), section 2. */
#ifndef YOCO_OPS_DIFFERENTIAL_H
#define YOCO_OPS_DIFFERENTIAL_H

#include "kernels/kernels.h"

/* Of each row and pair, with y = x[first head] - lambda x[second head]:
 * out = scale * y / sqrt(mean(y^2) + eps) * weight. */
typedef struct yoco_differential_args {
    int64_t n_rows;
    int n_pairs, dim;
    float lambda, scale, eps;
    const float *x;      /* (n_rows, n_pairs, 2, dim) */
    const float *weight; /* (dim) */
    yoco_dtype out_dtype;
    void *out; /* (n_rows, n_pairs, dim) */
} yoco_differential_args;

struct yoco_differential_ops {
    void (*combine)(yoco_device *device, const yoco_differential_args *args);
};

#endif
