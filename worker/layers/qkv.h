/* Q, K and V of a layer's rows, for prefill and step alike: the products in one call, and one that
 * turns and rounds. */
#ifndef YOCO_QKV_H
#define YOCO_QKV_H

#include "worker/pass.h"

/* NORM -> q (n_rows, n_heads, k_dim), rotated; it stands in WIDE_A. */
float *yoco_make_q(yoco_pass *p);
/* NORM -> k (n_rows, n_kv_heads, k_dim), rotated, and v (n_rows, n_kv_heads, v_dim), in the run's
 * dtype. */
void yoco_make_kv(yoco_pass *p, void *k, void *v);
/* Both. */
float *yoco_make_qkv(yoco_pass *p, void *k, void *v);

#endif
