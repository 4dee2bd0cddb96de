/* The ring: chunk c's edges come from the owner of chunk c - 1 and go to the owner of chunk c + 1,
 * one message for each past that has an edge, with a receive slot and a send buffer of its own. A
 * slot's receive is posted as soon as the slot is free: when the job starts, and when its last edge
 * was copied out. */
#include "worker/edges.h"

#include "trace.h"
#include "worker/relay.h"
#include "worker/staging.h"

static yoco_status wait_edge(yoco_worker *w, yoco_request *request, int64_t chunk,
                             const yoco_past *past)
{
    if (!request->active)
        return YOCO_OK;
    yoco_trace_mark mark = yoco_trace_begin();
    YOCO_TRY(w->comm->ops->wait(
        w->comm, request, &(yoco_wait_for){.what = "edge", .chunk = chunk, .layer = past->layer}));
    yoco_trace_end(mark, YOCO_SPAN_EDGE_WAIT, "edge", chunk, past->layer);
    return YOCO_OK;
}

static char *slot(const yoco_worker *w, yoco_buffer buffer, const yoco_past *past)
{
    return yoco_bytes(w, buffer) + past->slot_at;
}

/* Posts the receive of the edge that enters `chunk` > 0; none past the last chunk that is run. */
static yoco_status post(yoco_worker *w, int64_t chunk, const yoco_past *past)
{
    const yoco_grid *grid = &w->plan.input.grid;
    if (chunk >= w->ring.end)
        return YOCO_OK;
    size_t bytes = yoco_past_bytes_before(w, past, chunk * grid->chunk_rows);
    if (bytes == 0) /* a window of 1 sees no past */
        return YOCO_OK;
    return w->comm->ops->receive(w->comm, yoco_grid_owner(grid, chunk - 1),
                                 YOCO_TAG_EDGE + past->index, slot(w, YOCO_BUF_EDGE_IN, past),
                                 bytes, &w->edge_in[past->index]);
}

/* Device memory is received in the order in which it is sent: edges come between the rows of other
 * layers there, and a receive cannot be posted a chunk ahead. */
static bool posts_late(const yoco_worker *w)
{
    return w->relay && w->comm->device_messages;
}

static yoco_status ring_take(yoco_pass *p, const yoco_past *past)
{
    yoco_worker *w = p->w;
    if (p->chunk == 0) {
        past->ops->clear(w, past);
        return YOCO_OK;
    }
    if (posts_late(w) && p->chunk > w->ring.begin)
        YOCO_TRY(post(w, p->chunk, past));
    YOCO_TRY(wait_edge(w, &w->edge_in[past->index], p->chunk, past));
    past->ops->load(p, past, slot(w, YOCO_BUF_EDGE_IN, past));
    YOCO_TRY(yoco_hand_over(w));
    return posts_late(w) ? YOCO_OK : post(w, p->chunk + w->comm->n_ranks, past);
}

static yoco_status ring_give(yoco_pass *p, const yoco_past *past)
{
    yoco_worker *w = p->w;
    const yoco_grid *grid = &w->plan.input.grid;
    int64_t next = p->chunk + 1;
    if (next == yoco_grid_n_chunks(grid)) {
        past->ops->save(p, past, yoco_past_context_edge(w, past));
        return YOCO_OK;
    }
    size_t bytes = yoco_past_bytes_before(w, past, next * grid->chunk_rows);
    if (bytes == 0)
        return YOCO_OK;
    YOCO_TRY(wait_edge(w, &w->edge_out[past->index], p->chunk, past));
    past->ops->save(p, past, slot(w, YOCO_BUF_EDGE_OUT, past));
    if (w->ring.sink)
        w->ring.sink->edge(w->ring.sink_data, p->chunk, past);
    YOCO_TRY(yoco_hand_over(w));
    if (next == w->ring.end)
        return YOCO_OK;
    return w->comm->ops->send(w->comm, yoco_grid_owner(grid, next), YOCO_TAG_EDGE + past->index,
                              slot(w, YOCO_BUF_EDGE_OUT, past), bytes, &w->edge_out[past->index]);
}

yoco_status yoco_ring_post_first(yoco_worker *w, int64_t first)
{
    /* None enters chunk 0; those of chunk `begin` lie in their slots. */
    int64_t enters = first > w->ring.begin ? first : first + w->comm->n_ranks;
    if (posts_late(w) || (first == w->ring.begin && w->ring.begin > 0))
        return YOCO_OK;
    for (int i = 0; i < w->model->n_pasts; i++)
        YOCO_TRY(post(w, enters, &w->pasts[i]));
    return YOCO_OK;
}

yoco_status yoco_ring_drain(yoco_worker *w)
{
    for (int i = 0; i < w->model->n_pasts; i++)
        YOCO_TRY(wait_edge(w, &w->edge_out[i], -1, &w->pasts[i]));
    return yoco_relay_drain(w);
}

const yoco_edge_port yoco_ring_port = {
    .take = ring_take, .give = ring_give, .gives_first = true, .waits = true};
