#include "coordinator/batch/packing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A job is long from so many chunks per rank on: the ring's start and end then cost little. */
enum { LONG_CHUNKS_PER_RANK = 2 };

enum { TAKEN = -1 }; /* for the job of an item */

typedef struct item {
    int64_t job, tokens;
} item;

static int64_t tokens_of(const yoco_batch_size *size)
{
    return size->n_context + size->n_own;
}

static int longer_first(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->tokens != y->tokens)
        return x->tokens > y->tokens ? -1 : 1;
    return (x->job > y->job) - (x->job < y->job);
}

/* One job alone on a rank would leave the others idle for all its chunks. */
static bool is_together(const yoco_batch_size *size, int64_t chunk_rows, int n_ranks, bool few)
{
    int64_t n_chunks = yoco_div_up(size->n_context, chunk_rows);
    return n_ranks == 1 || n_chunks >= (int64_t)LONG_CHUNKS_PER_RANK * n_ranks ||
           (few && n_chunks >= 2);
}

static int64_t count_short(const yoco_batch_size *sizes, int64_t n_jobs, int64_t chunk_rows,
                           int n_ranks)
{
    int64_t n = 0;
    for (int64_t i = 0; i < n_jobs; i++)
        n += !is_together(&sizes[i], chunk_rows, n_ranks, false);
    return n;
}

static int least_loaded(const int64_t *loads, int n_ranks)
{
    int best = 0;
    for (int rank = 1; rank < n_ranks; rank++)
        if (loads[rank] < loads[best])
            best = rank;
    return best;
}

/* Fills one round's bins up to the longest job that is left, or a chunk if that is more. What does
 * not fit stays, in order, at the end of items. Returns where that begins. */
static int64_t fill_round(yoco_batch_packing *packing, item *items, int64_t n, int64_t chunk_rows,
                          int64_t *loads)
{
    int64_t limit = yoco_i64_max(items[0].tokens, chunk_rows), n_seen = 0, n_taken = 0;
    for (int rank = 0; rank < packing->n_ranks; rank++)
        loads[rank] = 0;
    for (; n_seen < n; n_seen++) {
        int rank = least_loaded(loads, packing->n_ranks);
        if (loads[rank] > limit - items[n - 1].tokens) /* not even the shortest */
            break;
        if (loads[rank] > limit - items[n_seen].tokens)
            continue;
        loads[rank] += items[n_seen].tokens;
        packing->packed[packing->n_packed++] =
            (yoco_batch_slot){items[n_seen].job, packing->n_rounds, rank};
        items[n_seen].job = TAKEN;
        n_taken++;
    }
    for (int64_t from = n_seen, to = n_seen; from > 0; from--)
        if (items[from - 1].job != TAKEN)
            items[--to] = items[from - 1];
    return n_taken;
}

/* Working memory of the packing: (n_ranks + 1), and a slot for each job. */
typedef struct scratch {
    int64_t *loads, *begins;
    yoco_batch_slot *slots;
} scratch;

static void free_scratch(scratch *s)
{
    free(s->loads);
    free(s->begins);
    free(s->slots);
}

/* Orders slots by rank; slots of one rank keep their order, longest first. */
static void sort_round(yoco_batch_slot *slots, int64_t n, int n_ranks, const scratch *s)
{
    for (int rank = 0; rank <= n_ranks; rank++)
        s->begins[rank] = 0;
    for (int64_t i = 0; i < n; i++)
        s->begins[slots[i].rank + 1]++;
    for (int rank = 0; rank < n_ranks; rank++)
        s->begins[rank + 1] += s->begins[rank];
    for (int64_t i = 0; i < n; i++)
        s->slots[s->begins[slots[i].rank]++] = slots[i];
    memcpy(slots, s->slots, (size_t)n * sizeof *slots);
}

static void pack_jobs(yoco_batch_packing *packing, item *items, int64_t n, int64_t chunk_rows,
                      const scratch *s)
{
    double time = 0.0;
    qsort(items, (size_t)n, sizeof *items, longer_first);
    for (int64_t i = 0; i < n; i++)
        packing->tokens_packed += items[i].tokens;
    for (int64_t begin = 0; begin < n; packing->n_rounds++) {
        int64_t first = packing->n_packed, longest = 0;
        begin += fill_round(packing, items + begin, n - begin, chunk_rows, s->loads);
        sort_round(packing->packed + first, packing->n_packed - first, packing->n_ranks, s);
        for (int rank = 0; rank < packing->n_ranks; rank++)
            longest = yoco_i64_max(longest, s->loads[rank]);
        time += (double)longest;
    }
    packing->busy = time > 0.0 ? (double)packing->tokens_packed / (time * packing->n_ranks) : 1.0;
}

yoco_status yoco_batch_packing_make(const yoco_batch_size *sizes, int64_t n_jobs,
                                    int64_t chunk_rows, int n_ranks, bool pack,
                                    yoco_batch_packing *out)
{
    size_t n = (size_t)n_jobs + 1;
    yoco_batch_packing packing = {.n_ranks = n_ranks,
                                  .together = calloc(n, sizeof *packing.together),
                                  .packed = calloc(n, sizeof *packing.packed)};
    item *items = calloc(n, sizeof *items);
    scratch s = {.loads = calloc((size_t)n_ranks, sizeof *s.loads),
                 .begins = calloc((size_t)n_ranks + 1, sizeof *s.begins),
                 .slots = calloc(n, sizeof *s.slots)};
    if (!packing.together || !packing.packed || !items || !s.loads || !s.begins || !s.slots) {
        yoco_log_error("cannot allocate the packing of %lld jobs", (long long)n_jobs);
        free(items);
        free_scratch(&s);
        yoco_batch_packing_free(&packing);
        return YOCO_ERR_MEMORY;
    }
    bool few = count_short(sizes, n_jobs, chunk_rows, n_ranks) < n_ranks;
    int64_t n_short = 0;
    for (int64_t i = 0; i < n_jobs; i++) {
        if (!pack || is_together(&sizes[i], chunk_rows, n_ranks, few)) {
            packing.together[packing.n_together++] = i;
            packing.tokens_together += tokens_of(&sizes[i]);
        } else {
            items[n_short++] = (item){i, tokens_of(&sizes[i])};
        }
    }
    pack_jobs(&packing, items, n_short, chunk_rows, &s);
    free(items);
    free_scratch(&s);
    *out = packing;
    return YOCO_OK;
}

void yoco_batch_packing_free(yoco_batch_packing *packing)
{
    free(packing->together);
    free(packing->packed);
    *packing = (yoco_batch_packing){0};
}

void yoco_batch_packing_print(const yoco_batch_packing *packing, char *text, size_t size)
{
    int n = snprintf(text, size, "packing: %lld jobs of %lld tokens, each on all %d ranks",
                     (long long)packing->n_together, (long long)packing->tokens_together,
                     packing->n_ranks);
    if (packing->n_packed > 0 && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n,
                 "; %lld short jobs of %lld tokens in %lld rounds, each on one rank, ranks busy "
                 "%.0f %%",
                 (long long)packing->n_packed, (long long)packing->tokens_packed,
                 (long long)packing->n_rounds, 100.0 * packing->busy);
}
