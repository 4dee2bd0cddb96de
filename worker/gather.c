/* The whole K or V of a layer and a branch to rank 0, in position order: the context chunk by
 * chunk, then the branch's own blocks. Owners send, rank 0 receives one run of rows at a time. */
#include "worker/past/past.h"

/* One run of rows that one rank stores, at `local` on its owner. */
typedef struct row_run {
    int owner;
    int64_t local, n_rows;
} row_run;

typedef struct gather {
    yoco_worker *w;
    const yoco_store *store;
    int part; /* K or V */
    yoco_row_sink sink;
    void *sink_data;
    char *staging; /* rank 0: host memory for the longest run */
    yoco_status
        status; /* of the sink: rank 0 goes on receiving, so that no sender waits for ever */
} gather;

static yoco_status gather_run(gather *g, const char *rows, const row_run *run)
{
    yoco_worker *w = g->w;
    yoco_comm *comm = w->comm;
    yoco_wait_for what = {.what = "rows of the shared K,V", .chunk = -1, .layer = -1};
    yoco_request request = {0};
    size_t row = g->store->row_bytes[g->part], bytes = (size_t)run->n_rows * row;
    if (comm->rank != 0 && comm->rank != run->owner)
        return YOCO_OK;
    if (comm->rank == run->owner)
        w->ops->download(w->device, g->staging, rows + (size_t)run->local * row, bytes);
    if (run->owner != 0 && comm->rank == 0) {
        YOCO_TRY(
            comm->ops->receive(comm, run->owner, YOCO_TAG_GATHER, g->staging, bytes, &request));
        YOCO_TRY(comm->ops->wait(comm, &request, &what));
    } else if (run->owner != 0) {
        YOCO_TRY(comm->ops->send(comm, 0, YOCO_TAG_GATHER, g->staging, bytes, &request));
        YOCO_TRY(comm->ops->wait(comm, &request, &what));
    }
    if (comm->rank == 0 && g->status == YOCO_OK)
        g->status = g->sink(g->sink_data, g->staging, run->n_rows);
    return YOCO_OK;
}

static yoco_status gather_context(gather *g)
{
    const char *shard = yoco_store_shard(g->w, g->store, g->part);
    const yoco_grid *grid = &g->w->plan.input.grid;
    for (int64_t chunk = 0; chunk < yoco_grid_n_chunks(grid); chunk++)
        YOCO_TRY(gather_run(g, shard,
                            &(row_run){.owner = yoco_grid_owner(grid, chunk),
                                       .local = yoco_grid_shard_row(grid, chunk),
                                       .n_rows = yoco_grid_chunk_rows(grid, chunk)}));
    return YOCO_OK;
}

static yoco_status gather_branch(gather *g, int branch)
{
    yoco_worker *w = g->w;
    const char *rows = yoco_store_branch(w, g->store, branch, g->part);
    int n_ranks = w->comm->n_ranks;
    int64_t n_rows = w->branch_n_rows[branch];
    for (int64_t row = 0; row < n_rows; row += YOCO_BLOCK_ROWS)
        YOCO_TRY(gather_run(
            g, rows,
            &(row_run){.owner = yoco_branch_owner(branch, row / YOCO_BLOCK_ROWS, n_ranks),
                       .local = yoco_branch_shard_row(row, n_ranks),
                       .n_rows = yoco_i64_min(YOCO_BLOCK_ROWS, n_rows - row)}));
    return YOCO_OK;
}

yoco_status yoco_worker_gather(yoco_worker *w, int layer, int branch, bool values,
                               yoco_row_sink sink, void *sink_data)
{
    gather g = {.w = w,
                .store = &w->stores[w->model->layers[layer].store],
                .part = values ? 1 : 0,
                .sink = sink,
                .sink_data = sink_data};
    int64_t longest = yoco_i64_max(w->plan.input.grid.chunk_rows, YOCO_BLOCK_ROWS);
    yoco_status status = yoco_alloc((size_t)longest * g.store->row_bytes[g.part], "gathered rows",
                                    (void **)&g.staging);
    status = w->comm->ops->agree(w->comm, status);
    if (status == YOCO_OK)
        status = gather_context(&g);
    if (status == YOCO_OK)
        status = gather_branch(&g, branch);
    yoco_free(g.staging);
    YOCO_TRY(status);
    return w->comm->ops->agree(w->comm, g.status);
}
