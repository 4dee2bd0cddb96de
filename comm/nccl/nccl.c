/* Messages and collectives of device memory over NCCL. What lies in host memory goes over the
 * control transport.
 *
 * The ranks form a ring. Between two neighbours there is a link: a communicator and a stream of its
 * own, since a posted receive occupies its stream until the message is there. A rank sends on its
 * right link and receives on its left one. NCCL knows neither tags nor sizes, so each message's
 * travel ahead of it over the control transport. A ring of one copies.
 *
 * NCCL never blocks here: a call that is still in progress is asked for again in every wait, and so
 * is what it left on its stream. Before the buffers are touched, the device's own stream has done
 * what was on it (comm.h): by events, or because the host has waited. */
#include "comm/nccl/channels.h"
#include "comm/nccl/cuda_place.h"
#include "comm/over.h"
#include "comm/tags.h"
#include "trace.h"

#include <string.h>

enum { ABORT_S = 5 }; /* ncclCommAbort may hang as well */

typedef enum message_state { POSTED, STARTED, ON_STREAM } message_state;

typedef struct nccl_message {
    struct nccl_message *next; /* in its link, or in the list of those to use again */
    message_state state;
    bool incoming;
    void *data;
    size_t bytes;
    int64_t header[2], expected[2]; /* tag, bytes */
    yoco_request header_request;
    cudaEvent_t ready, done; /* on the device's stream; on the link's */
} nccl_message;

typedef struct nccl_link {
    const nccl_channel *channel;
    bool incoming;
    int peer;
    nccl_message *first, **last; /* what is not on the stream yet, in the order posted */
} nccl_link;

typedef struct nccl_comm {
    yoco_over over;
    nccl_channel channels[N_NCCL_CHANNELS];
    nccl_link left, right;
    const nccl_channel *all;
    cudaEvent_t all_ready, all_done, drained;
    nccl_message *unused;
} nccl_comm;

static const yoco_comm_ops nccl_ops;

static bool in_device_memory(const void *data, size_t bytes)
{
    struct cudaPointerAttributes attributes;
    return bytes > 0 && cudaPointerGetAttributes(&attributes, data) == cudaSuccess &&
           attributes.type == cudaMemoryTypeDevice;
}

static void check_cuda(nccl_comm *c, cudaError_t error, const yoco_subject *subject)
{
    if (error != cudaSuccess)
        yoco_wait_failed(&c->over.base, subject, cudaGetErrorString(error));
}

/* What comes later on stream `after` waits for what is on stream `before` now. */
static void order(nccl_comm *c, cudaStream_t before, cudaEvent_t event, cudaStream_t after,
                  const yoco_subject *subject)
{
    check_cuda(c, cudaEventRecord(event, before), subject);
    check_cuda(c, cudaStreamWaitEvent(after, event, 0), subject);
}

static void started(nccl_comm *c, ncclResult_t result, const yoco_subject *subject)
{
    if (result != ncclSuccess && result != ncclInProgress)
        yoco_wait_failed(&c->over.base, subject, ncclGetErrorString(result));
}

/* The first message of the link goes on by a step, if it can. */
static bool link_step(nccl_comm *c, nccl_link *link)
{
    nccl_message *m = link->first;
    const nccl_channel *channel = link->channel;
    const yoco_subject subject = {
        .wait = {"a message", -1, -1}, .peer = link->peer, .incoming = link->incoming};
    if (!m)
        return false;
    if (m->state == POSTED) {
        if (c->over.base.device_stream)
            check_cuda(c, cudaStreamWaitEvent(channel->stream, m->ready, 0), &subject);
        started(c,
                link->incoming
                    ? ncclRecv(m->data, m->bytes, ncclInt8, 0, channel->nccl, channel->stream)
                    : ncclSend(m->data, m->bytes, ncclInt8, 1, channel->nccl, channel->stream),
                &subject);
        m->state = STARTED;
    }
    if (!yoco_nccl_settled(&c->over.base, channel, &subject))
        return false;
    check_cuda(c, cudaEventRecord(m->done, channel->stream), &subject);
    m->state = ON_STREAM;
    link->first = m->next;
    if (!link->first)
        link->last = &link->first;
    return true;
}

