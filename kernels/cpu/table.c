#include "kernels/cpu/ops_simd.h"

const yoco_simd YOCO_SIMD(yoco_simd) = {
    .embed = YOCO_SIMD(embed),
    .rms_norm = YOCO_SIMD(rms_norm),
    .rope = YOCO_SIMD(rope),
    .cast = YOCO_SIMD(cast),
    .swiglu = YOCO_SIMD(swiglu),
    .linear_rows = YOCO_SIMD(linear_rows),
    .window_attend = YOCO_SIMD(window_attend),
    .window_step = YOCO_SIMD(window_step),
    .retention_local = YOCO_SIMD(retention_local),
    .retention_scan = YOCO_SIMD(retention_scan),
    .retention_correct = YOCO_SIMD(retention_correct),
    .retention_step = YOCO_SIMD(retention_step),
    .attend = YOCO_SIMD(attend),
    .add_fixed = YOCO_SIMD(add_fixed),
    .widen = YOCO_SIMD(widen),
    .widen_panel = YOCO_SIMD(widen_panel),
    .panel_product = YOCO_SIMD(panel_product),
};
