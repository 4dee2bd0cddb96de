/* What becomes of what heads of attention give, by the layer's traits: they come in pairs, of which
 * the second is subtracted from the first (DIFFERENTIAL), or each channel is multiplied by the
 * sigmoid of a gate (OUT_GATE). Other layers leave it as it is. */
#ifndef YOCO_DIFFERENTIAL_H
#define YOCO_DIFFERENTIAL_H

#include "worker/layers/layers.h"

/* The family of ops that such a layer calls besides those of its kind. */
extern const yoco_op_family yoco_heads_need;

/* Where the gate of a layer that has one stands, (n_rows, n_heads, v_dim): behind K; else NULL. */
float *yoco_heads_gate(const yoco_pass *p);
/* Where a layer's heads put what they give, (n_rows, n_heads, v_dim), and its dtype: NORM, or work
 * memory behind V, in f32, where pairs or gates are still to come. */
void *yoco_heads_out(const yoco_pass *p, yoco_dtype *dtype);
/* NORM <- the pairs combined, or the gates applied. */
void yoco_heads_combine(const yoco_pass *p);

/* See yoco_layer_ops: lambda, in f64 of the layer's four vectors. */
yoco_status yoco_heads_derive(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                              yoco_derived *out);

#endif
