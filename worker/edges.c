/* The ring: chunk c's edges come from the owner of chunk c - 1 and go to the owner of chunk c + 1,
 * one message per layer. Each layer has one receive slot and one send buffer. A slot's receive is
 * posted as soon as the slot is free: when the job starts, and when its last edge was copied out.
 */
#include "worker/edges.h"

#include "trace.h"
#include "worker/snapshot/parts.h"
#include "worker/staging.h"

int64_t yoco_edge_rows(const yoco_worker *w, int64_t position)
{
    const yoco_model_config *c = &w->model->config;
    return yoco_config_is_retention(c) ? 0 : yoco_i64_min(c->sliding_window - 1, position);
}

char *yoco_context_edge(const yoco_worker *w, int layer)
{
    return yoco_bytes(w, YOCO_BUF_CONTEXT_EDGE) + (size_t)layer * w->plan.edge_bytes;
}

size_t yoco_edge_bytes(const yoco_worker *w, int64_t position)
{
    if (yoco_config_is_retention(&w->model->config))
        return position == 0 ? 0 : w->plan.edge_bytes;
    return 2 * (size_t)yoco_edge_rows(w, position) * yoco_row_bytes(w);
}

void yoco_edge_load(yoco_worker *w, const char *edge, int64_t n_rows)
{
    if (yoco_config_is_retention(&w->model->config)) {
        w->ops->copy(w->device, w->buffers[YOCO_BUF_STATE], edge, w->plan.edge_bytes);
        return;
    }
    size_t half = (size_t)n_rows * yoco_row_bytes(w);
    w->ops->copy(w->device, w->buffers[YOCO_BUF_WINDOW_K], edge, half);
    w->ops->copy(w->device, w->buffers[YOCO_BUF_WINDOW_V], edge + half, half);
}

/* The edge that leaves a piece: the last rows of its edge ++ its own rows, or its state. */
static void edge_save(yoco_worker *w, const yoco_piece *piece, char *edge)
{
    if (yoco_config_is_retention(&w->model->config)) {
        w->ops->copy(w->device, edge, w->buffers[YOCO_BUF_STATE], w->plan.edge_bytes);
        return;
    }
    int64_t n_rows = yoco_edge_rows(w, piece->position + piece->n_rows);
    size_t half = (size_t)n_rows * yoco_row_bytes(w);
    size_t first = (size_t)(piece->n_edge + piece->n_rows - n_rows) * yoco_row_bytes(w);
    w->ops->copy(w->device, edge, yoco_bytes(w, YOCO_BUF_WINDOW_K) + first, half);
    w->ops->copy(w->device, edge + half, yoco_bytes(w, YOCO_BUF_WINDOW_V) + first, half);
}

static yoco_status wait_edge(yoco_worker *w, yoco_request *request, int64_t chunk, int layer)
{
    if (!request->active)
        return YOCO_OK;
    yoco_trace_mark mark = yoco_trace_begin();
    YOCO_TRY(w->comm->ops->wait(w->comm, request,
                                &(yoco_wait_for){.what = "edge", .chunk = chunk, .layer = layer}));
    yoco_trace_end(mark, YOCO_SPAN_EDGE_WAIT, "edge", chunk, layer);
    return YOCO_OK;
}

static char *slot(const yoco_worker *w, yoco_buffer buffer, int layer)
{
    return yoco_bytes(w, buffer) + (size_t)layer * w->plan.edge_bytes;
}

yoco_status yoco_ring_post(yoco_worker *w, int64_t chunk, int layer)
{
    const yoco_grid *grid = &w->plan.input.grid;
    if (chunk >= w->ring.end)
        return YOCO_OK;
    size_t bytes = yoco_edge_bytes(w, chunk * grid->chunk_rows);
    if (bytes == 0) /* a window of 1 sees no past */
        return YOCO_OK;
    return w->comm->ops->receive(w->comm, yoco_grid_owner(grid, chunk - 1), YOCO_TAG_EDGE + layer,
                                 slot(w, YOCO_BUF_EDGE_IN, layer), bytes, &w->edge_in[layer]);
}

static yoco_status ring_take(yoco_worker *w, const yoco_piece *piece, int layer)
{
    if (piece->chunk == 0) {
        w->ops->zero(w->device, w->buffers[YOCO_BUF_STATE], w->plan.buffer_bytes[YOCO_BUF_STATE]);
        return YOCO_OK;
    }
    YOCO_TRY(wait_edge(w, &w->edge_in[layer], piece->chunk, layer));
    yoco_edge_load(w, slot(w, YOCO_BUF_EDGE_IN, layer), piece->n_edge);
    YOCO_TRY(yoco_hand_over(w));
    return yoco_ring_post(w, piece->chunk + w->comm->n_ranks, layer);
}

static yoco_status ring_give(yoco_worker *w, const yoco_piece *piece, int layer)
{
    const yoco_grid *grid = &w->plan.input.grid;
    int64_t next = piece->chunk + 1;
    if (next == yoco_grid_n_chunks(grid)) {
        edge_save(w, piece, yoco_context_edge(w, layer));
        return YOCO_OK;
    }
    size_t bytes = yoco_edge_bytes(w, next * grid->chunk_rows);
    if (bytes == 0)
        return YOCO_OK;
    YOCO_TRY(wait_edge(w, &w->edge_out[layer], piece->chunk, layer));
    edge_save(w, piece, slot(w, YOCO_BUF_EDGE_OUT, layer));
    if (w->ring.writer)
        yoco_snapshot_writer_copy_edge(w->ring.writer, piece->chunk, layer);
    YOCO_TRY(yoco_hand_over(w));
    if (next == w->ring.end)
        return YOCO_OK;
    return w->comm->ops->send(w->comm, yoco_grid_owner(grid, next), YOCO_TAG_EDGE + layer,
                              slot(w, YOCO_BUF_EDGE_OUT, layer), bytes, &w->edge_out[layer]);
}

yoco_status yoco_ring_drain(yoco_worker *w)
{
    for (int layer = 0; layer < w->model->n_self; layer++)
        YOCO_TRY(wait_edge(w, &w->edge_out[layer], -1, layer));
    return YOCO_OK;
}

const yoco_edge_port yoco_ring_port = {
    .take = ring_take, .give = ring_give, .gives_first = true, .waits = true};
