/* From logits to a token id, at a temperature above 0 (at 0 the likeliest is taken:
 * yoco_worker_likeliest): a draw from the distribution softmax(logits / temperature), cut to the
 * top_k most likely ids (0: all) and then to the fewest of them whose probability reaches top_p.
 * The random number is a function of (seed, index of the generated token) alone, so a seed gives
 * the same text on any number of ranks and beside any other branches. Ties go to the lower id. */
#ifndef YOCO_SAMPLER_H
#define YOCO_SAMPLER_H

#include "base.h"

typedef struct yoco_sampling {
    double temperature; /* >= 0; > 0 for the sampler */
    int64_t top_k;      /* >= 0 */
    double top_p;       /* (0, 1] */
    uint64_t seed;
} yoco_sampling;

typedef struct yoco_sampler yoco_sampler; /* the settings and scratch for one vocabulary */

yoco_status yoco_sampler_create(const yoco_sampling *sampling, int vocab_size, yoco_sampler **out);
void yoco_sampler_free(yoco_sampler *sampler);

/* logits: (vocab_size); ids in banned are never taken. YOCO_ERR_DATA, logged, where no finite logit
 * is left. */
yoco_status yoco_sampler_next(yoco_sampler *sampler, const float *logits, const int32_t *banned,
                              int n_banned, int64_t index, int32_t *out);

#endif
