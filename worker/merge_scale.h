/* Scales of the exact merge's 64-bit fixed point. They depend on the model only, so every rank has
 * the same.
 *
 * l, a sum of at most max_seq_len powers <= 1, times 2^l_exponent with l_exponent = 62 - n, n =
 * ceil(log2 max_seq_len), stays below 2^62. Channel j of o is at most l times the largest |v_j|:
 * with a bound on it, o_exponent[j] = 62 - n - e_j and e_j = 1 + ceil(log2 of that bound), where
 * the 1 leaves room for the rounding of W_v, of the norm and of V. */
#ifndef YOCO_MERGE_SCALE_H
#define YOCO_MERGE_SCALE_H

#include "base.h"

int yoco_merge_l_exponent(int64_t max_seq_len);
/* bound: of |v_j|, >= 0 and finite. */
int yoco_merge_o_exponent(int64_t max_seq_len, double bound);

#endif
