/* Writes behind the computation. Chunks of a rank are finished in order and never change, so what
 * is to be written is a number: the chunks before n_ready. Edges lie in one copy, which is free
 * again once it is on disk; the context's last edges never change and need none. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "partition/edge_period.h"
#include "worker/snapshot/parts.h"

enum { NONE = -1, POLL_MS = 200 };

struct yoco_snapshot_writer {
    yoco_snapshot *s;
    void *stage;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int64_t copying; /* the last chunk whose edges were copied; of the rank's own thread */
    /* under the mutex */
    int64_t next_chunk; /* the next to write */
    int64_t n_ready;    /* this rank's chunks before it are final */
    int64_t copied;     /* whose edges stand in EDGE_COPY; NONE: it is free */
    bool copy_ready;    /* all layers of them */
    int64_t last;       /* the last chunk, while its edges are still to be written; else NONE */
    bool closing;
    yoco_status status; /* the first failure; nothing is written after it */
};

/* What to write next, in this order: an edge as soon as the chunks before it are written, so that
 * the work can be resumed there. */
static bool next_payload(const yoco_snapshot_writer *t, yoco_snapshot_payload *out)
{
    if (t->copied != NONE && t->copy_ready && t->next_chunk > t->copied)
        *out = yoco_snapshot_edge(t->s, t->copied, YOCO_BUF_EDGE_COPY);
    else if (t->next_chunk < t->n_ready)
        *out = yoco_snapshot_chunk(t->s, t->next_chunk);
    else if (t->last != NONE && t->next_chunk > t->last)
        *out = yoco_snapshot_edge(t->s, t->last, YOCO_BUF_CONTEXT_EDGE);
    else
        return false;
    return true;
}

static void written(yoco_snapshot_writer *t, const yoco_context_part *part)
{
    if (part->kind == YOCO_CONTEXT_CHUNK)
        t->next_chunk += t->s->w->comm->n_ranks;
    else if (part->chunk == t->copied)
        t->copied = NONE;
    else
        t->last = NONE;
}

