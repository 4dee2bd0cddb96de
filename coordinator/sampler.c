#include "coordinator/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "coordinator/random.h"

typedef struct candidate {
    float logit;
    int32_t id;
} candidate;

/* Few of the candidates are looked at in their order, so they are not sorted: the unranked lie in a
 * heap, and behind it the ranked, the likeliest last. */
struct yoco_sampler {
    yoco_sampling sampling;
    int vocab_size;
    candidate *candidates; /* (vocab_size) */
    int n, n_unranked;
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

static bool more_likely(candidate a, candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

/* The heap's element i goes down until no child is more likely. */
static void sift_down(candidate *heap, int n, int i)
{
    candidate moved = heap[i];
    for (int child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && more_likely(heap[child + 1], heap[child]))
            child++;
        if (!more_likely(heap[child], moved))
            break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

/* The i-th likeliest, from 0. */
static candidate ranked(yoco_sampler *s, int i)
{
    candidate *c = s->candidates;
    while (s->n_unranked > s->n - 1 - i) {
        candidate likeliest = c[0];
        c[0] = c[--s->n_unranked];
        sift_down(c, s->n_unranked, 0);
        c[s->n_unranked] = likeliest;
    }
    return c[s->n - 1 - i];
}

static double weight(const yoco_sampler *s, float logit, float most)
{
    return exp(((double)logit - most) / s->sampling.temperature);
}

/* Of the n likeliest. */
static double total_weight(yoco_sampler *s, int n, float most)
{
    double total = 0.0;
    for (int i = 0; i < n; i++)
        total += weight(s, n < s->n ? ranked(s, i).logit : s->candidates[i].logit, most);
    return total;
}

static int32_t draw(yoco_sampler *s, int64_t index)
{
    int n = s->n, n_kept = 0;
    if (s->sampling.top_k > 0 && s->sampling.top_k < n)
        n = (int)s->sampling.top_k;
    float most = ranked(s, 0).logit;
    double total = total_weight(s, n, most), kept = 0.0;
    if (s->sampling.top_p < 1.0) {
        while (n_kept < n && (n_kept == 0 || kept < s->sampling.top_p * total))
            kept += weight(s, ranked(s, n_kept++).logit, most);
    } else {
        n_kept = n;
        kept = total;
    }
    double left = yoco_random_unit(yoco_random_at(s->sampling.seed, (uint64_t)index)) * kept;
    for (int i = 0; i < n_kept; i++) {
        left -= weight(s, ranked(s, i).logit, most);
        if (left < 0.0)
            return ranked(s, i).id;
    }
    return ranked(s, n_kept - 1).id;
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
    s->n = s->n_unranked = n;
    for (int i = n / 2 - 1; i >= 0; i--)
        sift_down(s->candidates, n, i);
    *out = draw(s, index);
    return YOCO_OK;
}
