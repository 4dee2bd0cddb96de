#include "coordinator/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "coordinator/random.h"

typedef struct candidate {
    float logit;
    int32_t id;
} candidate;

struct yoco_sampler {
    yoco_sampling sampling;
    int vocab_size;
    candidate *candidates; /* (vocab_size) */
};

yoco_status yoco_sampler_create(const yoco_sampling *sampling, int vocab_size, yoco_sampler **out)
{
    yoco_sampler *s = malloc(sizeof *s);
    candidate *candidates = calloc((size_t)vocab_size, sizeof *candidates);
    if (!s || !candidates) {
        yoco_log_error("cannot allocate the sampler for %d ids", vocab_size);
        free(s);
        free(candidates);
        return YOCO_ERR_MEMORY;
    }
    *s = (yoco_sampler){.sampling = *sampling, .vocab_size = vocab_size, .candidates = candidates};
    *out = s;
    return YOCO_OK;
}

void yoco_sampler_free(yoco_sampler *sampler)
{
    if (!sampler)
        return;
    free(sampler->candidates);
    free(sampler);
}

static bool is_banned(int32_t id, const int32_t *banned, int n_banned)
{
    for (int i = 0; i < n_banned; i++)
        if (banned[i] == id)
            return true;
    return false;
}

static int more_likely(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Candidates are sorted; weights are exp((logit - best) / temperature). */
static int32_t draw(const yoco_sampler *s, int n, int64_t index)
{
    const candidate *c = s->candidates;
    double temperature = s->sampling.temperature, total = 0.0, kept = 0.0;
    if (s->sampling.top_k > 0 && s->sampling.top_k < n)
        n = (int)s->sampling.top_k;
    for (int i = 0; i < n; i++)
        total += exp(((double)c[i].logit - c[0].logit) / temperature);
    int n_kept = 0;
    while (n_kept < n && (n_kept == 0 || kept < s->sampling.top_p * total))
        kept += exp(((double)c[n_kept++].logit - c[0].logit) / temperature);
    double left = yoco_random_unit(yoco_random_at(s->sampling.seed, (uint64_t)index)) * kept;
    for (int i = 0; i < n_kept; i++) {
        left -= exp(((double)c[i].logit - c[0].logit) / temperature);
        if (left < 0.0)
            return c[i].id;
    }
    return c[n_kept - 1].id;
}

yoco_status yoco_sampler_next(yoco_sampler *s, const float *logits, const int32_t *banned,
                              int n_banned, int64_t index, int32_t *out)
{
    int n = 0;
    for (int32_t id = 0; id < s->vocab_size; id++) {
        if (!isfinite(logits[id])) {
            yoco_log_error("the logit of id %d is not finite: are the weights damaged?", id);
            return YOCO_ERR_DATA;
        }
        if (!is_banned(id, banned, n_banned))
            s->candidates[n++] = (candidate){logits[id], id};
    }
    if (n == 0) {
        yoco_log_error("every id of the vocabulary is banned");
        return YOCO_ERR_DATA;
    }
    qsort(s->candidates, (size_t)n, sizeof *s->candidates, more_likely);
    *out = draw(s, n, index);
    return YOCO_OK;
}
