/* A prefill that survives, and a context that is read instead of computed. */
#include "worker/snapshot/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "configs/context/document.h"
#include "partition/edge_period.h"
#include "worker/edges.h"
#include "worker/snapshot/parts.h"

/* Everything but the document's hash. */
static yoco_context_identity identity_of(const yoco_worker *w, const yoco_snapshot_target *target)
{
    yoco_context_identity identity = {.model = target->model,
                                      .tokenizer = target->tokenizer,
                                      .dtype = w->model->dtype,
                                      .n_tokens = w->plan.input.grid.n_tokens,
                                      .chunk_rows = w->plan.input.grid.chunk_rows};
    _Static_assert(sizeof identity.arithmetic == sizeof w->arithmetic, "the text fits");
    memcpy(identity.arithmetic, w->arithmetic, sizeof identity.arithmetic);
    return identity;
}

static int64_t edge_period(const yoco_worker *w)
{
    const yoco_grid *grid = &w->plan.input.grid;
    /* Of the model and the chunk size alone: full windows, a full chunk. */
    size_t edges = 0, rows = (size_t)yoco_shape_kept_width(w->model->shape);
    for (int i = 0; i < w->model->n_pasts; i++)
        edges += yoco_past_bytes_before(w, &w->pasts[i], INT64_MAX);
    return yoco_edge_period(yoco_grid_n_chunks(grid), edges,
                            (size_t)grid->chunk_rows * rows * yoco_dtype_bytes(w->model->dtype));
}

static yoco_status snapshot_create(yoco_worker *w, const int32_t *ids,
                                   const yoco_snapshot_target *target, yoco_snapshot *out)
{
    yoco_snapshot s = {.w = w, .folder = target->folder, .edge_period = edge_period(w)};
    yoco_context_manifest *m = &s.manifest;
    m->identity = identity_of(w, target);
    m->n_chunks = yoco_grid_n_chunks(&w->plan.input.grid);
    YOCO_TRY(yoco_context_document_hash(ids, m->identity.n_tokens, &m->identity.document));
    m->chunks = calloc((size_t)m->n_chunks + 1, sizeof *m->chunks);
    m->edges = calloc((size_t)m->n_chunks + 1, sizeof *m->edges);
    if (!m->chunks || !m->edges) {
        yoco_log_error("cannot allocate the list of %lld chunks", (long long)m->n_chunks);
        yoco_context_manifest_free(m);
        return YOCO_ERR_MEMORY;
    }
    *out = s;
    return YOCO_OK;
}

/* Every entry is some rank's and zero on the others. */
static yoco_status gather_entries(yoco_snapshot *s)
{
    yoco_comm *comm = s->w->comm;
    yoco_context_entry *const lists[] = {s->manifest.chunks, s->manifest.edges};
    _Static_assert(sizeof(yoco_context_entry) == 3 * sizeof(int64_t), "an entry is 3 integers");
    for (int i = 0; i < 2; i++)
        YOCO_TRY(
            comm->ops->all_sum_i64(comm, (int64_t *)(void *)lists[i], 3 * s->manifest.n_chunks));
    return YOCO_OK;
}

/* The manifest last, after everything is on disk on every rank. */
static yoco_status complete(yoco_snapshot *s, yoco_status written)
{
    yoco_comm *comm = s->w->comm;
    YOCO_TRY(comm->ops->agree(comm, written));
    YOCO_TRY(gather_entries(s));
    return comm->ops->agree(comm, comm->rank == 0 ? yoco_snapshot_folder_finish(s) : YOCO_OK);
}

static void log_begin(const yoco_snapshot *s, int64_t n_restored)
{
    if (s->w->comm->rank == 0 && n_restored > 0)
        yoco_log_info("%lld of %lld tokens are in %s already", (long long)n_restored,
                      (long long)s->manifest.identity.n_tokens, s->folder);
}

/* The ring with a writer behind it. *written: of this rank's files. */
static yoco_status run_durable(yoco_snapshot *s, yoco_ring *ring, const int32_t *ids,
                               yoco_progress progress, void *progress_data, yoco_status *written)
{
    yoco_comm *comm = s->w->comm;
    yoco_snapshot_writer *writer = NULL;
    yoco_status opened = yoco_snapshot_writer_open(s, ring->begin, &writer);
    yoco_status status = comm->ops->agree(comm, opened);
    ring->sink = &yoco_snapshot_writer_sink;
    ring->sink_data = writer;
    if (status == YOCO_OK)
        status = yoco_ring_run(s->w, ring, ids, progress, progress_data);
    if (status == YOCO_OK)
        status = yoco_snapshot_writer_drain(writer);
    s->w->ring.sink = NULL;
    if (opened == YOCO_OK)
        *written = yoco_snapshot_writer_close(writer);
    return status;
}