/* A ring of one: sends and receives meet in pairs. */
static bool loop_step(nccl_comm *c)
{
    nccl_message *out = c->right.first, *in = c->left.first;
    const yoco_subject subject = {.wait = {"a copy", -1, -1}, .peer = 0};
    if (!out || !in)
        return false;
    size_t bytes = out->bytes < in->bytes ? out->bytes : in->bytes;
    cudaStream_t stream = c->right.channel->stream;
    if (c->over.base.device_stream) {
        check_cuda(c, cudaStreamWaitEvent(stream, in->ready, 0), &subject);
        check_cuda(c, cudaStreamWaitEvent(stream, out->ready, 0), &subject);
    }
    check_cuda(c, cudaMemcpyAsync(in->data, out->data, bytes, cudaMemcpyDeviceToDevice, stream),
               &subject);
    check_cuda(c, cudaEventRecord(in->done, stream), &subject);
    check_cuda(c, cudaEventRecord(out->done, stream), &subject);
    in->state = out->state = ON_STREAM;
    c->right.first = out->next;
    c->left.first = in->next;
    if (!out->next)
        c->right.last = &c->right.first;
    if (!in->next)
        c->left.last = &c->left.first;
    return true;
}

static void step_all(void *data)
{
    nccl_comm *c = data;
    if (!c->right.channel->nccl) {
        while (loop_step(c))
            continue;
        return;
    }
    while (link_step(c, &c->left))
        continue;
    while (link_step(c, &c->right))
        continue;
}

static void nccl_progress(yoco_comm *comm)
{
    nccl_comm *c = (nccl_comm *)comm;
    step_all(c);
    c->over.control->ops->progress(c->over.control);
}

static void poll_again(nccl_comm *c, yoco_pause *pause, const yoco_subject *subject)
{
    nccl_progress(&c->over.base);
    yoco_pause_poll(pause, &c->over.base, subject);
}

static yoco_status message_get(nccl_comm *c, nccl_message **out)
{
    nccl_message *m = c->unused;
    if (m) {
        c->unused = m->next;
    } else {
        YOCO_TRY(yoco_alloc(sizeof *m, "a message", (void **)&m));
        const yoco_subject subject = {.wait = {"an event", -1, -1}, .peer = -1};
        check_cuda(c, cudaEventCreateWithFlags(&m->ready, cudaEventDisableTiming), &subject);
        check_cuda(c, cudaEventCreateWithFlags(&m->done, cudaEventDisableTiming), &subject);
    }
    *out = m;
    return YOCO_OK;
}

/* The header leaves, or is awaited, at once: it does not depend on NCCL. */
static yoco_status post(nccl_comm *c, nccl_link *link, int tag, void *data, size_t bytes,
                        yoco_request *request)
{
    yoco_comm *control = c->over.control;
    nccl_message *m;
    YOCO_TRY(message_get(c, &m));
    *m = (nccl_message){.incoming = link->incoming,
                        .data = data,
                        .bytes = bytes,
                        .expected = {tag, (int64_t)bytes},
                        .ready = m->ready,
                        .done = m->done};
    const yoco_subject subject = {
        .wait = {"a message", -1, -1}, .peer = link->peer, .incoming = link->incoming};
    if (c->over.base.device_stream)
        check_cuda(c, cudaEventRecord(m->ready, c->over.base.device_stream), &subject);
    memcpy(m->header, m->expected, sizeof m->header);
    yoco_status status =
        link->incoming ? control->ops->receive(control, link->peer, YOCO_TAG_NCCL_HEADER, m->header,
                                               sizeof m->header, &m->header_request)
                       : control->ops->send(control, link->peer, YOCO_TAG_NCCL_HEADER, m->header,
                                            sizeof m->header, &m->header_request);
    YOCO_TRY(status);
    *request = (yoco_request){
        .active = true, .device = true, .peer = link->peer, .tag = tag, .bytes = bytes};
    memcpy(request->handle, &m, sizeof m);
    *link->last = m;
    link->last = &m->next;
    step_all(c);
    return YOCO_OK;
}

