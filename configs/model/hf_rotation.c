/* The rotation of a Hugging Face config; fields and defaults as transformers 5 reads them
 * (modeling_rope_utils.py). */
#include "configs/model/hf_config.h"

#include <math.h>
#include <stdio.h>

static const double max_factor = 1e6;

/* Newer files say `rope_type`, older ones `type`; where both are there, the first counts. */
static yoco_status type_read(const yoco_fields *rope, yoco_rotation *r)
{
    static const char *const words[] = {"default", "linear", "llama3", "yarn"};
    static const yoco_rope_scaling scalings[] = {YOCO_ROPE_PLAIN, YOCO_ROPE_LINEAR,
                                                 YOCO_ROPE_LLAMA3, YOCO_ROPE_YARN};
    const int n = sizeof words / sizeof *words;
    int which = -1;
    YOCO_TRY(yoco_field_word_if(rope, "type", words, n, &which));
    YOCO_TRY(yoco_field_word_if(rope, "rope_type", words, n, &which));
    if (which < 0) { /* without a type a factor would scale all the same */
        double factor = 1;
        YOCO_TRY(yoco_field_real_if(rope, "factor", 1, 1, &factor));
        which = 0;
    }
    r->scaling = scalings[which];
    return YOCO_OK;
}

/* It stands beside the others, or outside, which counts more; else it is the length that the model
 * takes. */
static yoco_status original_read(const yoco_fields *f, const yoco_fields *rope, yoco_rotation *r)
{
    static const char field[] = "original_max_position_embeddings";
    const double max = (double)YOCO_MAX_SEQ_LEN;
    YOCO_TRY(yoco_field_real_if(f, "max_position_embeddings", 1, max, &r->original));
    YOCO_TRY(yoco_field_real_if(rope, field, 1, max, &r->original));
    YOCO_TRY(yoco_field_real_if(f, field, 1, max, &r->original));
    return r->original > 0 ? YOCO_OK : yoco_field_real(rope, field, 1, max, &r->original);
}

static yoco_status band_read(const yoco_fields *rope, const char *slow, const char *fast,
                             yoco_rotation *r)
{
    YOCO_TRY(yoco_field_real_if(rope, slow, 1e-3, 1e6, &r->slow));
    YOCO_TRY(yoco_field_real_if(rope, fast, 1e-3, 1e6, &r->fast));
    if (r->slow > 0 && r->fast > r->slow)
        return YOCO_OK;
    yoco_log_error("%s: %s%s %g is not above %s %g", rope->file, rope->prefix, fast, r->fast, slow,
                   r->slow);
    return YOCO_ERR_DATA;
}

static double yarn_amplitude(double factor, double scale)
{
    return factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1;
}

/* YaRN's paper: 0.1 ln(factor) + 1 on Q and K. */
static yoco_status amplitude_read(const yoco_fields *rope, yoco_rotation *r)
{
    double scale = 0, of_all = 0;
    YOCO_TRY(yoco_field_real_if(rope, "mscale", 0, 1e3, &scale));
    YOCO_TRY(yoco_field_real_if(rope, "mscale_all_dim", 0, 1e3, &of_all));
    r->amplitude = scale > 0 && of_all > 0
                       ? yarn_amplitude(r->factor, scale) / yarn_amplitude(r->factor, of_all)
                       : yarn_amplitude(r->factor, 1);
    return yoco_field_real_if(rope, "attention_factor", 1e-3, 1e3, &r->amplitude);
}

static yoco_status yarn_read(const yoco_fields *rope, yoco_rotation *r)
{
    bool truncate = true;
    r->slow = 1;
    r->fast = 32;
    YOCO_TRY(band_read(rope, "beta_slow", "beta_fast", r));
    YOCO_TRY(yoco_field_bool_if(rope, "truncate", &truncate));
    r->splits_pairs = !truncate;
    if (r->theta <= 1) {
        yoco_log_error("%s: rope_theta %g is too small for yarn; give one above 1", rope->file,
                       r->theta);
        return YOCO_ERR_DATA;
    }
    return amplitude_read(rope, r);
}

/* Channels of a head that turn; a pair is whole. The parameters count more than what stands
 * outside.
 */
static yoco_status part_read(const yoco_fields *f, const yoco_fields *rope, yoco_rotation *r)
{
    double factor = r->width > 0 ? (double)r->width / r->head_dim : 1;
    YOCO_TRY(yoco_field_real_if(f, "partial_rotary_factor", 0, 1, &factor));
    YOCO_TRY(yoco_field_real_if(rope, "partial_rotary_factor", 0, 1, &factor));
    int width = (int)(r->head_dim * factor);
    if (width < 2 || width % 2 != 0) {
        yoco_log_error("%s: %spartial_rotary_factor %g of heads of %d leaves no whole pairs",
                       f->file, f->prefix, factor, r->head_dim);
        return YOCO_ERR_DATA;
    }
    r->width = width;
    return YOCO_OK;
}

yoco_status yoco_hf_rotation_of(const yoco_fields *f, const yoco_fields *rope, yoco_rotation *out)
{
    yoco_rotation r = *out;
    YOCO_TRY(yoco_field_real_if(f, "rope_theta", YOCO_MIN_THETA, YOCO_MAX_THETA, &r.theta));
    YOCO_TRY(yoco_field_real_if(rope, "rope_theta", YOCO_MIN_THETA, YOCO_MAX_THETA, &r.theta));
    YOCO_TRY(part_read(f, rope, &r));
    YOCO_TRY(type_read(rope, &r));
    if (r.scaling != YOCO_ROPE_PLAIN)
        YOCO_TRY(yoco_field_real(rope, "factor", 1, max_factor, &r.factor));
    if (r.scaling == YOCO_ROPE_LLAMA3 || r.scaling == YOCO_ROPE_YARN)
        YOCO_TRY(original_read(f, rope, &r));
    if (r.scaling == YOCO_ROPE_LLAMA3)
        YOCO_TRY(band_read(rope, "low_freq_factor", "high_freq_factor", &r));
    if (r.scaling == YOCO_ROPE_YARN)
        YOCO_TRY(yarn_read(rope, &r));
    *out = r;
    return YOCO_OK;
}

/* rope_scaling, unless it is empty, counts alone. */
yoco_status yoco_hf_rotation(const yoco_fields *f, yoco_rotation *rotation)
{
    char prefix[64];
    yoco_fields rope;
    snprintf(prefix, sizeof prefix, "%srope_scaling.", f->prefix);
    YOCO_TRY(yoco_field_object(f, "rope_scaling", prefix, &rope));
    if (json_object_size(rope.object) == 0) {
        snprintf(prefix, sizeof prefix, "%srope_parameters.", f->prefix);
        YOCO_TRY(yoco_field_object(f, "rope_parameters", prefix, &rope));
    }
    return yoco_hf_rotation_of(f, &rope, rotation);
}
