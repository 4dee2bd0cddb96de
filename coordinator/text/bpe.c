#include "coordinator/text/bpe.h"

#include <string.h>

/* Up to this size a scan over all pairs is faster than a heap. */
enum { SMALL_BYTES = 64 };

#define NO_PAIR UINT32_MAX /* above every rank */

static uint32_t pair_rank(const yoco_vocab *vocab, const uint8_t *begin, size_t size)
{
    return (uint32_t)yoco_vocab_find(vocab, begin, size); /* -1 becomes NO_PAIR */
}

static size_t merge_small(const yoco_vocab *vocab, const uint8_t *piece, size_t size,
                          int32_t *ranks)
{
    uint8_t start[SMALL_BYTES + 1]; /* of each token; after the last one, the end of the piece */
    uint32_t pairs[SMALL_BYTES];    /* rank of token i joined with token i + 1 */
    size_t n = size;
    for (size_t i = 0; i < n; i++) {
        start[i] = (uint8_t)i;
        ranks[i] = yoco_vocab_byte_rank(vocab, piece[i]);
        pairs[i] = i + 1 < n ? pair_rank(vocab, piece + i, 2) : NO_PAIR;
    }
    start[n] = (uint8_t)n;
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = pairs[i] < pairs[best] ? i : best;
        if (pairs[best] == NO_PAIR)
            break;
        ranks[best] = (int32_t)pairs[best];
        n--;
        memmove(start + best + 1, start + best + 2, n - best);
        memmove(ranks + best + 1, ranks + best + 2, (n - best - 1) * sizeof *ranks);
        memmove(pairs + best, pairs + best + 1, (n - best) * sizeof *pairs);
        if (best + 1 < n)
            pairs[best] = pair_rank(vocab, piece + start[best], start[best + 2] - start[best]);
        if (best > 0)
            pairs[best - 1] =
                pair_rank(vocab, piece + start[best - 1], start[best + 1] - start[best - 1]);
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
    const yoco_vocab *vocab;
    const uint8_t *piece;
    uint32_t size;
    uint32_t *next, *prev; /* (size); next of the last token is size */
    uint32_t *pairs;       /* (size), rank of the pair that starts here; NO_PAIR inside a token */
    heap candidates;
} chain;

/* Looks the pair at `at` up again, after one of its tokens has grown. */
static void chain_update(chain *c, uint32_t at)
{
    uint32_t second = c->next[at];
    c->pairs[at] = NO_PAIR;
    if (second == c->size)
        return;
    c->pairs[at] = pair_rank(c->vocab, c->piece + at, c->next[second] - at);
    if (c->pairs[at] != NO_PAIR)
        heap_push(&c->candidates, (uint64_t)c->pairs[at] << 32 | at);
}

static void chain_merge(chain *c, int32_t *ranks)
{
    while (c->candidates.n > 0) {
        uint64_t key = heap_pop(&c->candidates);
        uint32_t at = (uint32_t)key, rank = (uint32_t)(key >> 32);
        if (c->pairs[at] != rank)
            continue;
        uint32_t absorbed = c->next[at], after = c->next[absorbed];
        ranks[at] = (int32_t)rank;
        c->next[at] = after;
        if (after < c->size)
            c->prev[after] = at;
        c->pairs[absorbed] = NO_PAIR;
        chain_update(c, at);
        if (at > 0)
            chain_update(c, c->prev[at]);
    }
}

static yoco_status merge_large(const yoco_vocab *vocab, const uint8_t *piece, size_t size,
                               int32_t *ranks, size_t *n_ranks)
{
    if (size >= UINT32_MAX) {
        yoco_log_error("a piece of %zu bytes that the split pattern does not cut is too long",
                       size);
        return YOCO_ERR_DATA;
    }
    /* Each of at most size - 1 merges takes one candidate and adds at most two: 2 * size hold. */
    uint64_t *memory;
    YOCO_TRY(yoco_alloc(size * (2 * sizeof *memory + 3 * sizeof(uint32_t)), "byte-pair merging",
                        (void **)&memory));
    uint32_t *links = (uint32_t *)(memory + 2 * size);
    chain c = {.vocab = vocab,
               .piece = piece,
               .size = (uint32_t)size,
               .next = links,
               .prev = links + size,
               .pairs = links + 2 * size,
               .candidates = {.keys = memory}};
    for (uint32_t i = 0; i < c.size; i++) {
        c.next[i] = i + 1;
        c.prev[i] = i - 1;
        ranks[i] = yoco_vocab_byte_rank(vocab, piece[i]);
    }
    for (uint32_t i = 0; i < c.size; i++)
        chain_update(&c, i);
    chain_merge(&c, ranks);

    size_t n = 0;
    for (uint32_t at = 0; at < c.size; at = c.next[at])
        ranks[n++] = ranks[at];
    yoco_free(memory);
    *n_ranks = n;
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
    if (size > SMALL_BYTES)
        return merge_large(vocab, piece, size, ranks, n_ranks);
    *n_ranks = merge_small(vocab, piece, size, ranks);
    return YOCO_OK;
}
