/* Attention whose heads come in pairs, of which the second is subtracted from the first: a trait of
 * layers that attend. Others leave what their heads give as it is. */
#ifndef YOCO_DIFFERENTIAL_H
#define YOCO_DIFFERENTIAL_H

#include "worker/layers/layers.h"

/* Where a layer's heads put what they give, (n_rows, n_heads, v_dim), and its dtype: NORM, or work
 * memory behind V, in f32, where pairs are still to be combined. */
void *yoco_heads_out(const yoco_pass *p, yoco_dtype *dtype);
/* NORM <- the pairs, combined. */
void yoco_heads_combine(const yoco_pass *p);

/* See yoco_layer_ops: lambda, in f64 of the layer's four vectors. */
yoco_status yoco_heads_derive(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                              yoco_derived *out);

#endif
