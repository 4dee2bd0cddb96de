/* The functions behind the table of simd.h in this compilation. */
#ifndef YOCO_CPU_OPS_SIMD_H
#define YOCO_CPU_OPS_SIMD_H

#include "kernels/cpu/simd.h"
#include "kernels/cpu/vec.h"

void YOCO_SIMD(embed)(yoco_device *device, const yoco_embed_args *args);
void YOCO_SIMD(rms_norm)(yoco_device *device, const yoco_rms_norm_args *args);
void YOCO_SIMD(rope)(yoco_device *device, const yoco_rope_args *args);
void YOCO_SIMD(cast)(yoco_device *device, const yoco_cast_args *args);
void YOCO_SIMD(swiglu)(yoco_device *device, const yoco_swiglu_args *args);
void YOCO_SIMD(linear_rows)(yoco_device *device, const yoco_linear_args *args);
void YOCO_SIMD(window_attend)(yoco_device *device, const yoco_window_args *args);
void YOCO_SIMD(window_step)(yoco_device *device, const yoco_window_step_args *args);
void YOCO_SIMD(retention_local)(yoco_device *device, const yoco_retention_args *args);
void YOCO_SIMD(retention_scan)(yoco_device *device, const yoco_retention_args *args);
void YOCO_SIMD(retention_correct)(yoco_device *device, const yoco_retention_args *args);
void YOCO_SIMD(retention_step)(yoco_device *device, const yoco_retention_step_args *args);
void YOCO_SIMD(attend)(yoco_device *device, const yoco_attend_args *args);
void YOCO_SIMD(add_fixed)(const float *x, const int *exponent, int shift, int64_t n,
                          int64_t *fixed);
void YOCO_SIMD(widen)(const uint16_t *x, int64_t n, float *out);
void YOCO_SIMD(widen_panel)(const uint16_t *panel, int64_t depth, float *out);
void YOCO_SIMD(panel_product)(int64_t n_rows, int64_t n_in, const float *x, int64_t x_stride,
                              const float *panel, float *y, int64_t y_stride);

#endif
