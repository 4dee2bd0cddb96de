/* What is compiled once per instruction set: one table each. The device picks its table when it
 * opens. */
#ifndef YOCO_CPU_SIMD_H
#define YOCO_CPU_SIMD_H

#include "kernels/cpu/device.h"

struct yoco_simd {
    void (*embed)(yoco_device *device, const yoco_embed_args *args);
    void (*rms_norm)(yoco_device *device, const yoco_rms_norm_args *args);
    void (*rope)(yoco_device *device, const yoco_rope_args *args);
    void (*cast)(yoco_device *device, const yoco_cast_args *args);
    void (*swiglu)(yoco_device *device, const yoco_swiglu_args *args);
    void (*linear_rows)(yoco_device *device, const yoco_linear_args *args);
    void (*window_attend)(yoco_device *device, const yoco_window_args *args);
    void (*window_step)(yoco_device *device, const yoco_window_step_args *args);
    void (*retention_local)(yoco_device *device, const yoco_retention_args *args);
    void (*retention_scan)(yoco_device *device, const yoco_retention_args *args);
    void (*retention_correct)(yoco_device *device, const yoco_retention_args *args);
    void (*retention_step)(yoco_device *device, const yoco_retention_step_args *args);
    void (*attend)(yoco_device *device, const yoco_attend_args *args);

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
