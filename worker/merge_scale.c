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

static double element(const yoco_tensor *t, int64_t index)
{
    switch (t->dtype) {
    case YOCO_BF16:
        return yoco_bf16_to_f32(((const uint16_t *)t->data)[index]);
    case YOCO_F16:
        return yoco_f16_to_f32(((const uint16_t *)t->data)[index]);
    default:
        return ((const float *)t->data)[index];
    }
}

yoco_status yoco_merge_o_exponents(const yoco_checkpoint *checkpoint, int *o_exponent)
{
    const yoco_model_config *c = &checkpoint->config;
    int l_exponent = yoco_merge_l_exponent(c->max_seq_len);
    for (int64_t j = 0; j < yoco_config_kv_dim(c); j++) {
        double square = 0.0;
        for (int64_t i = 0; i < c->dim; i++) {
            double w =
                element(checkpoint->v_proj, j * c->dim + i) * element(checkpoint->kv_norm, i);
            square += w * w;
        }
        if (!isfinite(square)) {
            yoco_log_error("%s row %lld or %s holds a value that is not finite: the checkpoint is "
                           "damaged",
                           checkpoint->v_proj->name, (long long)j, checkpoint->kv_norm->name);
            return YOCO_ERR_DATA;
        }
        double bound = sqrt((double)c->dim * square);
        int e = MIN_BOUND_LOG2;
        if (bound > ldexp(1.0, MIN_BOUND_LOG2)) {
            double fraction = frexp(bound, &e); /* bound = fraction 2^e, fraction in [1/2, 1) */
            e -= fraction == 0.5;
        }
        o_exponent[j] = l_exponent - (1 + e);
    }
    return YOCO_OK;
}
