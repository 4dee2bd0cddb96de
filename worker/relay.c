#include "worker/relay.h"

#include <stdlib.h>

#include "trace.h"
#include "worker/staging.h"

enum {
    AHEAD = YOCO_PASSED_SLOTS / 2
}; /* chunks whose receives are posted before they are needed */

/* K and V of one chunk under way. */
typedef struct pair {
    yoco_request part[YOCO_PAST_PARTS];
} pair;

struct yoco_relay {
    int64_t n_own;                    /* chunks of this rank */
    pair receives[YOCO_PASSED_SLOTS]; /* by chunk mod YOCO_PASSED_SLOTS */
    pair *passes;                     /* kept: (n_stores, n_ranks), by chunk mod n_ranks; dropped:
                                         (YOCO_PASSED_SLOTS), as receives */
    pair *firsts;                     /* dropped: (n_stores, n_own), to the first rank of a round */
};

static const yoco_grid *grid_of(const yoco_worker *w)
{
    return &w->plan.input.grid;
}

static bool is_own(const yoco_worker *w, int64_t chunk)
{
    return yoco_grid_owner(grid_of(w), chunk) == w->comm->rank;
}

/* Dropped: whether nobody is ahead of the rank that runs `chunk`. */
static bool is_first(const yoco_worker *w, int64_t chunk)
{
    return w->plan.input.drops_rows && (chunk - w->ring.begin) % w->comm->n_ranks == 0;
}

/* Whether the rank of chunk `at` lacks the rows of chunk `chunk` when it comes to `at`. */
static bool lacks(const yoco_worker *w, int64_t at, int64_t chunk)
{
    int64_t before = at - w->comm->n_ranks; /* the rank's chunk before */
    if ((at - chunk) % w->comm->n_ranks == 0)
        return false;
    return w->plan.input.drops_rows || (chunk > before && chunk >= w->ring.begin);
}

static char *passed(const yoco_worker *w, const yoco_store *store, int64_t chunk, int part)
{
    int64_t row = yoco_plan_passed_at(&w->plan.input, chunk);
    return yoco_bytes(w, YOCO_BUF_PASSED_K + (yoco_buffer)part) + store->passed_at[part] +
           (size_t)row * store->row_bytes[part];
}

/* Where a message of the chunk begins or ends. */
static char *message(const yoco_worker *w, const yoco_store *store, int64_t chunk, int part)
{
    if (!is_own(w, chunk) || w->plan.input.stages_rows)
        return passed(w, store, chunk, part);
    int64_t row = yoco_grid_shard_row(grid_of(w), chunk);
    return yoco_store_shard(w, store, part) + (size_t)row * store->row_bytes[part];
}

static size_t message_bytes(const yoco_worker *w, const yoco_store *store, int64_t chunk, int part)
{
    return (size_t)yoco_grid_chunk_rows(grid_of(w), chunk) * store->row_bytes[part];
}

static int tag_of(const yoco_store *store, int part)
{
    return YOCO_TAG_ROWS + YOCO_PAST_PARTS * store->index + part;
}

static yoco_status wait_pair(yoco_worker *w, pair *under_way, const yoco_store *store,
                             int64_t chunk)
{
    const yoco_wait_for what = {.what = "rows", .chunk = chunk, .layer = store->layer};
    yoco_trace_mark mark = yoco_trace_begin();
    for (int part = 0; part < YOCO_PAST_PARTS; part++)
        YOCO_TRY(w->comm->ops->wait(w->comm, &under_way->part[part], &what));
    yoco_trace_end(mark, YOCO_SPAN_EDGE_WAIT, "rows", chunk, store->layer);
    return YOCO_OK;
}

static yoco_status send_pair(yoco_worker *w, pair *under_way, const yoco_store *store,
                             int64_t chunk, int peer)
{
    YOCO_TRY(wait_pair(w, under_way, store, chunk)); /* the message before it in this place */
    for (int part = 0; part < YOCO_PAST_PARTS; part++)
        YOCO_TRY(w->comm->ops->send(w->comm, peer, tag_of(store, part),
                                    message(w, store, chunk, part),
                                    message_bytes(w, store, chunk, part), &under_way->part[part]));
    return YOCO_OK;
}