static void *write_all(void *data)
{
    yoco_snapshot_writer *t = data;
    yoco_context_manifest *m = &t->s->manifest;
    yoco_snapshot_payload payload;
    pthread_mutex_lock(&t->mutex);
    while (true) {
        while (!next_payload(t, &payload) && !t->closing)
            pthread_cond_wait(&t->changed, &t->mutex);
        if (!next_payload(t, &payload))
            break;
        yoco_status status = t->status;
        pthread_mutex_unlock(&t->mutex);
        bool is_chunk = payload.part.kind == YOCO_CONTEXT_CHUNK;
        if (status == YOCO_OK)
            status = yoco_snapshot_write(t->s, &payload, t->stage,
                                         &(is_chunk ? m->chunks : m->edges)[payload.part.chunk]);
        pthread_mutex_lock(&t->mutex);
        t->status = status;
        written(t, &payload.part);
        pthread_cond_broadcast(&t->changed);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

yoco_status yoco_snapshot_writer_open(yoco_snapshot *s, int64_t begin, yoco_snapshot_writer **out)
{
    yoco_snapshot_writer *t = calloc(1, sizeof *t);
    if (!t) {
        yoco_log_error("cannot allocate the writer of a snapshot");
        return YOCO_ERR_MEMORY;
    }
    int64_t first = yoco_grid_first_chunk(&s->w->plan.input.grid, s->w->comm->rank, begin);
    *t = (yoco_snapshot_writer){.s = s,
                                .next_chunk = first,
                                .n_ready = first,
                                .copying = NONE,
                                .copied = NONE,
                                .last = NONE};
    yoco_status status =
        yoco_alloc(YOCO_SNAPSHOT_STAGE_BYTES, "the writer of a snapshot", &t->stage);
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->changed, NULL);
    if (status == YOCO_OK && pthread_create(&t->thread, NULL, write_all, t) != 0) {
        yoco_log_error("cannot start the thread that writes a snapshot");
        status = YOCO_ERR_INTERNAL;
    }
    if (status != YOCO_OK) {
        yoco_free(t->stage);
        free(t);
        return status;
    }
    *out = t;
    return YOCO_OK;
}

/* The last edges stand in CONTEXT_EDGE. Where a stop ends the prefill, its edge is saved too. */
static bool is_copied(const yoco_snapshot_writer *t, int64_t chunk)
{
    int64_t n_chunks = t->s->manifest.n_chunks;
    return chunk != n_chunks - 1 && (chunk + 1 == t->s->w->ring.end ||
                                     yoco_edge_is_saved(n_chunks, t->s->edge_period, chunk));
}

static void copy_begin(yoco_snapshot_writer *t, int64_t chunk)
{
    pthread_mutex_lock(&t->mutex);
    while (t->copied != NONE)
        pthread_cond_wait(&t->changed, &t->mutex);
    t->copied = chunk;
    t->copy_ready = false;
    t->copying = chunk;
    pthread_mutex_unlock(&t->mutex);
}

static void copy_edge(void *data, int64_t chunk, const yoco_past *past)
{
    yoco_snapshot_writer *t = data;
    yoco_worker *w = t->s->w;
    if (!is_copied(t, chunk))
        return;
    if (t->copying != chunk)
        copy_begin(t, chunk);
    w->ops->copy(w->device, yoco_bytes(w, YOCO_BUF_EDGE_COPY) + past->slot_at,
                 yoco_bytes(w, YOCO_BUF_EDGE_OUT) + past->slot_at, past->slot_bytes);
}

static void take_chunk(void *data, int64_t chunk)
{
    yoco_snapshot_writer *t = data;
    if (is_copied(t, chunk) && t->copying != chunk)
        copy_begin(t, chunk); /* edges without bytes: windows of 1 */
    pthread_mutex_lock(&t->mutex);
    t->n_ready = chunk + 1;
    if (t->copied == chunk)
        t->copy_ready = true;
    if (chunk == t->s->manifest.n_chunks - 1)
        t->last = chunk;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}

static bool is_idle(const yoco_snapshot_writer *t)
{
    return t->next_chunk >= t->n_ready && t->copied == NONE && t->last == NONE;
}

/* Whether there is nothing left to write, after at most POLL_MS. */
static bool wait_idle(yoco_snapshot_writer *t)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&t->mutex);
    while (!is_idle(t) && pthread_cond_timedwait(&t->changed, &t->mutex, &until) != ETIMEDOUT)
        ;
    bool idle = is_idle(t);
    pthread_mutex_unlock(&t->mutex);
    return idle;
}

/* The others meet again and again, so that a slow disk is no rank that does not answer. */
yoco_status yoco_snapshot_writer_drain(yoco_snapshot_writer *t)
{
    yoco_comm *comm = t->s->w->comm;
    int64_t n_busy;
    do {
        n_busy = !wait_idle(t);
        YOCO_TRY(comm->ops->all_sum_i64(comm, &n_busy, 1));
    } while (n_busy > 0);
    return YOCO_OK;
}

static bool has_failed(void *data)
{
    yoco_snapshot_writer *t = data;
    pthread_mutex_lock(&t->mutex);
    bool failed = t->status != YOCO_OK;
    pthread_mutex_unlock(&t->mutex);
    return failed;
}

const yoco_ring_sink yoco_snapshot_writer_sink = {
    .edge = copy_edge, .chunk = take_chunk, .failed = has_failed};

yoco_status yoco_snapshot_writer_close(yoco_snapshot_writer *t)
{
    pthread_mutex_lock(&t->mutex);
    t->closing = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->mutex);
    pthread_join(t->thread, NULL);
    yoco_status status = t->status;
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
    yoco_free(t->stage);
    free(t);
    return status;
}
