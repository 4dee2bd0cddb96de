/* Prefill of a context: the systolic ring, one loop over this rank's chunks. */
#include "trace.h"
#include "worker/edges.h"

static yoco_status run_chunk(yoco_worker *w, const int32_t *ids, int64_t chunk)
{
    const yoco_grid *grid = &w->plan.input.grid;
    int64_t position = chunk * grid->chunk_rows;
    size_t shard = (size_t)yoco_grid_shard_row(grid, chunk) * yoco_kv_row_bytes(w);
    yoco_piece piece = {.port = &yoco_ring_port,
                        .ids = ids + position,
                        .n_rows = yoco_grid_chunk_rows(grid, chunk),
                        .position = position,
                        .n_edge = yoco_edge_rows(w, position),
                        .chunk = chunk,
                        .k = yoco_bytes(w, YOCO_BUF_SHARD_K) + shard,
                        .v = yoco_bytes(w, YOCO_BUF_SHARD_V) + shard};
    yoco_trace_mark mark = yoco_trace_begin();
    YOCO_TRY(yoco_piece_run(w, &piece));
    yoco_trace_end(mark, YOCO_SPAN_WORK, "chunk", chunk, -1);
    return YOCO_OK;
}

static yoco_status run_ring(yoco_worker *w, const int32_t *ids, yoco_progress progress,
                            void *progress_context)
{
    const yoco_grid *grid = &w->plan.input.grid;
    int64_t n_chunks = yoco_grid_n_chunks(grid);
    int64_t first = w->comm->rank > 0 ? w->comm->rank : w->comm->n_ranks; /* none enters chunk 0 */
    for (int layer = 0; layer < w->model->n_self; layer++)
        YOCO_TRY(yoco_ring_post(w, first, layer));
    for (int64_t chunk = w->comm->rank; chunk < n_chunks; chunk += w->comm->n_ranks) {
        YOCO_TRY(run_chunk(w, ids, chunk));
        if (progress)
            progress(progress_context,
                     yoco_i64_min((chunk + w->comm->n_ranks) * grid->chunk_rows, grid->n_tokens),
                     grid->n_tokens);
    }
    return yoco_ring_drain(w);
}

/* Every rank steps and branches from the context's last edges. */
static yoco_status share_last_edges(yoco_worker *w)
{
    const yoco_grid *grid = &w->plan.input.grid;
    size_t bytes = yoco_edge_bytes(w, grid->n_tokens);
    if (grid->n_tokens == 0) {
        w->ops->zero(w->device, w->buffers[YOCO_BUF_CONTEXT_EDGE],
                     w->plan.buffer_bytes[YOCO_BUF_CONTEXT_EDGE]);
        return YOCO_OK;
    }
    int owner = yoco_grid_owner(grid, yoco_grid_n_chunks(grid) - 1);
    yoco_trace_mark mark = yoco_trace_begin();
    for (int layer = 0; layer < w->model->n_self; layer++)
        YOCO_TRY(w->comm->ops->broadcast(w->comm, owner, yoco_context_edge(w, layer), bytes));
    yoco_trace_end(mark, YOCO_SPAN_WAIT, "last edges", -1, -1);
    return YOCO_OK;
}

yoco_status yoco_worker_prefill(yoco_worker *w, const int32_t *ids, yoco_progress progress,
                                void *progress_context)
{
    yoco_status status = run_ring(w, ids, progress, progress_context);
    if (status != YOCO_OK) /* the neighbours wait for edges that will not come */
        w->comm->ops->abort(w->comm, yoco_status_exit_code(YOCO_ERR_STOPPED));
    return share_last_edges(w);
}
