/* Messages and collectives of device memory over NCCL; the only file that includes nccl.h. What
 * lies in host memory goes over the control transport.
 *
 * The ranks form a ring. Between two neighbours there is a link: a communicator and a stream of its
 * own, since a posted receive occupies its stream until the message is there. A rank sends on its
 * right link and receives on its left one. NCCL knows neither tags nor sizes, so each message's
 * travel ahead of it over the control transport. A ring of one copies.
 *
 * NCCL never blocks here: a call that is still in progress is asked for again in every wait, and so
 * is what it left on its stream. Work on the buffers from other streams is done when a message or
 * collective starts (comm.h). */
#include "comm/cuda_place.h"
#include "comm/over.h"
#include "comm/wait.h"
#include "trace.h"

#include <cuda_runtime_api.h>
#include <nccl.h>
#include <string.h>

enum {
    HEADER_TAG = 1 << 14, /* beyond the tags of the engine */
    LINK_CTAS = 4,        /* a link's kernels leave the device to the products */
    CLOSE_S = 2,
    ABORT_S = 5, /* ncclCommAbort may hang as well */
    ID_WORDS = sizeof(ncclUniqueId) / sizeof(int64_t),
};

/* One communicator of NCCL with the stream of its operations. NULL in a ring of one. */
typedef struct nccl_channel {
    ncclComm_t nccl;
    cudaStream_t stream;
} nccl_channel;

typedef enum message_state { POSTED, STARTED, ON_STREAM } message_state;

typedef struct nccl_message {
    struct nccl_message *next; /* in its link, or in the list of those to use again */
    message_state state;
    bool incoming;
    void *data;
    size_t bytes;
    int64_t header[2], expected[2]; /* tag, bytes */
    yoco_request header_request;
    cudaEvent_t done;
} nccl_message;

typedef struct nccl_link {
    nccl_channel channel;
    bool incoming;
    int peer;
    nccl_message *first, **last; /* what is not on the stream yet, in the order posted */
} nccl_link;

