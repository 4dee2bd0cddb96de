/* What this compilation gives to its table of simd.h. */
#ifndef YOCO_CPU_OPS_SIMD_H
#define YOCO_CPU_OPS_SIMD_H

#include "kernels/cpu/simd.h"
#include "kernels/cpu/vec.h"
#include "kernels/ops_attend.h"
#include "kernels/ops_causal.h"
#include "kernels/ops_conv.h"
#include "kernels/ops_delta.h"
#include "kernels/ops_dense.h"
#include "kernels/ops_retention.h"
#include "kernels/ops_window.h"

extern const yoco_dense_ops YOCO_SIMD(yoco_cpu_dense);               /* pointwise.c */
extern const yoco_window_ops YOCO_SIMD(yoco_cpu_window);             /* window.c */
extern const yoco_causal_ops YOCO_SIMD(yoco_cpu_causal);             /* causal.c */
extern const yoco_retention_ops YOCO_SIMD(yoco_cpu_retention);       /* retention.c */
extern const yoco_mamba_ops YOCO_SIMD(yoco_cpu_mamba);               /* mamba.c */
extern const yoco_differential_ops YOCO_SIMD(yoco_cpu_differential); /* differential.c */
extern const yoco_conv_ops YOCO_SIMD(yoco_cpu_conv);                 /* conv.c */
extern const yoco_delta_ops YOCO_SIMD(yoco_cpu_delta);               /* delta.c */

/* rows.c */
void YOCO_SIMD(linear_rows)(yoco_device *device, const yoco_linear_args *args);
void YOCO_SIMD(widen)(const uint16_t *x, int64_t n, float *out);
void YOCO_SIMD(widen_panel)(const uint16_t *panel, int64_t depth, float *out);
void YOCO_SIMD(panel_product)(int64_t n_rows, int64_t n_in, const float *x, int64_t x_stride,
                              const float *panel, float *y, int64_t y_stride);

/* attend.c */
void YOCO_SIMD(window_step)(yoco_device *device, const yoco_window_step_args *args);
void YOCO_SIMD(attend_partials)(yoco_device *device, const yoco_attend_args *args);

/* pointwise.c */
void YOCO_SIMD(add_fixed)(const float *x, const int *exponent, int shift, int64_t n,
                          int64_t *fixed);

#endif