/* Rows dropped: the slot's last rows have to be gone. */
static yoco_status post(yoco_pass *p, const yoco_store *store, int64_t chunk)
{
    yoco_worker *w = p->w;
    yoco_relay *relay = w->relay;
    const int slot = (int)(chunk % YOCO_PASSED_SLOTS);
    if (chunk >= p->chunk || !lacks(w, p->chunk, chunk))
        return YOCO_OK;
    if (w->plan.input.drops_rows)
        YOCO_TRY(wait_pair(w, &relay->passes[slot], store, chunk));
    int peer = yoco_grid_owner(grid_of(w), is_first(w, p->chunk) ? chunk : p->chunk - 1);
    for (int part = 0; part < YOCO_PAST_PARTS; part++)
        YOCO_TRY(w->comm->ops->receive(
            w->comm, peer, tag_of(store, part), passed(w, store, chunk, part),
            message_bytes(w, store, chunk, part), &relay->receives[slot].part[part]));
    return YOCO_OK;
}

yoco_status yoco_relay_open(yoco_pass *p, const yoco_store *store)
{
    yoco_worker *w = p->w;
    if (!w->relay)
        return YOCO_OK;
    if (w->plan.input.stages_rows)
        for (int part = 0; part < YOCO_PAST_PARTS; part++)
            w->ops->copy(w->device, message(w, store, p->chunk, part),
                         yoco_store_rows(p, store, part), message_bytes(w, store, p->chunk, part));
    YOCO_TRY(yoco_hand_over(w));
    for (int64_t chunk = 0; chunk < AHEAD; chunk++)
        YOCO_TRY(post(p, store, chunk));
    return YOCO_OK;
}

static yoco_status pass_on(yoco_pass *p, const yoco_store *store, int64_t chunk)
{
    yoco_worker *w = p->w;
    const int64_t next = p->chunk + 1;
    const int n_ranks = w->comm->n_ranks;
    if (next >= w->ring.end || is_first(w, next) || !lacks(w, next, chunk))
        return YOCO_OK;
    pair *under_way = w->plan.input.drops_rows
                          ? &w->relay->passes[chunk % YOCO_PASSED_SLOTS]
                          : &w->relay->passes[store->index * n_ranks + chunk % n_ranks];
    return send_pair(w, under_way, store, chunk, yoco_grid_owner(grid_of(w), next));
}

static const void *rows_of(yoco_worker *w, const yoco_store *store, int64_t chunk, int part)
{
    if (is_own(w, chunk)) {
        int64_t row = yoco_grid_shard_row(grid_of(w), chunk);
        return yoco_store_shard(w, store, part) + (size_t)row * store->row_bytes[part];
    }
    if (!w->plan.input.stages_rows)
        return passed(w, store, chunk, part);
    void *run = w->buffers[YOCO_BUF_RUN_K + part];
    w->ops->copy(w->device, run, passed(w, store, chunk, part),
                 message_bytes(w, store, chunk, part));
    return run;
}

yoco_status yoco_relay_take(yoco_pass *p, const yoco_store *store, int64_t chunk, yoco_run *run)
{
    yoco_worker *w = p->w;
    if (w->relay) {
        if (lacks(w, p->chunk, chunk))
            YOCO_TRY(wait_pair(w, &w->relay->receives[chunk % YOCO_PASSED_SLOTS], store, chunk));
        YOCO_TRY(pass_on(p, store, chunk));
        YOCO_TRY(post(p, store, chunk + AHEAD));
    }
    run->n_rows = yoco_grid_chunk_rows(grid_of(w), chunk);
    run->k = rows_of(w, store, chunk, 0);
    run->v = rows_of(w, store, chunk, 1);
    return YOCO_OK;
}

/* Dropped: this rank's chunks before `end`, to the first rank of the round that begins with
 * `first`.
 */