typedef struct nccl_comm {
    yoco_over over;
    nccl_link left, right;
    nccl_channel all;
    cudaEvent_t all_done;
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

/* True when the channel's last call is through. */
static bool settled(nccl_comm *c, const nccl_channel *channel, const yoco_subject *subject)
{
    ncclResult_t state = ncclSuccess, asked = ncclCommGetAsyncError(channel->nccl, &state);
    if (asked != ncclSuccess)
        state = asked;
    if (state == ncclInProgress)
        return false;
    if (state != ncclSuccess)
        yoco_wait_failed(&c->over.base, subject, ncclGetLastError(channel->nccl));
    return true;
}

static void started(nccl_comm *c, ncclResult_t result, const yoco_subject *subject)
{
    if (result != ncclSuccess && result != ncclInProgress)
        yoco_wait_failed(&c->over.base, subject, ncclGetErrorString(result));
}

/* True when the event has come to pass. */
static bool happened(nccl_comm *c, cudaEvent_t event, const yoco_subject *subject)
{
    cudaError_t error = cudaEventQuery(event);
    if (error == cudaErrorNotReady)
        return false;
    check_cuda(c, error, subject);
    return true;
}

/* The first message of the link goes on by a step, if it can. */
static bool link_step(nccl_comm *c, nccl_link *link)
{
    nccl_message *m = link->first;
    const nccl_channel *channel = &link->channel;
    const yoco_subject subject = {
        .wait = {"a message", -1, -1}, .peer = link->peer, .incoming = link->incoming};
    if (!m)
        return false;
    if (m->state == POSTED) {
        started(c,
                link->incoming
                    ? ncclRecv(m->data, m->bytes, ncclInt8, 0, channel->nccl, channel->stream)
                    : ncclSend(m->data, m->bytes, ncclInt8, 1, channel->nccl, channel->stream),
                &subject);
        m->state = STARTED;
    }
    if (!settled(c, channel, &subject))
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
    cudaStream_t stream = c->right.channel.stream;
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

static void step_all(void *context)
{
    nccl_comm *c = context;
    if (!c->right.channel.nccl) {
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
                        .done = m->done};
    memcpy(m->header, m->expected, sizeof m->header);
    yoco_status status = link->incoming
                             ? control->ops->receive(control, link->peer, HEADER_TAG, m->header,
                                                     sizeof m->header, &m->header_request)
                             : control->ops->send(control, link->peer, HEADER_TAG, m->header,
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
    while (m->state != ON_STREAM || !happened(c, m->done, &subject))
        poll_again(c, &pause, &subject);
    yoco_pause_end();
    m->next = c->unused;
    c->unused = m;
    *request = (yoco_request){.active = false};
    return YOCO_OK;
}

/* Waits for a collective that was just started. */
static void finish_all(nccl_comm *c, ncclResult_t result, const yoco_subject *subject)
{
    yoco_pause pause = yoco_pause_begin(&c->over.base, subject);
    started(c, result, subject);
    while (!settled(c, &c->all, subject))
        poll_again(c, &pause, subject);
    check_cuda(c, cudaEventRecord(c->all_done, c->all.stream), subject);
    while (!happened(c, c->all_done, subject))
        poll_again(c, &pause, subject);
    yoco_pause_end();
}

static void all_reduce(nccl_comm *c, void *data, int64_t n, size_t value_bytes, ncclDataType_t type,
                       ncclRedOp_t op, const char *what)
{
    const yoco_subject subject = {
        .wait = {what, -1, -1}, .peer = -1, .collective = true, .bytes = (size_t)n * value_bytes};
    yoco_trace_reduced(subject.bytes);
    if (c->all.nccl)
        finish_all(c, ncclAllReduce(data, data, (size_t)n, type, op, c->all.nccl, c->all.stream),
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
    if (c->all.nccl)
        finish_all(c, ncclBroadcast(data, data, bytes, ncclInt8, root, c->all.nccl, c->all.stream),
                   &subject);
    return YOCO_OK;
}

static void nccl_abort(yoco_comm *comm, int exit_code)
{
    nccl_comm *c = (nccl_comm *)comm;
    nccl_channel *const channels[] = {&c->left.channel, &c->right.channel, &c->all};
    yoco_exit_soon(exit_code, ABORT_S);
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        if (channels[i]->nccl)
            ncclCommAbort(channels[i]->nccl);
    yoco_over_abort(comm, exit_code);
}

/* Ends what was opened, together on all channels since the ranks are linked in a ring; not for
 * ever: the other side may be dead. */
static void close_channels(nccl_comm *c)
{
    nccl_channel *const channels[] = {&c->left.channel, &c->right.channel, &c->all};
    enum { N = sizeof channels / sizeof *channels };
    double limit_s = yoco_now_s() + CLOSE_S;
    for (int i = 0; i < N; i++)
        if (channels[i]->nccl)
            ncclCommFinalize(channels[i]->nccl);
    for (int i = 0; i < N; i++) {
        ncclResult_t state = ncclInProgress, asked = ncclSuccess;
        ncclComm_t nccl = channels[i]->nccl;
        while (nccl && asked == ncclSuccess && state == ncclInProgress && yoco_now_s() < limit_s)
            asked = ncclCommGetAsyncError(nccl, &state);
        if (nccl && asked == ncclSuccess && state == ncclSuccess)
            ncclCommDestroy(nccl);
        else if (nccl)
            ncclCommAbort(nccl);
        if (channels[i]->stream)
            cudaStreamDestroy(channels[i]->stream);
    }
}

static void release(nccl_comm *c)
{
    close_channels(c);
    for (nccl_message *m = c->unused, *next; m; m = next) {
        next = m->next;
        cudaEventDestroy(m->done);
        yoco_free(m);
    }
    if (c->all_done)
        cudaEventDestroy(c->all_done);
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

static yoco_status failed(const char *what, const char *reason)
{
    yoco_log_error("NCCL: %s: %s", what, reason);
    return YOCO_ERR_INTERNAL;
}

#define TRY_CUDA(call)                                                                             \
    do {                                                                                           \
        cudaError_t error_ = (call);                                                               \
        if (error_ != cudaSuccess)                                                                 \
            return failed(#call, cudaGetErrorString(error_));                                      \
    } while (0)

#define TRY_NCCL(call)                                                                             \
    do {                                                                                           \
        ncclResult_t result_ = (call);                                                             \
        if (result_ != ncclSuccess && result_ != ncclInProgress)                                   \
            return failed(#call, ncclGetErrorString(result_));                                     \
    } while (0)

static yoco_status make_streams(nccl_comm *c)
{
    TRY_CUDA(cudaStreamCreateWithFlags(&c->left.channel.stream, cudaStreamNonBlocking));
    TRY_CUDA(cudaStreamCreateWithFlags(&c->right.channel.stream, cudaStreamNonBlocking));
    TRY_CUDA(cudaStreamCreateWithFlags(&c->all.stream, cudaStreamNonBlocking));
    TRY_CUDA(cudaEventCreateWithFlags(&c->all_done, cudaEventDisableTiming));
    return YOCO_OK;
}

/* ids: (n_ranks + 1): of each rank's right link, then of all ranks. */
static yoco_status exchange_ids(yoco_comm *control, ncclUniqueId *ids)
{
    int64_t mine[2 * ID_WORDS];
    ncclUniqueId id[2];
    yoco_status status = YOCO_OK;
    for (int i = 0; i < 2 && status == YOCO_OK; i++)
        if (ncclGetUniqueId(&id[i]) != ncclSuccess)
            status = failed("no id", ncclGetLastError(NULL));
    YOCO_TRY(control->ops->agree(control, status));
    memcpy(mine, id, sizeof mine);
    YOCO_TRY(yoco_over_gather(control, mine, ID_WORDS, (int64_t *)(void *)ids));
    ids[control->n_ranks] = id[1];
    return control->ops->broadcast(control, 0, &ids[control->n_ranks], sizeof *ids);
}

/* Both links in one group, as neither may wait for the other. */
static yoco_status start_links(nccl_comm *c, const ncclUniqueId *ids)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    config.maxCTAs = LINK_CTAS;
    TRY_NCCL(ncclGroupStart());
    TRY_NCCL(ncclCommInitRankConfig(&c->right.channel.nccl, 2, ids[c->over.base.rank], 0, &config));
    TRY_NCCL(ncclCommInitRankConfig(&c->left.channel.nccl, 2, ids[c->left.peer], 1, &config));
    TRY_NCCL(ncclGroupEnd());
    return YOCO_OK;
}

static yoco_status start_all(nccl_comm *c, const ncclUniqueId *ids)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    TRY_NCCL(ncclCommInitRankConfig(&c->all.nccl, c->over.base.n_ranks, ids[c->over.base.n_ranks],
                                    c->over.base.rank, &config));
    return YOCO_OK;
}

static void wait_settled(nccl_comm *c, const nccl_channel *one, const nccl_channel *other)
{
    const yoco_subject subject = {
        .wait = {"the start of NCCL", -1, -1}, .peer = -1, .collective = true};
    yoco_pause pause = yoco_pause_begin(&c->over.base, &subject);
    for (bool done = false; !done;) {
        bool one_done = settled(c, one, &subject);
        done = settled(c, other, &subject) && one_done;
        if (!done)
            poll_again(c, &pause, &subject);
    }
    yoco_pause_end();
}

static yoco_status connect(nccl_comm *c)
{
    yoco_comm *control = c->over.control;
    ncclUniqueId *ids = NULL;
    size_t n = (size_t)control->n_ranks + 1;
    yoco_status status = yoco_alloc(n * sizeof *ids, "NCCL's ids", (void **)&ids);
    if (status == YOCO_OK)
        status = make_streams(c);
    status = control->ops->agree(control, status);
    if (status == YOCO_OK && control->n_ranks > 1)
        status = exchange_ids(control, ids);
    if (status == YOCO_OK && control->n_ranks > 1)
        status = control->ops->agree(control, start_all(c, ids));
    if (status == YOCO_OK && c->all.nccl) {
        wait_settled(c, &c->all, &c->all);
        status = control->ops->agree(control, start_links(c, ids));
    }
    if (status == YOCO_OK && c->all.nccl)
        wait_settled(c, &c->left.channel, &c->right.channel);
    yoco_free(ids);
    return status;
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
    c->over = yoco_over_make(&nccl_ops, control, NULL, NULL);
    c->over.base.device_messages = c->over.base.device_collectives = true;
    c->left.last = &c->left.first;
    c->right.last = &c->right.first;
    status = connect(c);
    if (status != YOCO_OK) {
        release(c);
        return status;
    }
    control->idle = step_all;
    control->idle_context = c;
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
    .progress = nccl_progress,
};

yoco_status yoco_comm_open_nccl(yoco_comm *control, yoco_comm **out)
{
    YOCO_TRY(yoco_cuda_place(control));
    return open_over(control, out);
}
