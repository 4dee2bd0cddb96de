/* The dense ops in the tests: see ops_testing.h. */
#ifndef YOCO_TEST_DENSE_OPS_H
#define YOCO_TEST_DENSE_OPS_H

#include "kernels/ops_dense.h"
#include "tests/kernels/ops_testing.h"

float *run_embed(rig *r, const yoco_matrix *table, yoco_embed_args args);
float *run_gather(rig *r, yoco_gather_args args);
/* args.out: what to accumulate on, or NULL. */
float *run_rms_norm(rig *r, yoco_rms_norm_args args);
float *run_layer_norm(rig *r, yoco_layer_norm_args args);
/* args.y: what to accumulate on, or NULL. */
float *run_linear(rig *r, bool slabs, const yoco_matrix *weight, yoco_linear_args args);
void run_rope_table(rig *r, yoco_rope_table_args args, float **cos, float **sin);
float *run_rope(rig *r, yoco_rope_args args);
float *run_add_bias(rig *r, yoco_bias_args args);
float *run_cast(rig *r, yoco_cast_args args);
float *run_swiglu(rig *r, yoco_swiglu_args args);
float *run_geglu(rig *r, yoco_swiglu_args args);
float *run_glu(rig *r, yoco_swiglu_args args);
float *run_soft_cap(rig *r, yoco_soft_cap_args args);

#endif
