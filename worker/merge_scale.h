/* Scales of the exact merge's 64-bit fixed point. They depend on the model only, so every rank has
 * the same.
 *
 * l, a sum of at most max_seq_len powers <= 1, times 2^l_exponent with l_exponent = 62 - n, n =
 * ceil(log2 max_seq_len), stays below 2^62. Channel j of o is at most l times the largest |v_j|,
 * and |v_j| <= sqrt(dim) ||W_v[j] * gamma_kv||_2 because the norm's output before its weight gamma
 * is at most sqrt(dim) long: o_exponent[j] = 62 - n - e_j with e_j = 1 + ceil(log2 of that bound),
 * where the 1 leaves room for the rounding of W_v, of the norm and of V. */
#ifndef YOCO_MERGE_SCALE_H
#define YOCO_MERGE_SCALE_H

#include "configs/model/checkpoint.h"

int yoco_merge_l_exponent(int64_t max_seq_len);

/* o_exponent: (kv_dim). YOCO_ERR_DATA, logged, where a weight is not finite. */
yoco_status yoco_merge_o_exponents(const yoco_checkpoint *checkpoint, int *o_exponent);

#endif
