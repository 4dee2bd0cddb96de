#include "coordinator/batch_plan.h"

#include <stdio.h>
#include <stdlib.h>

/* A job is long from so many chunks per rank on: the ring's start and end then cost little. */
enum { LONG_CHUNKS_PER_RANK = 2 };

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

/* Fills one round's bins up to the longest job that is left, or a chunk if that is more; what does
 * not fit stays in items, in order. Returns how many stay. */
static int64_t fill_round(yoco_batch_plan *plan, item *items, int64_t n, int64_t chunk_rows,
                          int64_t *loads)
{
    int64_t limit = yoco_i64_max(items[0].tokens, chunk_rows), n_left = 0;
    for (int rank = 0; rank < plan->n_ranks; rank++)
        loads[rank] = 0;
    for (int64_t i = 0; i < n; i++) {
        int rank = least_loaded(loads, plan->n_ranks);
        if (loads[rank] > limit - items[i].tokens) {
            items[n_left++] = items[i];
            continue;
        }
        loads[rank] += items[i].tokens;
        plan->packed[plan->n_packed++] = (yoco_batch_slot){items[i].job, plan->n_rounds, rank};
    }
    return n_left;
}

static int by_round_and_rank(const void *a, const void *b)
{
    const yoco_batch_slot *x = a, *y = b;
    if (x->round != y->round)
        return x->round < y->round ? -1 : 1;
    return x->rank - y->rank;
}

/* Slots of one rank keep their order, longest first. */
static void sort_round(yoco_batch_slot *slots, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        yoco_batch_slot slot = slots[i];
        int64_t at = i;
        for (; at > 0 && by_round_and_rank(&slots[at - 1], &slot) > 0; at--)
            slots[at] = slots[at - 1];
        slots[at] = slot;
    }
}

static void pack(yoco_batch_plan *plan, item *items, int64_t n, int64_t chunk_rows, int64_t *loads)
{
    double time = 0.0;
    qsort(items, (size_t)n, sizeof *items, longer_first);
    for (int64_t i = 0; i < n; i++)
        plan->tokens_packed += items[i].tokens;
    for (; n > 0; plan->n_rounds++) {
        int64_t first = plan->n_packed, longest = 0;
        n = fill_round(plan, items, n, chunk_rows, loads);
        sort_round(plan->packed + first, plan->n_packed - first);
        for (int rank = 0; rank < plan->n_ranks; rank++)
            longest = yoco_i64_max(longest, loads[rank]);
        time += (double)longest;
    }
    plan->busy = time > 0.0 ? (double)plan->tokens_packed / (time * plan->n_ranks) : 1.0;
}

yoco_status yoco_batch_plan_make(const yoco_batch_size *sizes, int64_t n_jobs, int64_t chunk_rows,
                                 int n_ranks, yoco_batch_plan *out)
{
    size_t n = (size_t)n_jobs + 1;
    yoco_batch_plan plan = {.n_ranks = n_ranks,
                            .together = calloc(n, sizeof *plan.together),
                            .packed = calloc(n, sizeof *plan.packed)};
    item *items = calloc(n, sizeof *items);
    int64_t *loads = calloc((size_t)n_ranks, sizeof *loads);
    if (!plan.together || !plan.packed || !items || !loads) {
        yoco_log_error("cannot allocate the plan of %lld jobs", (long long)n_jobs);
        free(items);
        free(loads);
        yoco_batch_plan_free(&plan);
        return YOCO_ERR_MEMORY;
    }
    bool few = count_short(sizes, n_jobs, chunk_rows, n_ranks) < n_ranks;
    int64_t n_short = 0;
    for (int64_t i = 0; i < n_jobs; i++) {
        if (is_together(&sizes[i], chunk_rows, n_ranks, few)) {
            plan.together[plan.n_together++] = i;
            plan.tokens_together += tokens_of(&sizes[i]);
        } else {
            items[n_short++] = (item){i, tokens_of(&sizes[i])};
        }
    }
    pack(&plan, items, n_short, chunk_rows, loads);
    free(items);
    free(loads);
    *out = plan;
    return YOCO_OK;
}

void yoco_batch_plan_free(yoco_batch_plan *plan)
{
    free(plan->together);
    free(plan->packed);
    *plan = (yoco_batch_plan){0};
}

void yoco_batch_plan_print(const yoco_batch_plan *plan, char *text, size_t size)
{
    int n = snprintf(text, size, "plan: %lld jobs of %lld tokens, each on all %d ranks",
                     (long long)plan->n_together, (long long)plan->tokens_together, plan->n_ranks);
    if (plan->n_packed > 0 && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n,
                 "; %lld short jobs of %lld tokens in %lld rounds, each on one rank, ranks busy "
                 "%.0f %%",
                 (long long)plan->n_packed, (long long)plan->tokens_packed,
                 (long long)plan->n_rounds, 100.0 * plan->busy);
}
