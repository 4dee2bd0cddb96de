#include "kernels/cpu/ops_simd.h"

const yoco_simd YOCO_SIMD(yoco_simd) = {
    .dense = &YOCO_SIMD(yoco_cpu_dense),
    .window = &YOCO_SIMD(yoco_cpu_window),
    .causal = &YOCO_SIMD(yoco_cpu_causal),
    .retention = &YOCO_SIMD(yoco_cpu_retention),
    .mamba = &YOCO_SIMD(yoco_cpu_mamba),
    .differential = &YOCO_SIMD(yoco_cpu_differential),
    .conv = &YOCO_SIMD(yoco_cpu_conv),
    .delta = &YOCO_SIMD(yoco_cpu_delta),
    .attend_partials = YOCO_SIMD(attend_partials),
    .add_fixed = YOCO_SIMD(add_fixed),
    .widen = YOCO_SIMD(widen),
    .widen_panel = YOCO_SIMD(widen_panel),
    .panel_product = YOCO_SIMD(panel_product),
};
