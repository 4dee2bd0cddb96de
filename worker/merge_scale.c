#include "worker/merge_scale.h"

#include <math.h>

/* Bounds below 2^-64 gain nothing: 62 + 64 bits past the point are finer than f32 partials of such
 * a channel ever need. */
enum { MIN_BOUND_LOG2 = -64 };

static int ceil_log2(int64_t n)
{
    int log2 = 0;
    while ((INT64_C(1) << log2) < n)
        log2++;
    return log2;
}

int yoco_merge_l_exponent(int64_t max_seq_len)
{
    return 62 - ceil_log2(max_seq_len);
}

int yoco_merge_o_exponent(int64_t max_seq_len, double bound)
{
    int e = MIN_BOUND_LOG2;
    if (bound > ldexp(1.0, MIN_BOUND_LOG2)) {
        double fraction = frexp(bound, &e); /* bound = fraction 2^e, fraction in [1/2, 1) */
        e -= fraction == 0.5;
    }
    return yoco_merge_l_exponent(max_seq_len) - (1 + e);
}
