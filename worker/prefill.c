/* Prefill of a context: the systolic ring, one loop over this rank's chunks. */
#include "trace.h"
#include "worker/edges.h"
#include "worker/relay.h"
#include "worker/staging.h"

/* Where the prefill ends, from rank to rank. */
typedef struct end_message {
    int64_t end;
    yoco_request request;
} end_message;

static yoco_status run_chunk(yoco_worker *w, const int32_t *ids, int64_t chunk)
{
    const yoco_grid *grid = &w->plan.input.grid;
    int64_t position = chunk * grid->chunk_rows;
    yoco_pass piece = {.w = w,
                       .linear = w->ops->dense->linear_slabs,
                       .port = &yoco_ring_port,
                       .ids = ids + position,
                       .n_rows = yoco_grid_chunk_rows(grid, chunk),
                       .position = position,
                       .chunk = chunk};
    yoco_trace_mark mark = yoco_trace_begin();
    YOCO_TRY(yoco_piece_run(&piece));
    yoco_trace_end(mark, YOCO_SPAN_WORK, "chunk", chunk, -1);
    return YOCO_OK;
}

/* The ranks stop at one chunk without a collective: chunk by chunk, its owner tells the next one's
 * where the prefill ends. An owner that is asked to stop at chunk c says c + n_ranks + 1: every
 * rank hears of it before it posts a receive for a chunk that will not be run. */
static yoco_status ring_agree_end(yoco_worker *w, int64_t chunk, end_message *in, end_message *out)
{
    const yoco_grid *grid = &w->plan.input.grid;
    yoco_comm *comm = w->comm;
    const yoco_wait_for what = {.what = "the word to go on", .chunk = chunk, .layer = -1};
    if (chunk > w->ring.begin) {
        YOCO_TRY(comm->ops->receive(comm, yoco_grid_owner(grid, chunk - 1), YOCO_TAG_END, &in->end,
                                    sizeof in->end, &in->request));
        YOCO_TRY(comm->ops->wait(comm, &in->request, &what));
        w->ring.end = in->end;
    }
    const yoco_ring_sink *sink = w->ring.saves_or_stops ? w->ring.sink : NULL;
    bool stops = *w->ring.stop || (sink && sink->failed(w->ring.sink_data));
    if (stops && w->ring.end == yoco_grid_n_chunks(grid))
        w->ring.end = yoco_i64_min(w->ring.end, chunk + comm->n_ranks + 1);
    if (chunk + 1 == w->ring.end)
        return YOCO_OK;
    YOCO_TRY(comm->ops->wait(comm, &out->request, &what));
    out->end = w->ring.end;
    return comm->ops->send(comm, yoco_grid_owner(grid, chunk + 1), YOCO_TAG_END, &out->end,
                           sizeof out->end, &out->request);
}

static yoco_status run_chunks(yoco_worker *w, int64_t first, const int32_t *ids,
                              yoco_progress progress, void *progress_data)
{
    const yoco_grid *grid = &w->plan.input.grid;
    end_message in = {0}, out = {0};
    for (int64_t chunk = first; chunk < w->ring.end; chunk += w->comm->n_ranks) {
        if (w->ring.stop)
            YOCO_TRY(ring_agree_end(w, chunk, &in, &out));
        YOCO_TRY(run_chunk(w, ids, chunk));
        if (w->ring.sink)
            w->ring.sink->chunk(w->ring.sink_data, chunk);
        if (progress)
            progress(progress_data,
                     yoco_i64_min((chunk + w->comm->n_ranks) * grid->chunk_rows, grid->n_tokens),
                     grid->n_tokens);
    }
    return w->comm->ops->wait(w->comm, &out.request,
                              &(yoco_wait_for){.what = "the last word", .chunk = -1, .layer = -1});
}

static yoco_status run_ring(yoco_worker *w, const int32_t *ids, yoco_progress progress,
                            void *progress_data)
{
    int64_t first = yoco_grid_first_chunk(&w->plan.input.grid, w->comm->rank, w->ring.begin);
    YOCO_TRY(yoco_relay_begin(w));
    YOCO_TRY(yoco_ring_post_first(w, first));
    YOCO_TRY(run_chunks(w, first, ids, progress, progress_data));
    return yoco_ring_drain(w);
}

/* Every rank steps and branches from the context's last edges. */
yoco_status yoco_ring_share_last(yoco_worker *w)
{
    const yoco_grid *grid = &w->plan.input.grid;
    if (grid->n_tokens == 0) {
        w->ops->zero(w->device, w->buffers[YOCO_BUF_CONTEXT_EDGE],
                     w->plan.buffer_bytes[YOCO_BUF_CONTEXT_EDGE]);
        return YOCO_OK;
    }
    int owner = yoco_grid_owner(grid, yoco_grid_n_chunks(grid) - 1);
    yoco_trace_mark mark = yoco_trace_begin();
    for (int i = 0; i < w->model->n_pasts; i++) {
        size_t bytes = yoco_past_bytes_before(w, &w->pasts[i], grid->n_tokens);
        void *data, *edge = yoco_past_context_edge(w, &w->pasts[i]);
        YOCO_TRY(yoco_share_begin(w, edge, bytes, &data));
        YOCO_TRY(w->comm->ops->broadcast(w->comm, owner, data, bytes));
        yoco_share_end(w, edge, bytes);
    }
    yoco_trace_end(mark, YOCO_SPAN_WAIT, "last edges", -1, -1);
    return yoco_settle(w);
}

yoco_status yoco_ring_run(yoco_worker *w, const yoco_ring *ring, const int32_t *ids,
                          yoco_progress progress, void *progress_data)
{
    w->ring = *ring;
    yoco_status status = run_ring(w, ids, progress, progress_data);
    if (status != YOCO_OK)
        w->comm->ops->abort(w->comm, yoco_status_exit_code(YOCO_ERR_STOPPED));
    return status;
}

yoco_status yoco_worker_prefill(yoco_worker *w, const int32_t *ids, yoco_progress progress,
                                void *progress_data)
{
    const yoco_ring ring = {.end = yoco_grid_n_chunks(&w->plan.input.grid)};
    YOCO_TRY(yoco_ring_run(w, &ring, ids, progress, progress_data));
    return yoco_ring_share_last(w);
}
