/* What is compiled once per instruction set: one table each. The device picks its table when it
 * opens. */
#ifndef YOCO_CPU_SIMD_H
#define YOCO_CPU_SIMD_H

#include "kernels/cpu/device.h"
#include "kernels/ops_attend.h"

struct yoco_simd {
    /* Families of which every op, */
    const yoco_dense_ops *dense;
    const yoco_window_ops *window;
    const yoco_causal_ops *causal;
    const yoco_retention_ops *retention;
    const yoco_mamba_ops *mamba;
    const yoco_differential_ops *differential;
    const yoco_conv_ops *conv;
    const yoco_delta_ops *delta;

    /* and parts of others. Partials of the cross attention, without their maxima. */
    void (*attend_partials)(yoco_device *device, const yoco_attend_args *args);
    /* fixed (n) += x 2^(exponent + shift), each rounded half to even. */
    void (*add_fixed)(const float *x, const int *exponent, int shift, int64_t n, int64_t *fixed);
    /* out (n) = x, bf16 widened. */
    void (*widen)(const uint16_t *x, int64_t n, float *out);
    /* A bf16 panel of (depth / 2, 64, 2) as f32 (depth, 64). */
    void (*widen_panel)(const uint16_t *panel, int64_t depth, float *out);
    /* y (n_rows, 64) = x (n_rows, n_in) times an f32 panel. */
    void (*panel_product)(int64_t n_rows, int64_t n_in, const float *x, int64_t x_stride,
                          const float *panel, float *y, int64_t y_stride);
};

extern const yoco_simd yoco_simd_portable;
#ifdef YOCO_CPU_X86
extern const yoco_simd yoco_simd_avx2;
extern const yoco_simd yoco_simd_avx512;
#endif

#endif
