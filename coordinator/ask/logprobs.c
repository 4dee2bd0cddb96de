#include "coordinator/ask/logprobs.h"

#include <math.h>

/* Keeps top sorted; a later id stands behind its equals. */
static void insert(yoco_logprob *top, int n_top, yoco_logprob candidate)
{
    int at = n_top - 1;
    if (top[at].id >= 0 && top[at].logprob >= candidate.logprob)
        return;
    for (; at > 0 && (top[at - 1].id < 0 || top[at - 1].logprob < candidate.logprob); at--)
        top[at] = top[at - 1];
    top[at] = candidate;
}

void yoco_logprobs_of(const float *logits, int vocab_size, int32_t id, int n_top, yoco_logprob *out)
{
    float best = logits[0];
    double sum = 0.0;
    for (int i = 1; i < vocab_size; i++)
        best = fmaxf(best, logits[i]);
    for (int i = 0; i < vocab_size; i++)
        sum += exp((double)logits[i] - best);
    double log_sum = best + log(sum);
    for (int i = 1; i <= n_top; i++)
        out[i] = (yoco_logprob){-1, 0.0f};
    for (int i = 0; n_top > 0 && i < vocab_size; i++)
        insert(out + 1, n_top, (yoco_logprob){i, logits[i]}); /* a logit, until all are chosen */
    for (int i = 1; i <= n_top && out[i].id >= 0; i++)
        out[i].logprob = (float)(out[i].logprob - log_sum);
    out[0] = (yoco_logprob){id, (float)(logits[id] - log_sum)};
}
