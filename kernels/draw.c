#include "kernels/draw.h"

#include <math.h>

#include "kernels/argmax.h"

typedef struct candidate {
    float x;
    int32_t id;
} candidate;

_Static_assert(sizeof(candidate) == YOCO_DRAW_SCRATCH, "what the caller gives for each id");

/* A row's candidates. Few of them are looked at in their order, so they are not sorted: the
 * unranked lie in a heap, and behind it the ranked, the likeliest last. */
typedef struct ranking {
    candidate *c;
    int n, n_unranked;
} ranking;

static bool more_likely(candidate a, candidate b)
{
    return a.x > b.x || (a.x == b.x && a.id < b.id);
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
static candidate ranked(ranking *r, int i)
{
    while (r->n_unranked > r->n - 1 - i) {
        candidate likeliest = r->c[0];
        r->c[0] = r->c[--r->n_unranked];
        sift_down(r->c, r->n_unranked, 0);
        r->c[r->n_unranked] = likeliest;
    }
    return r->c[r->n - 1 - i];
}

/* False where a value of the row is not finite. */
static bool ranking_begin(const yoco_draw_args *args, const float *x, ranking *r)
{
    *r = (ranking){.c = args->scratch};
    for (int32_t id = 0; id < args->n; id++) {
        if (!isfinite(x[id]))
            return false;
        if (!yoco_is_banned(args->banned, args->n_banned, id))
            r->c[r->n++] = (candidate){x[id], id};
    }
    r->n_unranked = r->n;
    for (int i = r->n / 2 - 1; i >= 0; i--)
        sift_down(r->c, r->n, i);
    return true;
}

static int64_t weight(const yoco_draw_args *args, float x, float most)
{
    return llrint(ldexp(exp(((double)x - most) / args->temperature), YOCO_DRAW_BITS));
}

/* The least likely that is kept, and the weight of all that are. */
static candidate cut(const yoco_draw_args *args, ranking *r, int64_t *kept)
{
    float most = ranked(r, 0).x;
    int n = args->top_k > 0 && args->top_k < r->n ? (int)args->top_k : r->n, n_kept = 0;
    int64_t total = 0;
    for (int i = 0; i < n; i++)
        total += weight(args, n < r->n ? ranked(r, i).x : r->c[i].x, most);
    *kept = total;
    if (args->top_p == 1.0)
        return n < r->n ? ranked(r, n - 1) : (candidate){-INFINITY, 0};
    int64_t least = yoco_i64_max(1, (int64_t)ceil(args->top_p * (double)total));
    for (*kept = 0; *kept < least; n_kept++)
        *kept += weight(args, ranked(r, n_kept).x, most);
    return ranked(r, n_kept - 1);
}

int32_t yoco_draw_row(const yoco_draw_args *args, int64_t row)
{
    const float *x = args->x + row * args->n;
    ranking r;
    if (!ranking_begin(args, x, &r))
        return YOCO_ARGMAX_NOT_FINITE;
    if (r.n == 0)
        return YOCO_ARGMAX_NONE;
    int64_t kept;
    candidate last = cut(args, &r, &kept);
    float most = ranked(&r, 0).x;
    int64_t left = yoco_i64_min((int64_t)(args->units[row] * (double)kept), kept - 1);
    for (int32_t id = 0;; id++) {
        if (more_likely(last, (candidate){x[id], id}) ||
            yoco_is_banned(args->banned, args->n_banned, id))
            continue;
        left -= weight(args, x[id], most);
        if (left < 0)
            return id;
    }
}