static yoco_status no_link(const yoco_comm *comm, const char *what, int peer)
{
    yoco_log_error("NCCL links neighbours only: rank %d of %d cannot %s rank %d", comm->rank,
                   comm->n_ranks, what, peer);
    return YOCO_ERR_INTERNAL;
}

static yoco_status nccl_send(yoco_comm *comm, int peer, int tag, const void *data, size_t bytes,
                             yoco_request *request)
{
    nccl_comm *c = (nccl_comm *)comm;
    yoco_comm *control = c->over.control;
    if (!yoco_message_fits(bytes, peer))
        return YOCO_ERR_INTERNAL;
    if (!in_device_memory(data, bytes))
        return control->ops->send(control, peer, tag, data, bytes, request);
    if (peer != c->right.peer)
        return no_link(comm, "send to", peer);
    if (!comm->is_group)
        yoco_trace_sent(peer, bytes);
    return post(c, &c->right, tag, (void *)data, bytes, request);
}

static yoco_status nccl_receive(yoco_comm *comm, int peer, int tag, void *data, size_t bytes,
                                yoco_request *request)
{
    nccl_comm *c = (nccl_comm *)comm;
    yoco_comm *control = c->over.control;
    if (!yoco_message_fits(bytes, peer))
        return YOCO_ERR_INTERNAL;
    if (!in_device_memory(data, bytes))
        return control->ops->receive(control, peer, tag, data, bytes, request);
    if (peer != c->left.peer)
        return no_link(comm, "receive from", peer);
    return post(c, &c->left, tag, data, bytes, request);
}

static void check_header(yoco_comm *comm, const nccl_message *m, const yoco_subject *subject)
{
    if (m->header[1] != m->expected[1])
        yoco_wait_wrong_size(comm, subject, (size_t)m->header[1], m->bytes);
    if (m->header[0] != m->expected[0])
        yoco_wait_failed(comm, subject, "another message came in its place");
}

static yoco_status nccl_wait(yoco_comm *comm, yoco_request *request, const yoco_wait_for *what)
{
    nccl_comm *c = (nccl_comm *)comm;
    yoco_comm *control = c->over.control;
    if (!request->active || !request->device)
        return control->ops->wait(control, request, what);
    nccl_message *m;
    memcpy(&m, request->handle, sizeof m);
    yoco_subject subject = {
        .wait = *what, .peer = request->peer, .incoming = m->incoming, .bytes = m->bytes};
    YOCO_TRY(control->ops->wait(control, &m->header_request, what));
    check_header(comm, m, &subject);
    yoco_pause pause = yoco_pause_begin(comm, &subject);
    while (m->state != ON_STREAM ||
           (!comm->device_stream && !yoco_nccl_happened(comm, m->done, &subject)))
        poll_again(c, &pause, &subject);
    yoco_pause_end();
    if (comm->device_stream)
        check_cuda(c, cudaStreamWaitEvent(comm->device_stream, m->done, 0), &subject);
    m->next = c->unused;
    c->unused = m;
    *request = (yoco_request){.active = false};
    return YOCO_OK;
}

/* Before a collective starts. */
static void begin_all(nccl_comm *c, const yoco_subject *subject)
{
    cudaStream_t stream = c->over.base.device_stream;
    if (stream)
        order(c, stream, c->all_ready, c->all->stream, subject);
}

