/* Takes up what is on disk, on any number of ranks: each reads the chunks it owns now. */
#include <stdlib.h>

#include "partition/edge_period.h"
#include "worker/snapshot/parts.h"

int64_t yoco_snapshot_first_chunk(const yoco_worker *w, int64_t begin)
{
    int64_t n_ranks = w->comm->n_ranks;
    return begin + ((w->comm->rank - begin) % n_ranks + n_ranks) % n_ranks;
}

/* The smallest of the ranks' values; all are >= 0. */
static yoco_status all_min(yoco_comm *comm, int64_t mine, int64_t *out)
{
    int64_t *values = calloc((size_t)comm->n_ranks, sizeof *values);
    if (!values)
        yoco_log_error("cannot allocate a number for each rank");
    yoco_status status = comm->ops->agree(comm, values ? YOCO_OK : YOCO_ERR_MEMORY);
    if (status == YOCO_OK && values) {
        values[comm->rank] = mine;
        status = comm->ops->all_sum_i64(comm, values, comm->n_ranks);
        *out = values[0];
        for (int rank = 1; rank < comm->n_ranks; rank++)
            *out = yoco_i64_min(*out, values[rank]);
    }
    free(values);
    return status;
}

/* The first of this rank's chunks that is not there or not good; n_chunks where all are. */
static int64_t read_chunks(yoco_snapshot *s)
{
    const int64_t n_chunks = s->manifest.n_chunks;
    for (int64_t chunk = s->w->comm->rank; chunk < n_chunks; chunk += s->w->comm->n_ranks) {
        yoco_snapshot_payload payload = yoco_snapshot_chunk(s, chunk);
        if (!yoco_snapshot_exists(s, &payload) ||
            yoco_snapshot_read(s, &payload, NULL, &s->manifest.chunks[chunk]) != YOCO_OK)
            return chunk;
    }
    return n_chunks;
}

/* Edges are read by the rank that goes on from them; the last ones by the owner of the last chunk,
 * which gives them to all. */
static int edge_reader(const yoco_snapshot *s, int64_t chunk)
{
    const yoco_grid *grid = &s->w->plan.input.grid;
    return yoco_grid_owner(grid, chunk == s->manifest.n_chunks - 1 ? chunk : chunk + 1);
}

static yoco_snapshot_payload entering_edge(const yoco_snapshot *s, int64_t chunk)
{
    bool last = chunk == s->manifest.n_chunks - 1;
    return yoco_snapshot_edge(s, chunk, last ? YOCO_BUF_CONTEXT_EDGE : YOCO_BUF_EDGE_IN);
}

/* The highest good edge before chunk `limit` that this rank reads: the chunk after it; 0: none. */
static int64_t read_edge(yoco_snapshot *s, int64_t limit)
{
    for (int64_t chunk = limit - 1; chunk >= 0; chunk--) {
        if (edge_reader(s, chunk) != s->w->comm->rank)
            continue;
        yoco_snapshot_payload payload = entering_edge(s, chunk);
        if (yoco_snapshot_exists(s, &payload) &&
            yoco_snapshot_read(s, &payload, NULL, &s->manifest.edges[chunk]) == YOCO_OK)
            return chunk + 1;
    }
    return 0;
}

/* The manifest lists the edges before `begin` too, as far as they are good. */
static void check_edges(yoco_snapshot *s, int64_t begin)
{
    const int64_t n_chunks = s->manifest.n_chunks;
    for (int64_t chunk = s->w->comm->rank; chunk < begin - 1; chunk += s->w->comm->n_ranks) {
        yoco_snapshot_payload payload = yoco_snapshot_edge(s, chunk, YOCO_BUF_EDGE_COPY);
        if (yoco_edge_is_saved(n_chunks, s->edge_period, chunk) &&
            yoco_snapshot_exists(s, &payload))
            (void)yoco_snapshot_read(s, &payload, NULL, &s->manifest.edges[chunk]);
    }
}

/* Entries of what is computed again, and of edges that were only tried, are not the file's. */
static void forget(yoco_snapshot *s, int64_t begin)
{
    for (int64_t chunk = 0; chunk < s->manifest.n_chunks; chunk++) {
        bool keeps_edge = chunk == begin - 1 && edge_reader(s, chunk) == s->w->comm->rank &&
                          yoco_edge_is_saved(s->manifest.n_chunks, s->edge_period, chunk);
        if (chunk >= begin)
            s->manifest.chunks[chunk] = (yoco_context_entry){0};
        if (!keeps_edge)
            s->manifest.edges[chunk] = (yoco_context_entry){0};
    }
}

yoco_status yoco_snapshot_restore(yoco_snapshot *s, int64_t *begin)
{
    yoco_comm *comm = s->w->comm;
    const int64_t n_chunks = s->manifest.n_chunks;
    int64_t n_good = 0, n_missing = n_chunks;
    YOCO_TRY(all_min(comm, read_chunks(s), &n_good));
    YOCO_TRY(all_min(comm, n_chunks - read_edge(s, n_good), &n_missing));
    *begin = n_chunks - n_missing;
    forget(s, *begin);
    check_edges(s, *begin);
    return YOCO_OK;
}

yoco_status yoco_snapshot_restore_all(yoco_snapshot *s)
{
    yoco_comm *comm = s->w->comm;
    yoco_context_manifest *m = &s->manifest;
    yoco_context_entry found;
    yoco_status status = YOCO_OK;
    for (int64_t chunk = comm->rank; status == YOCO_OK && chunk < m->n_chunks;
         chunk += comm->n_ranks) {
        yoco_snapshot_payload payload = yoco_snapshot_chunk(s, chunk);
        status = yoco_snapshot_read(s, &payload, &m->chunks[chunk], &found);
    }
    int64_t last = m->n_chunks - 1;
    if (status == YOCO_OK && last >= 0 && edge_reader(s, last) == comm->rank) {
        yoco_snapshot_payload payload = entering_edge(s, last);
        status = yoco_snapshot_read(s, &payload, &m->edges[last], &found);
    }
    return comm->ops->agree(comm, status);
}
