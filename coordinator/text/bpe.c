#include "coordinator/text/bpe.h"

#include <string.h>

/* Up to so many tokens a scan over all pairs is faster than a heap. */
enum { SMALL = 64 };

/* Which pairs merge: those of a list, or those whose joined bytes are a token. In the second case
 * a piece starts as its bytes, so that the n-th token starts at its n-th byte. */
typedef struct rule {
    const yoco_merges *merges; /* NULL: the other */
    const yoco_vocab *vocab;
    const uint8_t *piece;
} rule;

/* The rank of the pair of tokens that covers bytes begin to end. */
static uint32_t pair_rank(const rule *r, int32_t left, int32_t right, size_t begin, size_t end)
{
    if (r->merges)
        return yoco_merges_find(r->merges, left, right);
    return (uint32_t)yoco_vocab_find(r->vocab, r->piece + begin, end - begin); /* -1: NO_MERGE */
}

static int32_t merged_id(const rule *r, uint32_t rank)
{
    return r->merges ? yoco_merges_id(r->merges, rank) : (int32_t)rank;
}

static size_t merge_small(const rule *r, int32_t *ids, size_t n)
{
    uint8_t start[SMALL + 1]; /* of each token; after the last one, the end of the piece */
    uint32_t pairs[SMALL];    /* rank of token i joined with token i + 1 */
    for (size_t i = 0; i < n; i++) {
        start[i] = (uint8_t)i;
        pairs[i] = i + 1 < n ? pair_rank(r, ids[i], ids[i + 1], i, i + 2) : YOCO_NO_MERGE;
    }
    start[n] = (uint8_t)n;
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = pairs[i] < pairs[best] ? i : best;
        if (pairs[best] == YOCO_NO_MERGE)
            break;
        ids[best] = merged_id(r, pairs[best]);
        n--;
        memmove(start + best + 1, start + best + 2, n - best);
        memmove(ids + best + 1, ids + best + 2, (n - best - 1) * sizeof *ids);
        memmove(pairs + best, pairs + best + 1, (n - best) * sizeof *pairs);
        if (best + 1 < n)
            pairs[best] = pair_rank(r, ids[best], ids[best + 1], start[best], start[best + 2]);
        if (best > 0)
            pairs[best - 1] =
                pair_rank(r, ids[best - 1], ids[best], start[best - 1], start[best + 1]);
    }
    return n;
}

/* A binary heap of candidates, rank << 32 | position: the smallest is the pair to merge next. A
 * candidate whose pair has changed since is left in and dropped when it comes up. */
typedef struct heap {
    uint64_t *keys;
    size_t n;
} heap;

static void heap_push(heap *h, uint64_t key)
{
    size_t i = h->n++;
    for (; i > 0 && h->keys[(i - 1) / 2] > key; i = (i - 1) / 2)
        h->keys[i] = h->keys[(i - 1) / 2];
    h->keys[i] = key;
}

static uint64_t heap_pop(heap *h)
{
    uint64_t top = h->keys[0], last = h->keys[--h->n];
    size_t i = 0;
    for (size_t child = 1; child < h->n; child = 2 * i + 1) {
        if (child + 1 < h->n && h->keys[child + 1] < h->keys[child])
            child++;
        if (h->keys[child] >= last)
            break;
        h->keys[i] = h->keys[child];
        i = child;
    }
    h->keys[i] = last;
    return top;
}

/* The tokens of a long piece: a list linked by the positions where they start. */
typedef struct chain {
    const rule *rule;
    int32_t *ids;          /* (n), of the tokens where they start */
    uint32_t n;            /* tokens at first */
    uint32_t *next, *prev; /* (n); next of the last token is n */
    uint32_t *pairs;       /* (n), rank of the pair that starts here; NO_MERGE inside a token */
    heap candidates;
} chain;

/* Looks the pair at `at` up again, after one of its tokens has grown. */
static void chain_update(chain *c, uint32_t at)
{
    uint32_t second = c->next[at];
    c->pairs[at] = YOCO_NO_MERGE;
    if (second == c->n)
        return;
    c->pairs[at] = pair_rank(c->rule, c->ids[at], c->ids[second], at, c->next[second]);
    if (c->pairs[at] != YOCO_NO_MERGE)
        heap_push(&c->candidates, (uint64_t)c->pairs[at] << 32 | at);
}

static void chain_merge(chain *c)
{
    while (c->candidates.n > 0) {
        uint64_t key = heap_pop(&c->candidates);
        uint32_t at = (uint32_t)key, rank = (uint32_t)(key >> 32);
        if (c->pairs[at] != rank)
            continue;
        uint32_t absorbed = c->next[at], after = c->next[absorbed];
        c->ids[at] = merged_id(c->rule, rank);
        c->next[at] = after;
        if (after < c->n)
            c->prev[after] = at;
        c->pairs[absorbed] = YOCO_NO_MERGE;
        chain_update(c, at);
        if (at > 0)
            chain_update(c, c->prev[at]);
    }
}

static yoco_status merge_large(const rule *r, int32_t *ids, size_t n, size_t *n_ids)
{
    if (n >= UINT32_MAX) {
        yoco_log_error("a piece of %zu bytes that the split pattern does not cut is too long", n);
        return YOCO_ERR_DATA;
    }
    /* Each of at most n - 1 merges takes one candidate and adds at most two: 2 * n hold. */
    uint64_t *memory;
    YOCO_TRY(yoco_alloc(n * (2 * sizeof *memory + 3 * sizeof(uint32_t)), "byte-pair merging",
                        (void **)&memory));
    uint32_t *links = (uint32_t *)(memory + 2 * n);
    chain c = {.rule = r,
               .ids = ids,
               .n = (uint32_t)n,
               .next = links,
               .prev = links + n,
               .pairs = links + 2 * n,
               .candidates = {.keys = memory}};
    for (uint32_t i = 0; i < c.n; i++) {
        c.next[i] = i + 1;
        c.prev[i] = i - 1;
    }
    for (uint32_t i = 0; i < c.n; i++)
        chain_update(&c, i);
    chain_merge(&c);

    size_t n_left = 0;
    for (uint32_t at = 0; at < c.n; at = c.next[at])
        ids[n_left++] = ids[at];
    yoco_free(memory);
    *n_ids = n_left;
    return YOCO_OK;
}

static yoco_status merge(const rule *r, int32_t *ids, size_t n, size_t *n_ids)
{
    if (n > SMALL)
        return merge_large(r, ids, n, n_ids);
    *n_ids = merge_small(r, ids, n);
    return YOCO_OK;
}

yoco_status yoco_bpe_encode(const yoco_vocab *vocab, const uint8_t *piece, size_t size,
                            int32_t *ranks, size_t *n_ranks)
{
    int32_t whole = yoco_vocab_find(vocab, piece, size);
    if (whole >= 0) {
        ranks[0] = whole;
        *n_ranks = 1;
        return YOCO_OK;
    }
    for (size_t i = 0; i < size; i++)
        ranks[i] = yoco_vocab_byte_rank(vocab, piece[i]);
    return merge(&(rule){.vocab = vocab, .piece = piece}, ranks, size, n_ranks);
}

yoco_status yoco_bpe_merge(const yoco_merges *merges, int32_t *ids, size_t n, size_t *n_ids)
{
    return merge(&(rule){.merges = merges}, ids, n, n_ids);
}