/* Waits for a collective that was just started, or makes the device's stream wait. */
static void finish_all(nccl_comm *c, ncclResult_t result, const yoco_subject *subject)
{
    yoco_pause pause = yoco_pause_begin(&c->over.base, subject);
    started(c, result, subject);
    while (!yoco_nccl_settled(&c->over.base, c->all, subject))
        poll_again(c, &pause, subject);
    cudaStream_t stream = c->over.base.device_stream;
    if (stream)
        order(c, c->all->stream, c->all_done, stream, subject);
    else
        check_cuda(c, cudaEventRecord(c->all_done, c->all->stream), subject);
    while (!stream && !yoco_nccl_happened(&c->over.base, c->all_done, subject))
        poll_again(c, &pause, subject);
    yoco_pause_end();
}

/* Failures of NCCL show here too: the stream would wait for ever. */
static yoco_status nccl_drain(yoco_comm *comm)
{
    nccl_comm *c = (nccl_comm *)comm;
    const yoco_subject subject = {
        .wait = {"the end of the device's work", -1, -1}, .peer = -1, .collective = true};
    if (!comm->device_stream)
        return YOCO_OK;
    check_cuda(c, cudaEventRecord(c->drained, comm->device_stream), &subject);
    yoco_pause pause = yoco_pause_begin(comm, &subject);
    while (!yoco_nccl_happened(comm, c->drained, &subject)) {
        if (c->all->nccl) {
            for (int i = 0; i < N_NCCL_CHANNELS; i++)
                yoco_nccl_settled(comm, &c->channels[i], &subject);
        }
        poll_again(c, &pause, &subject);
    }
    yoco_pause_end();
    return YOCO_OK;
}

static void all_reduce(nccl_comm *c, void *data, int64_t n, size_t value_bytes, ncclDataType_t type,
                       ncclRedOp_t op, const char *what)
{
    const yoco_subject subject = {
        .wait = {what, -1, -1}, .peer = -1, .collective = true, .bytes = (size_t)n * value_bytes};
    yoco_trace_reduced(subject.bytes);
    if (!c->all->nccl)
        return;
    begin_all(c, &subject);
    finish_all(c, ncclAllReduce(data, data, (size_t)n, type, op, c->all->nccl, c->all->stream),
               &subject);
}

static yoco_status nccl_all_max_f32(yoco_comm *comm, float *data, int64_t n)
{
    if (!in_device_memory(data, (size_t)n))
        return yoco_over_all_max_f32(comm, data, n);
    all_reduce((nccl_comm *)comm, data, n, sizeof *data, ncclFloat32, ncclMax,
               "the maximum over all ranks");
    return YOCO_OK;
}

static yoco_status nccl_all_sum_i64(yoco_comm *comm, int64_t *data, int64_t n)
{
    if (!in_device_memory(data, (size_t)n))
        return yoco_over_all_sum_i64(comm, data, n);
    all_reduce((nccl_comm *)comm, data, n, sizeof *data, ncclInt64, ncclSum,
               "the sum over all ranks");
    return YOCO_OK;
}

static yoco_status nccl_broadcast(yoco_comm *comm, int root, void *data, size_t bytes)
{
    nccl_comm *c = (nccl_comm *)comm;
    const yoco_subject subject = {.wait = {"a broadcast", -1, -1},
                                  .peer = comm->rank == root ? -1 : root,
                                  .incoming = true,
                                  .collective = true,
                                  .bytes = bytes};
    if (!in_device_memory(data, bytes))
        return yoco_over_broadcast(comm, root, data, bytes);
    if (!c->all->nccl)
        return YOCO_OK;
    begin_all(c, &subject);
    finish_all(c, ncclBroadcast(data, data, bytes, ncclInt8, root, c->all->nccl, c->all->stream),
               &subject);
    return YOCO_OK;
}

