/* The argmax op on one row of host memory; see ops_choose.h. */
#ifndef YOCO_ARGMAX_H
#define YOCO_ARGMAX_H

#include <math.h>

#include "kernels/ops_choose.h"

static inline bool yoco_is_banned(const int32_t *banned, int n_banned, int32_t index)
{
    for (int i = 0; i < n_banned; i++)
        if (banned[i] == index)
            return true;
    return false;
}

static inline int32_t yoco_argmax_row(const yoco_argmax_args *args, int64_t row)
{
    const float *x = args->x + row * args->n;
    float most = -INFINITY;
    int32_t best = YOCO_ARGMAX_NONE;
    for (int32_t i = 0; i < args->n; i++) {
        if (!isfinite(x[i]))
            return YOCO_ARGMAX_NOT_FINITE;
        if (x[i] > most && !yoco_is_banned(args->banned, args->n_banned, i)) {
            most = x[i];
            best = i;
        }
    }
    return best;
}

#endif
