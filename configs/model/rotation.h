/* Rotation of the channels of Q and K by their position: RoPE, and what lets a model read more
 * tokens than it was first trained on.
 * Sources: RoPE, Su et al. (arXiv 2104.09864); linear interpolation, Chen et al. (arXiv
 * 2306.15595); YaRN, Peng et al. (arXiv 2309.00071), section 3; the bands of Llama 3.1, and how
 * config files name all these, transformers 5, modeling_rope_utils.py. */
#ifndef YOCO_ROTATION_H
#define YOCO_ROTATION_H

#include "base.h"

/* What becomes of a frequency f that makes t = f * original / 2 pi turns over the length that the
 * model was first trained on. */
typedef enum yoco_rope_scaling {
    YOCO_ROPE_PLAIN,  /* f */
    YOCO_ROPE_LINEAR, /* f / factor */
    YOCO_ROPE_LLAMA3, /* f / factor where t < slow, f where t > fast, between them a blend by t */
    YOCO_ROPE_YARN, /* the same, by the index of the pair between those where t is fast and slow */
} yoco_rope_scaling;

/* Of the first `width` channels of a head, pair i turns by position * frequency i: channels 2i and
 * 2i+1, or i and i + width / 2. All others stay. Frequency i of n = width / 2 is theta^-(i/n), or,
 * both ends included, theta^-(i/(n-1)), then scaled; 0 from pair n_turned on. */
typedef struct yoco_rotation {
    int head_dim;
    int width;    /* even; 0: head_dim */
    int n_turned; /* 0: all */
    double theta;
    bool halves, both_ends;
    yoco_rope_scaling scaling;
    double factor, original, slow, fast;
    bool splits_pairs; /* YARN: the band need not begin and end at a pair */
    double amplitude;  /* what cos and sin are multiplied by; 0: 1 */
} yoco_rotation;

static inline int yoco_rotation_width(const yoco_rotation *r)
{
    return r->width > 0 ? r->width : r->head_dim;
}
static inline int yoco_rotation_pairs(const yoco_rotation *r)
{
    return yoco_rotation_width(r) / 2;
}
static inline double yoco_rotation_amplitude(const yoco_rotation *r)
{
    return r->amplitude > 0 ? r->amplitude : 1;
}
bool yoco_rotation_equal(const yoco_rotation *a, const yoco_rotation *b);
/* Frequency i, radians for each position. */
double yoco_rotation_frequency(const yoco_rotation *rotation, int i);
/* "theta 10000, heads of 64, yarn 4 times"; always terminated. */
void yoco_rotation_describe(const yoco_rotation *rotation, char *text, size_t size);
/* For hashes: each field that is not left out, in a text that is the same for equal rotations. */
void yoco_rotation_identify(const yoco_rotation *rotation, char *text, size_t size);

#endif