static void nccl_abort(yoco_comm *comm, int exit_code)
{
    nccl_comm *c = (nccl_comm *)comm;
    yoco_exit_soon(exit_code, ABORT_S, NULL);
    for (int i = 0; i < N_NCCL_CHANNELS; i++)
        if (c->channels[i].nccl)
            ncclCommAbort(c->channels[i].nccl);
    yoco_over_abort(comm, exit_code);
}

static void release(nccl_comm *c)
{
    yoco_nccl_close(c->channels);
    for (nccl_message *m = c->unused, *next; m; m = next) {
        next = m->next;
        cudaEventDestroy(m->ready);
        cudaEventDestroy(m->done);
        yoco_free(m);
    }
    const cudaEvent_t events[] = {c->all_ready, c->all_done, c->drained};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (events[i])
            cudaEventDestroy(events[i]);
    yoco_free(c);
}

static void nccl_close(yoco_comm *comm)
{
    nccl_comm *c = (nccl_comm *)comm;
    yoco_comm *control = c->over.control;
    control->idle = NULL;
    release(c);
    control->ops->close(control);
}

static yoco_status make_events(nccl_comm *c)
{
    cudaEvent_t *const events[] = {&c->all_ready, &c->all_done, &c->drained};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (cudaEventCreateWithFlags(events[i], cudaEventDisableTiming) != cudaSuccess)
            return yoco_nccl_failed("no event", cudaGetErrorString(cudaGetLastError()));
    return YOCO_OK;
}

/* Takes over control on success. */
static yoco_status open_over(yoco_comm *control, yoco_comm **out)
{
    nccl_comm *c = NULL;
    yoco_status status = yoco_alloc(sizeof *c, "the communicator", (void **)&c);
    status = control->ops->agree(control, status);
    if (status != YOCO_OK) {
        yoco_free(c);
        return status;
    }
    int n = control->n_ranks, rank = control->rank;
    *c = (nccl_comm){.left = {.incoming = true, .peer = (rank + n - 1) % n},
                     .right = {.peer = (rank + 1) % n}};
    c->left.channel = &c->channels[NCCL_LEFT];
    c->right.channel = &c->channels[NCCL_RIGHT];
    c->all = &c->channels[NCCL_ALL];
    c->over = yoco_over_make(&nccl_ops, control, NULL, NULL);
    c->over.base.device_messages = c->over.base.device_collectives = true;
    c->left.last = &c->left.first;
    c->right.last = &c->right.first;
    status = control->ops->agree(control, make_events(c));
    if (status == YOCO_OK)
        status = yoco_nccl_open(control, c->channels);
    if (status != YOCO_OK) {
        release(c);
        return status;
    }
    control->idle = step_all;
    control->idle_data = c;
    *out = &c->over.base;
    return YOCO_OK;
}

/* A closed group leaves the streams of its parent as they are. */
static yoco_status nccl_split(yoco_comm *comm, int group, yoco_comm **out)
{
    yoco_comm *control = ((nccl_comm *)comm)->over.control, *part;
    YOCO_TRY(control->ops->split(control, group, &part));
    yoco_status status = open_over(part, out);
    if (status != YOCO_OK)
        part->ops->close(part);
    return status;
}

static const yoco_comm_ops nccl_ops = {
    .name = "nccl",
    .close = nccl_close,
    .abort = nccl_abort,
    .send = nccl_send,
    .receive = nccl_receive,
    .wait = nccl_wait,
    .all_max_f32 = nccl_all_max_f32,
    .all_sum_i64 = nccl_all_sum_i64,
    .broadcast = nccl_broadcast,
    .agree = yoco_over_agree,
    .split = nccl_split,
    .drain = nccl_drain,
    .progress = nccl_progress,
};

yoco_status yoco_comm_open_nccl(yoco_comm *control, yoco_comm **out)
{
    YOCO_TRY(yoco_cuda_place(control));
    return open_over(control, out);
}