static yoco_status prefill(yoco_snapshot *s, const int32_t *ids, const yoco_snapshot_target *target,
                           yoco_progress progress, void *progress_data,
                           yoco_snapshot_result *result)
{
    yoco_comm *comm = s->w->comm;
    yoco_status written = YOCO_OK;
    yoco_ring ring = {
        .end = s->manifest.n_chunks, .stop = target->stop, .saves_or_stops = !target->temporary};
    YOCO_TRY(comm->ops->agree(
        comm, comm->rank == 0 ? yoco_snapshot_folder_begin(s, ids, target->temporary) : YOCO_OK));
    YOCO_TRY(yoco_snapshot_restore(s, &ring.begin));
    result->n_restored =
        yoco_i64_min(ring.begin * s->manifest.identity.chunk_rows, s->manifest.identity.n_tokens);
    log_begin(s, result->n_restored);
    YOCO_TRY(run_durable(s, &ring, ids, progress, progress_data, &written));
    if (s->w->ring.end < s->manifest.n_chunks) { /* on all ranks */
        YOCO_TRY(comm->ops->agree(comm, written));
        return YOCO_ERR_STOPPED;
    }
    result->durable = complete(s, written);
    return yoco_ring_share_last(s->w);
}

yoco_status yoco_worker_prefill_durable(yoco_worker *w, const int32_t *ids,
                                        const yoco_snapshot_target *target, yoco_progress progress,
                                        void *progress_data, yoco_snapshot_result *result)
{
    yoco_snapshot s = {.w = w};
    yoco_snapshot_result outcome = {.n_restored = 0};
    yoco_status status = w->comm->ops->agree(w->comm, snapshot_create(w, ids, target, &s));
    if (status == YOCO_OK)
        status = prefill(&s, ids, target, progress, progress_data, &outcome);
    yoco_context_manifest_free(&s.manifest);
    if (status != YOCO_OK || !target->temporary)
        yoco_snapshot_unlock(w);
    if (status == YOCO_ERR_STOPPED && w->comm->rank == 0)
        yoco_log_info("stopped as asked: what was computed is in %s, and the same command goes on "
                      "from there",
                      target->folder);
    if (status == YOCO_OK)
        *result = outcome;
    return status;
}

static yoco_status open_complete(yoco_worker *w, const yoco_snapshot_target *target,
                                 yoco_snapshot *out)
{
    yoco_snapshot s = {.w = w, .folder = target->folder, .edge_period = 1};
    char path[PATH_MAX];
    YOCO_TRY(yoco_path_join(target->folder, yoco_context_manifest_name, path));
    YOCO_TRY(yoco_context_manifest_load(path, false, &s.manifest));
    *out = s;
    return YOCO_OK;
}

static yoco_status check_complete(const yoco_snapshot *s, const yoco_snapshot_target *target)
{
    const yoco_context_identity *found = &s->manifest.identity;
    yoco_context_identity wanted = identity_of(s->w, target);
    char path[PATH_MAX];
    wanted.document = found->document;
    YOCO_TRY(yoco_path_join(target->folder, yoco_context_manifest_name, path));
    return yoco_context_identity_check(path, found, &wanted);
}

/* Each rank reads the folder by itself, perhaps a copy on its machine. Every file is checked
 * against the manifest, so equal manifests are equal contexts. */
static yoco_status compare_manifests(yoco_comm *comm, const yoco_snapshot *s)
{
    const yoco_context_manifest *m = &s->manifest;
    size_t bytes = (size_t)m->n_chunks * sizeof *m->chunks;
    yoco_hash first, mine = {0, 0};
    yoco_hasher *hasher;
    bool is_first, any;
    yoco_status status = yoco_hasher_create(&hasher);
    if (status == YOCO_OK) {
        yoco_hasher_add(hasher, &m->identity.document, sizeof m->identity.document);
        yoco_hasher_add(hasher, &m->n_chunks, sizeof m->n_chunks);
        yoco_hasher_add(hasher, m->chunks, bytes);
        yoco_hasher_add(hasher, m->edges, bytes);
        mine = yoco_hasher_finish(hasher);
    }
    YOCO_TRY(comm->ops->agree(comm, status));
    first = mine;
    YOCO_TRY(comm->ops->broadcast(comm, 0, &first, sizeof first));
    YOCO_TRY(yoco_comm_first(comm, !yoco_hash_equal(mine, first), &is_first, &any));
    if (is_first)
        yoco_log_error("%s: the context is not the one that rank 0 has there: copy one context to "
                       "all machines, or name a folder on a shared file system",
                       s->folder);
    return any ? YOCO_ERR_DATA : YOCO_OK;
}

yoco_status yoco_worker_load(yoco_worker *w, const yoco_snapshot_target *target)
{
    yoco_comm *comm = w->comm;
    yoco_snapshot s = {.w = w};
    yoco_log_hold();
    yoco_status status = yoco_comm_agree_lines(comm, open_complete(w, target, &s));
    if (status == YOCO_OK)
        status = compare_manifests(comm, &s);
    if (status == YOCO_OK) {
        yoco_log_hold();
        status = yoco_comm_agree_lines(comm, check_complete(&s, target));
    }
    if (status == YOCO_OK)
        status = yoco_snapshot_restore_all(&s);
    yoco_context_manifest_free(&s.manifest);
    return status == YOCO_OK ? yoco_ring_share_last(w) : status;
}
