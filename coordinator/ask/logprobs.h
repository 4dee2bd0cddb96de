/* Log-probabilities of ids: the logarithm of softmax(logits), before any temperature or cut. */
#ifndef YOCO_LOGPROBS_H
#define YOCO_LOGPROBS_H

#include "base.h"

typedef struct yoco_logprob {
    int32_t id; /* -1: none, where the vocabulary is smaller than n_top */
    float logprob;
} yoco_logprob;

/* out: (1 + n_top): `id` itself, then the n_top likeliest ids, ties to the lower id. logits:
 * (vocab_size), all finite. */
void yoco_logprobs_of(const float *logits, int vocab_size, int32_t id, int n_top,
                      yoco_logprob *out);

#endif
