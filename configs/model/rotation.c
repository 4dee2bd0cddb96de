#include "configs/model/rotation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double two_pi = 6.283185307179586476925286766559;

bool yoco_rotation_equal(const yoco_rotation *a, const yoco_rotation *b)
{
    return a->head_dim == b->head_dim && yoco_rotation_width(a) == yoco_rotation_width(b) &&
           a->n_turned == b->n_turned && a->theta == b->theta && a->halves == b->halves &&
           a->both_ends == b->both_ends && a->scaling == b->scaling && a->factor == b->factor &&
           a->original == b->original && a->slow == b->slow && a->fast == b->fast &&
           a->splits_pairs == b->splits_pairs &&
           yoco_rotation_amplitude(a) == yoco_rotation_amplitude(b);
}

static double clamp(double x)
{
    return fmin(fmax(x, 0), 1);
}

/* The pair, as a real number, that makes `turns` turns over the original length. */
static double pair_of(const yoco_rotation *r, double turns)
{
    return yoco_rotation_pairs(r) * log(r->original / (turns * two_pi)) / log(r->theta);
}

/* How much of frequency i stays as it is: 1 all, 0 nothing. The ends of YaRN's band are kept within
 * the channels, not the pairs, and apart, as in its authors' code. */
static double yarn_share(const yoco_rotation *r, int i)
{
    double first = pair_of(r, r->fast), last = pair_of(r, r->slow);
    if (!r->splits_pairs) {
        first = floor(first);
        last = ceil(last);
    }
    first = fmax(first, 0);
    last = fmin(last, yoco_rotation_width(r) - 1);
    if (first == last)
        last += 0.001;
    return 1 - clamp((i - first) / (last - first));
}

static double llama3_share(const yoco_rotation *r, double frequency)
{
    return clamp((frequency * r->original / two_pi - r->slow) / (r->fast - r->slow));
}

double yoco_rotation_frequency(const yoco_rotation *rotation, int i)
{
    int n = yoco_rotation_pairs(rotation);
    double exponent = rotation->both_ends ? (n == 1 ? 0.0 : (double)i / (n - 1)) : (double)i / n;
    double frequency = pow(rotation->theta, -exponent), share = 1;
    if (rotation->n_turned > 0 && i >= rotation->n_turned)
        return 0;
    switch (rotation->scaling) {
    case YOCO_ROPE_PLAIN:
        return frequency;
    case YOCO_ROPE_LINEAR:
        share = 0;
        break;
    case YOCO_ROPE_LLAMA3:
        share = llama3_share(rotation, frequency);
        break;
    case YOCO_ROPE_YARN:
        share = yarn_share(rotation, i);
        break;
    }
    return share * frequency + (1 - share) * (frequency / rotation->factor);
}

void yoco_rotation_describe(const yoco_rotation *rotation, char *text, size_t size)
{
    static const char *const names[] = {
        [YOCO_ROPE_LINEAR] = "linear", [YOCO_ROPE_LLAMA3] = "llama3", [YOCO_ROPE_YARN] = "yarn"};
    int turned = rotation->n_turned > 0 ? 2 * rotation->n_turned : yoco_rotation_width(rotation);
    char part[48] = "", scaled[48] = "";
    if (turned < rotation->head_dim)
        snprintf(part, sizeof part, ", %d channels of each", turned);
    if (rotation->scaling != YOCO_ROPE_PLAIN)
        snprintf(scaled, sizeof scaled, ", %s %g times", names[rotation->scaling],
                 rotation->factor);
    snprintf(text, size, "theta %g, heads of %d%s%s", rotation->theta, rotation->head_dim, part,
             scaled);
}

void yoco_rotation_identify(const yoco_rotation *r, char *text, size_t size)
{
    snprintf(text, size, "%d %.17g %d %d", r->head_dim, r->theta, (int)r->halves,
             (int)r->both_ends);
    if (yoco_rotation_width(r) != r->head_dim || r->n_turned > 0)
        snprintf(text + strlen(text), size - strlen(text), " of %d %d", yoco_rotation_width(r),
                 r->n_turned);
    if (r->scaling != YOCO_ROPE_PLAIN)
        snprintf(text + strlen(text), size - strlen(text),
                 " scaled %d %.17g %.17g %.17g %.17g %d %.17g", (int)r->scaling, r->factor,
                 r->original, r->slow, r->fast, (int)r->splits_pairs, yoco_rotation_amplitude(r));
}
