/* The exact merge over ranks. Maxima are exact in any order, and so are the sums of integers
 * (docs/DESIGN.md). The all-reduce of the maxima also carries a hash of the queries and its
 * complement, so that ranks that diverged stop instead of drifting, and the flag of a rank that met
 * a value that is not finite. */
#include <string.h>

#include "trace.h"
#include "worker/staging.h"

enum { HASH_PARTS = 4, N_FLAGS = YOCO_MERGE_FLAGS };

/* 16 bits of the hash each, so exact in f32. Where the maxima of x and of ~x over all ranks are one
 * rank's own x and ~x, every rank has that x; so if any two differ, every rank sees it. */
static void hash_flags(uint64_t hash, float *flags)
{
    for (int i = 0; i < HASH_PARTS; i++) {
        uint16_t part = (uint16_t)(hash >> (16 * i));
        flags[2 * i] = part;
        flags[2 * i + 1] = (uint16_t)~part;
    }
}

static yoco_status not_finite(void)
{
    yoco_log_error("an attention score or value is not finite: are the weights damaged?");
    return YOCO_ERR_DATA;
}

static yoco_status check_flags(const yoco_worker *w, const float *mine, const float *all)
{
    if (all[N_FLAGS - 1] != 0.0f) /* the lowest of such ranks speaks */
        return mine[N_FLAGS - 1] == all[N_FLAGS - 1] ? not_finite() : YOCO_ERR_DATA;
    if (memcmp(mine, all, 2 * HASH_PARTS * sizeof *mine) != 0) {
        yoco_log_error("rank %d computed other queries than the rest: ranks have diverged",
                       w->comm->rank);
        return YOCO_ERR_INTERNAL;
    }
    return YOCO_OK;
}

/* The flags stand behind the maxima. */
static yoco_status reduce_max(yoco_worker *w, const yoco_attend_args *args)
{
    int64_t n = args->n_queries * args->n_heads;
    size_t max_bytes = (size_t)n * sizeof(float), bytes = max_bytes + N_FLAGS * sizeof(float);
    float mine[N_FLAGS], all[N_FLAGS];
    void *data;
    hash_flags(w->ops->hash(w->device, args->q, max_bytes * (size_t)args->head_dim), mine);
    mine[N_FLAGS - 1] = w->bad ? (float)(w->comm->n_ranks - w->comm->rank) : 0.0f;
    if (w->bad) /* an all-reduce takes no NaN */
        w->ops->zero(w->device, args->global_max, max_bytes);
    w->ops->upload(w->device, args->global_max + n, mine, sizeof mine);
    YOCO_TRY(yoco_share_begin(w, args->global_max, bytes, &data));
    yoco_trace_mark mark = yoco_trace_begin();
    YOCO_TRY(w->comm->ops->all_max_f32(w->comm, data, n + N_FLAGS));
    yoco_trace_end(mark, YOCO_SPAN_REDUCE, "maximum", -1, -1);
    yoco_share_end(w, args->global_max, bytes);
    w->ops->download(w->device, all, args->global_max + n, sizeof all);
    YOCO_TRY(w->ops->synchronize(w->device));
    return check_flags(w, mine, all);
}

static yoco_status reduce_sum(yoco_worker *w, const yoco_attend_args *args)
{
    int64_t n = args->n_queries * args->n_heads * (1 + args->v_dim);
    size_t bytes = (size_t)n * sizeof(int64_t);
    void *data;
    YOCO_TRY(yoco_share_begin(w, args->fixed, bytes, &data));
    yoco_trace_mark mark = yoco_trace_begin();
    YOCO_TRY(w->comm->ops->all_sum_i64(w->comm, data, n));
    yoco_trace_end(mark, YOCO_SPAN_REDUCE, "sum", -1, -1);
    yoco_share_end(w, args->fixed, bytes);
    return YOCO_OK;
}

/* The flags of the step's merges, (n_merges, 2, N_FLAGS): this rank's, then those of all. */
static float *kept_flags(yoco_worker *w)
{
    int64_t n_max = w->plan.merge_queries * w->plan.merge_heads;
    return yoco_f32(w, YOCO_BUF_GLOBAL_MAX) + n_max + N_FLAGS;
}

/* The same without a wait for the device: the flags are kept, and checked at the end of the step.
 */
static yoco_status follow_max(yoco_worker *w, const yoco_attend_args *args)
{
    int64_t n = args->n_queries * args->n_heads;
    size_t max_bytes = (size_t)n * sizeof(float), flag_bytes = N_FLAGS * sizeof(float);
    float *flags = args->global_max + n, *mine = kept_flags(w) + 2 * w->n_merges++ * N_FLAGS;
    void *data;
    w->ops->stream->merge_flags(w->device, args->q, max_bytes * (size_t)args->head_dim,
                                (float)(w->comm->n_ranks - w->comm->rank), flags);
    w->ops->copy(w->device, mine, flags, flag_bytes);
    YOCO_TRY(yoco_share_begin(w, args->global_max, max_bytes + flag_bytes, &data));
    YOCO_TRY(w->comm->ops->all_max_f32(w->comm, data, n + N_FLAGS));
    yoco_share_end(w, args->global_max, max_bytes + flag_bytes);
    w->ops->copy(w->device, mine + N_FLAGS, flags, flag_bytes);
    return YOCO_OK;
}

static yoco_status check_kept_flags(yoco_worker *w)
{
    if (w->n_merges == 0)
        return YOCO_OK;
    w->ops->download(w->device, w->flags, kept_flags(w),
                     2 * (size_t)w->n_merges * N_FLAGS * sizeof *w->flags);
    YOCO_TRY(w->ops->synchronize(w->device));
    for (const float *mine = w->flags; mine < w->flags + 2 * w->n_merges * N_FLAGS;
         mine += 2 * N_FLAGS)
        YOCO_TRY(check_flags(w, mine, mine + N_FLAGS));
    return YOCO_OK;
}

yoco_status yoco_merge(yoco_worker *w, const yoco_attend_args *args)
{
    bool alone = w->comm->n_ranks == 1;
    if (!alone && w->comm->device_stream) {
        YOCO_TRY(follow_max(w, args));
    } else if (!alone) {
        YOCO_TRY(w->ops->synchronize(w->device));
        YOCO_TRY(reduce_max(w, args));
    }
    w->ops->attend->merge_sum(w->device, args);
    if (!alone)
        YOCO_TRY(reduce_sum(w, args));
    w->ops->attend->merge_finish(w->device, args);
    return YOCO_OK;
}

yoco_status yoco_merge_check(yoco_worker *w)
{
    YOCO_TRY(check_kept_flags(w));
    return w->bad ? not_finite() : YOCO_OK;
}
