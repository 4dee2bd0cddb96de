/* Ops that are compiled once per instruction set: each call goes to the device's. */
#include "kernels/cpu/simd.h"
#include "kernels/ops_causal.h"
#include "kernels/ops_conv.h"
#include "kernels/ops_delta.h"
#include "kernels/ops_dense.h"
#include "kernels/ops_differential.h"
#include "kernels/ops_mamba.h"
#include "kernels/ops_retention.h"
#include "kernels/ops_window.h"

#define FORWARD(family, op, args_type)                                                             \
    static void family##_##op(yoco_device *device, const args_type *args)                          \
    {                                                                                              \
        device->simd->family->op(device, args);                                                    \
    }

FORWARD(dense, embed, yoco_embed_args)
FORWARD(dense, gather, yoco_gather_args)
FORWARD(dense, rms_norm, yoco_rms_norm_args)
FORWARD(dense, layer_norm, yoco_layer_norm_args)
FORWARD(dense, linear_slabs, yoco_linear_args)
FORWARD(dense, linear_rows, yoco_linear_args)
FORWARD(dense, rope_table, yoco_rope_table_args)
FORWARD(dense, rope, yoco_rope_args)
FORWARD(dense, add_bias, yoco_bias_args)
FORWARD(dense, cast, yoco_cast_args)
FORWARD(dense, swiglu, yoco_swiglu_args)
FORWARD(dense, geglu, yoco_swiglu_args)
FORWARD(dense, glu, yoco_swiglu_args)
FORWARD(dense, soft_cap, yoco_soft_cap_args)

const yoco_dense_ops yoco_cpu_dense = {
    .embed = dense_embed,
    .gather = dense_gather,
    .rms_norm = dense_rms_norm,
    .layer_norm = dense_layer_norm,
    .linear_slabs = dense_linear_slabs,
    .linear_rows = dense_linear_rows,
    .rope_table = dense_rope_table,
    .rope = dense_rope,
    .add_bias = dense_add_bias,
    .cast = dense_cast,
    .swiglu = dense_swiglu,
    .geglu = dense_geglu,
    .glu = dense_glu,
    .soft_cap = dense_soft_cap,
};

FORWARD(window, attend, yoco_window_args)
FORWARD(window, step, yoco_window_step_args)

const yoco_window_ops yoco_cpu_window = {
    .attend = window_attend,
    .step = window_step,
};

FORWARD(causal, attend, yoco_causal_args)

const yoco_causal_ops yoco_cpu_causal = {.attend = causal_attend};

FORWARD(retention, local, yoco_retention_args)
FORWARD(retention, scan, yoco_retention_args)
FORWARD(retention, correct, yoco_retention_args)
FORWARD(retention, step, yoco_retention_step_args)

const yoco_retention_ops yoco_cpu_retention = {
    .local = retention_local,
    .scan = retention_scan,
    .correct = retention_correct,
    .step = retention_step,
};

FORWARD(mamba, local, yoco_mamba_args)
FORWARD(mamba, scan, yoco_mamba_args)
FORWARD(mamba, correct, yoco_mamba_args)
FORWARD(mamba, step, yoco_mamba_step_args)

const yoco_mamba_ops yoco_cpu_mamba = {
    .local = mamba_local,
    .scan = mamba_scan,
    .correct = mamba_correct,
    .step = mamba_step,
};

FORWARD(differential, combine, yoco_differential_args)

const yoco_differential_ops yoco_cpu_differential = {.combine = differential_combine};

FORWARD(conv, round, yoco_conv_args)
FORWARD(conv, piece, yoco_conv_args)
FORWARD(conv, step, yoco_conv_step_args)

const yoco_conv_ops yoco_cpu_conv = {
    .round = conv_round,
    .piece = conv_piece,
    .step = conv_step,
};

FORWARD(delta, prepare, yoco_delta_prepare_args)
FORWARD(delta, local, yoco_delta_args)
FORWARD(delta, scan, yoco_delta_args)
FORWARD(delta, out, yoco_delta_args)
FORWARD(delta, step, yoco_delta_step_args)

const yoco_delta_ops yoco_cpu_delta = {
    .prepare = delta_prepare,
    .local = delta_local,
    .scan = delta_scan,
    .out = delta_out,
    .step = delta_step,
};