static yoco_status send_firsts(yoco_worker *w, const yoco_store *store, int64_t end, int64_t first)
{
    const int n_ranks = w->comm->n_ranks;
    if (!w->plan.input.drops_rows || first >= w->ring.end || is_own(w, first))
        return YOCO_OK;
    pair *under_way = w->relay->firsts + store->index * w->relay->n_own;
    for (int64_t chunk = w->comm->rank; chunk < end; chunk += n_ranks)
        YOCO_TRY(send_pair(w, &under_way[chunk / n_ranks], store, chunk,
                           yoco_grid_owner(grid_of(w), first)));
    return YOCO_OK;
}

yoco_status yoco_relay_close(yoco_pass *p, const yoco_store *store)
{
    yoco_worker *w = p->w;
    if (!w->relay)
        return YOCO_OK;
    int64_t in_round = (p->chunk - w->ring.begin) % w->comm->n_ranks;
    return send_firsts(w, store, p->chunk + 1, p->chunk - in_round + w->comm->n_ranks);
}

/* Kept: every rank gets what was restored, chunk by chunk. */
static yoco_status share_restored(yoco_worker *w, const yoco_store *store)
{
    for (int64_t chunk = 0; chunk < w->ring.begin; chunk++)
        for (int part = 0; part < YOCO_PAST_PARTS; part++) {
            size_t bytes = message_bytes(w, store, chunk, part);
            char *rows = message(w, store, chunk, part);
            if (is_own(w, chunk) && w->plan.input.stages_rows)
                w->ops->copy(w->device, rows, rows_of(w, store, chunk, part), bytes);
            YOCO_TRY(yoco_hand_over(w));
            YOCO_TRY(
                w->comm->ops->broadcast(w->comm, yoco_grid_owner(grid_of(w), chunk), rows, bytes));
        }
    return YOCO_OK;
}

yoco_status yoco_relay_begin(yoco_worker *w)
{
    for (int i = 0; w->relay && i < w->model->n_stores; i++) {
        const yoco_store *store = &w->stores[i];
        if (!yoco_shape_passes_rows(w->model->shape, store->layer))
            continue;
        YOCO_TRY(w->plan.input.drops_rows ? send_firsts(w, store, w->ring.begin, w->ring.begin)
                                          : share_restored(w, store));
    }
    return YOCO_OK;
}

static int64_t n_passes(const yoco_worker *w)
{
    return w->plan.input.drops_rows ? YOCO_PASSED_SLOTS
                                    : (int64_t)w->model->n_stores * w->comm->n_ranks;
}

yoco_status yoco_relay_drain(yoco_worker *w)
{
    if (!w->relay)
        return YOCO_OK;
    for (int64_t i = 0; i < n_passes(w); i++)
        YOCO_TRY(wait_pair(w, &w->relay->passes[i], &w->stores[0], -1));
    for (int64_t i = 0; i < w->model->n_stores * w->relay->n_own; i++)
        YOCO_TRY(wait_pair(w, &w->relay->firsts[i], &w->stores[0], -1));
    return YOCO_OK;
}

yoco_status yoco_relay_create(yoco_worker *w)
{
    if (!yoco_plan_passes_rows(&w->plan.input))
        return YOCO_OK;
    yoco_relay *relay = calloc(1, sizeof *relay);
    w->relay = relay;
    if (relay) {
        relay->n_own =
            w->plan.input.drops_rows ? yoco_grid_rank_chunks(grid_of(w), w->comm->rank) : 0;
        relay->passes = calloc((size_t)n_passes(w), sizeof *relay->passes);
        relay->firsts =
            calloc((size_t)(w->model->n_stores * relay->n_own + 1), sizeof *relay->firsts);
    }
    if (!relay || !relay->passes || !relay->firsts) {
        yoco_log_error("cannot allocate the messages of the rows between the ranks");
        return YOCO_ERR_MEMORY;
    }
    return YOCO_OK;
}

void yoco_relay_free(yoco_worker *w)
{
    if (!w->relay)
        return;
    free(w->relay->passes);
    free(w->relay->firsts);
    free(w->relay);
    w->relay = NULL;
}
