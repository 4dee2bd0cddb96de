/* comm.h for one rank, without MPI: what it sends it receives. Collectives have nothing to do. A
 * message is copied once its send and its receive are both posted. */
#include "comm/comm.h"
#include "comm/launch.h"
#include "comm/wait.h"
#include "comm/watch/watch.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The content of a yoco_request. It is not moved until the wait, so a list may run through it. */
typedef struct __attribute__((may_alias)) self_handle {
    yoco_request *next;
    void *data;
    size_t arrived_bytes; /* of a receive that is done */
    bool incoming, done;
} self_handle;

_Static_assert(sizeof(self_handle) <= YOCO_REQUEST_BYTES, "YOCO_REQUEST_BYTES is too small");

typedef struct self_comm {
    yoco_comm base;
    yoco_request *sends, *receives; /* posted and not matched, oldest first */
} self_comm;

static self_handle *handle_of(yoco_request *request)
{
    return (self_handle *)request->handle;
}

/* Takes the oldest request of that tag from a list; NULL: there is none. */
static yoco_request *take(yoco_request **list, int tag)
{
    while (*list && (*list)->tag != tag)
        list = &handle_of(*list)->next;
    yoco_request *found = *list;
    if (found)
        *list = handle_of(found)->next;
    return found;
}

static void append(yoco_request **list, yoco_request *request)
{
    while (*list)
        list = &handle_of(*list)->next;
    *list = request;
}

/* Sizes that differ show in the wait of the receive. */
static void copy(yoco_request *from, yoco_request *to)
{
    self_handle *source = handle_of(from), *target = handle_of(to);
    if (from->bytes > 0 && from->bytes == to->bytes)
        memcpy(target->data, source->data, from->bytes);
    target->arrived_bytes = from->bytes;
    source->done = target->done = true;
}

static void request_begin(yoco_request *request, int peer, int tag, void *data, size_t bytes,
                          bool incoming)
{
    *request = (yoco_request){.active = true, .peer = peer, .tag = tag, .bytes = bytes};
    *handle_of(request) = (self_handle){.data = data, .incoming = incoming};
}

static yoco_status self_send(yoco_comm *comm, int peer, int tag, const void *data, size_t bytes,
                             yoco_request *request)
{
    self_comm *c = (self_comm *)comm;
    if (!yoco_message_fits(bytes, peer))
        return YOCO_ERR_INTERNAL;
    if (!comm->is_group)
        yoco_trace_sent(peer, bytes);
    request_begin(request, peer, tag, (void *)data, bytes, false);
    yoco_request *receive = take(&c->receives, tag);
    if (receive)
        copy(request, receive);
    else
        append(&c->sends, request);
    return YOCO_OK;
}

static yoco_status self_receive(yoco_comm *comm, int peer, int tag, void *data, size_t bytes,
                                yoco_request *request)
{
    self_comm *c = (self_comm *)comm;
    if (!yoco_message_fits(bytes, peer))
        return YOCO_ERR_INTERNAL;
    request_begin(request, peer, tag, data, bytes, true);
    yoco_request *send = take(&c->sends, tag);
    if (send)
        copy(send, request);
    else
        append(&c->receives, request);
    return YOCO_OK;
}

/* Nobody else posts the other half while this rank waits: without it the deadline passes. */
static yoco_status self_wait(yoco_comm *comm, yoco_request *request, const yoco_wait_for *what)
{
    if (!request->active)
        return YOCO_OK;
    const self_handle *handle = handle_of(request);
    yoco_subject subject = {.wait = *what,
                            .peer = request->peer,
                            .incoming = handle->incoming,
                            .bytes = request->bytes};
    yoco_pause pause = yoco_pause_begin(comm, &subject);
    while (!handle->done)
        yoco_pause_poll(&pause, comm, &subject);
    yoco_pause_end();
    if (handle->incoming && handle->arrived_bytes != request->bytes)
        yoco_wait_wrong_size(comm, &subject, handle->arrived_bytes, request->bytes);
    *request = (yoco_request){.active = false};
    return YOCO_OK;
}

static yoco_status self_all_max_f32(yoco_comm *comm, float *data, int64_t n)
{
    (void)comm;
    yoco_trace_reduced((size_t)n * sizeof *data);
    return YOCO_OK;
}

static yoco_status self_all_sum_i64(yoco_comm *comm, int64_t *data, int64_t n)
{
    (void)comm;
    yoco_trace_reduced((size_t)n * sizeof *data);
    return YOCO_OK;
}

static yoco_status self_broadcast(yoco_comm *comm, int root, void *data, size_t bytes)
{
    (void)comm;
    (void)root;
    (void)data;
    (void)bytes;
    return YOCO_OK;
}

static yoco_status self_agree(yoco_comm *comm, yoco_status mine)
{
    (void)comm;
    yoco_trace_reduced(sizeof(int));
    return mine;
}

static yoco_status self_drain(yoco_comm *comm)
{
    (void)comm;
    return YOCO_OK;
}

static void self_progress(yoco_comm *comm)
{
    (void)comm;
}

_Noreturn static void self_abort(yoco_comm *comm, int exit_code)
{
    (void)comm;
    fflush(NULL);
    _exit(exit_code);
}

static void self_close(yoco_comm *comm)
{
    if (!comm->is_group)
        yoco_watch_stop();
    yoco_free(comm);
}

static yoco_status self_split(yoco_comm *comm, int group, yoco_comm **out);

static const yoco_comm_ops self_ops = {
    .name = "self",
    .close = self_close,
    .abort = self_abort,
    .send = self_send,
    .receive = self_receive,
    .wait = self_wait,
    .all_max_f32 = self_all_max_f32,
    .all_sum_i64 = self_all_sum_i64,
    .broadcast = self_broadcast,
    .agree = self_agree,
    .split = self_split,
    .drain = self_drain,
    .progress = self_progress,
};

static yoco_status create(double deadline_s, bool is_group, yoco_comm **out)
{
    self_comm *comm = NULL;
    YOCO_TRY(yoco_alloc(sizeof *comm, "the communicator", (void **)&comm));
    *comm = (self_comm){.base = {.ops = &self_ops,
                                 .n_ranks = 1,
                                 .node_n_ranks = 1,
                                 .deadline_s = deadline_s,
                                 .is_group = is_group}};
    *out = &comm->base;
    return YOCO_OK;
}

static yoco_status self_split(yoco_comm *comm, int group, yoco_comm **out)
{
    (void)group;
    return create(comm->deadline_s, true, out);
}

yoco_status yoco_comm_open_self(const yoco_comm_options *options, yoco_comm **out)
{
    yoco_comm *comm;
    yoco_log_set_rank(0, 1);
    YOCO_TRY(create(options->deadline_s, false, &comm));
    yoco_status status = YOCO_OK;
    if (options->hang_folder)
        status = yoco_comm_watch(comm, options->hang_folder);
    if (status != YOCO_OK) {
        self_close(comm);
        return status;
    }
    *out = comm;
    return YOCO_OK;
}
