/* Messages over UCP, tag matching; the only file that includes ucp/api/ucp.h. Addresses travel over
 * the control transport, which also carries the collectives. An endpoint is made at the first
 * message to its rank, so a ring has two.
 *
 * Groups share the worker and the endpoints of the communicator they came from: whoever makes
 * progress makes it for all of them.
 *
 * Settings: YOCO_UCX_TLS and so on, else UCX_TLS, which MPI obeys as well.
 *
 * UCX's own error handling stays off: it would rule out shared memory. The deadline covers it. */
#include "comm/over.h"
#include "comm/wait.h"
#include "trace.h"

#include <string.h>
#include <ucp/api/ucp.h>

enum { TAG_BITS = 24, RANK_BITS = 24, BURST = 64, CLOSE_S = 2 };

/* One for all groups of a process. */
typedef struct ucx_net {
    ucp_context_h context;
    ucp_worker_h worker;
    int n_ranks, n_groups;
    int64_t address_words;
    int64_t *addresses; /* (n_ranks, address_words) */
    ucp_ep_h *ends;     /* (n_ranks), NULL until the first message */
    int64_t *ranks;     /* (n_ranks): 0, 1, ...: the first communicator's */
} ucx_net;

typedef struct ucx_comm {
    yoco_over over;
    ucx_net *net;
    int64_t *ranks; /* (over.base.n_ranks): this group's ranks, as the net numbers them */
    int group;      /* in the tag; 0: all ranks, which own the net */
} ucx_comm;

/* The content of a yoco_request. */
typedef struct ucx_handle {
    void *request;
    bool incoming;
} ucx_handle;

_Static_assert(sizeof(ucx_handle) <= YOCO_REQUEST_BYTES, "YOCO_REQUEST_BYTES is too small");

/* Makes progress as long as something moves: a wait that lasts sleeps between these calls. */
static void net_progress(void *data)
{
    const ucx_net *net = data;
    for (int i = 0; i < BURST && ucp_worker_progress(net->worker) != 0; i++)
        continue;
}

static ucp_tag_t make_tag(const ucx_comm *c, int from, int tag)
{
    return (ucp_tag_t)c->group << (RANK_BITS + TAG_BITS) | (ucp_tag_t)from << TAG_BITS |
           (ucp_tag_t)tag;
}

/* Makes progress on the way down as well: what a peer waits for may still lie in MPI. */
static ucs_status_t finish(ucx_comm *c, ucs_status_ptr_t request, const yoco_subject *subject)
{
    if (!UCS_PTR_IS_PTR(request))
        return UCS_PTR_STATUS(request);
    yoco_pause pause = yoco_pause_begin(&c->over.base, subject);
    ucs_status_t status;
    while ((status = ucp_request_check_status(request)) == UCS_INPROGRESS) {
        net_progress(c->net);
        yoco_comm_progress(c->over.control);
        yoco_pause_poll(&pause, &c->over.base, subject);
    }
    yoco_pause_end();
    return status;
}

static ucs_status_t end_of(ucx_net *net, int64_t rank, ucp_ep_h *out)
{
    if (!net->ends[rank]) {
        const ucp_ep_params_t params = {
            .field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS,
            .address = (const ucp_address_t *)(net->addresses + rank * net->address_words)};
        ucs_status_t status = ucp_ep_create(net->worker, &params, &net->ends[rank]);
        if (status != UCS_OK)
            return status;
    }
    *out = net->ends[rank];
    return UCS_OK;
}

static void request_begin(ucx_comm *c, ucs_status_ptr_t started, const yoco_subject *subject,
                          int tag, size_t bytes, yoco_request *request)
{
    if (UCS_PTR_IS_ERR(started))
        yoco_wait_failed(&c->over.base, subject, ucs_status_string(UCS_PTR_STATUS(started)));
    ucx_handle handle = {.request = started, .incoming = subject->incoming};
    *request = (yoco_request){.active = true, .peer = subject->peer, .tag = tag, .bytes = bytes};
    memcpy(request->handle, &handle, sizeof handle);
}

/* Even a message that leaves at once gives a request: one path. */
static const ucp_request_param_t always_request = {.op_attr_mask = UCP_OP_ATTR_FLAG_NO_IMM_CMPL};

static yoco_status ucx_send(yoco_comm *comm, int peer, int tag, const void *data, size_t bytes,
                            yoco_request *request)
{
    ucx_comm *c = (ucx_comm *)comm;
    const yoco_subject subject = {.wait = {"start of a message", -1, -1}, .peer = peer};
    if (!yoco_message_fits(bytes, peer))
        return YOCO_ERR_INTERNAL;
    ucp_ep_h end;
    ucs_status_t status = end_of(c->net, c->ranks[peer], &end);
    if (status != UCS_OK)
        yoco_wait_failed(comm, &subject, ucs_status_string(status));
    if (!comm->is_group) /* a group numbers its ranks anew */
        yoco_trace_sent(peer, bytes);
    ucs_status_ptr_t started =
        ucp_tag_send_nbx(end, data, bytes, make_tag(c, comm->rank, tag), &always_request);
    request_begin(c, started, &subject, tag, bytes, request);
    return YOCO_OK;
}

static yoco_status ucx_receive(yoco_comm *comm, int peer, int tag, void *data, size_t bytes,
                               yoco_request *request)
{
    ucx_comm *c = (ucx_comm *)comm;
    const yoco_subject subject = {
        .wait = {"start of a message", -1, -1}, .peer = peer, .incoming = true};
    if (!yoco_message_fits(bytes, peer))
        return YOCO_ERR_INTERNAL;
    ucs_status_ptr_t started = ucp_tag_recv_nbx(c->net->worker, data, bytes, make_tag(c, peer, tag),
                                                ~(ucp_tag_t)0, &always_request);
    request_begin(c, started, &subject, tag, bytes, request);
    return YOCO_OK;
}

static yoco_status ucx_wait(yoco_comm *comm, yoco_request *request, const yoco_wait_for *what)
{
    ucx_comm *c = (ucx_comm *)comm;
    if (!request->active)
        return YOCO_OK;
    ucx_handle handle;
    memcpy(&handle, request->handle, sizeof handle);
    yoco_subject subject = {
        .wait = *what, .peer = request->peer, .incoming = handle.incoming, .bytes = request->bytes};
    ucs_status_t status = finish(c, handle.request, &subject);
    ucp_tag_recv_info_t info = {.length = request->bytes};
    if (status == UCS_OK && handle.incoming)
        status = ucp_tag_recv_request_test(handle.request, &info);
    if (status != UCS_OK)
        yoco_wait_failed(comm, &subject, ucs_status_string(status));
    if (info.length != request->bytes)
        yoco_wait_wrong_size(comm, &subject, info.length, request->bytes);
    ucp_request_free(handle.request);
    *request = (yoco_request){.active = false};
    return YOCO_OK;
}

/* Sends what has not left yet, but not for ever: the other side may be dead. */
static void close_ends(ucx_net *net)
{
    const ucp_request_param_t flush = {.op_attr_mask = 0};
    double limit_s = yoco_now_s() + CLOSE_S;
    for (int rank = 0; rank < net->n_ranks; rank++) {
        if (!net->ends || !net->ends[rank])
            continue;
        ucs_status_ptr_t request = ucp_ep_close_nbx(net->ends[rank], &flush);
        if (!UCS_PTR_IS_PTR(request))
            continue;
        while (ucp_request_check_status(request) == UCS_INPROGRESS && yoco_now_s() < limit_s)
            ucp_worker_progress(net->worker);
        ucp_request_free(request);
    }
}

static void net_close(ucx_net *net)
{
    if (net->worker) {
        close_ends(net);
        ucp_worker_destroy(net->worker);
    }
    if (net->context)
        ucp_cleanup(net->context);
    yoco_free(net->addresses);
    yoco_free(net->ends);
    yoco_free(net->ranks);
    yoco_free(net);
}

static void ucx_close(yoco_comm *comm)
{
    ucx_comm *c = (ucx_comm *)comm;
    yoco_comm *control = c->over.control;
    if (c->group == 0)
        net_close(c->net);
    else
        yoco_free(c->ranks);
    yoco_free(c);
    control->idle = NULL;
    yoco_comm_close(control);
}

static void ucx_progress(yoco_comm *comm)
{
    ucx_comm *c = (ucx_comm *)comm;
    net_progress(c->net);
    yoco_comm_progress(c->over.control);
}

static yoco_status ucx_split(yoco_comm *comm, int group, yoco_comm **out);

static const yoco_comm_ops ucx_ops = {
    .name = "ucx",
    .close = ucx_close,
    .abort = yoco_over_abort,
    .send = ucx_send,
    .receive = ucx_receive,
    .wait = ucx_wait,
    .all_max_f32 = yoco_over_all_max_f32,
    .all_sum_i64 = yoco_over_all_sum_i64,
    .broadcast = yoco_over_broadcast,
    .agree = yoco_over_agree,
    .split = ucx_split,
    .drain = yoco_over_drain,
    .progress = ucx_progress,
};

/* The groups that one split makes share no rank, so they share a number; no earlier group of any of
 * their ranks has it. */
static yoco_status group_make(ucx_comm *parent, yoco_comm *control, ucx_comm *c)
{
    float last = (float)parent->net->n_groups;
    YOCO_TRY(yoco_all_max_f32(parent->over.control, &last, 1));
    parent->net->n_groups = (int)last + 1;
    *c = (ucx_comm){.over = yoco_over_make(&ucx_ops, control, net_progress, parent->net),
                    .net = parent->net,
                    .ranks = c->ranks,
                    .group = (int)last + 1};
    c->over.base.device_messages = parent->over.base.device_messages;
    return yoco_over_gather(control, &parent->ranks[parent->over.base.rank], 1, c->ranks);
}

static yoco_status ucx_split(yoco_comm *comm, int group, yoco_comm **out)
{
    ucx_comm *parent = (ucx_comm *)comm, *c = NULL;
    int64_t *ranks = NULL;
    yoco_comm *control = NULL;
    yoco_status status = yoco_alloc(sizeof *c, "a group of ranks", (void **)&c);
    if (status == YOCO_OK)
        status = yoco_alloc((size_t)comm->n_ranks * sizeof *ranks, "a group", (void **)&ranks);
    status = yoco_over_agree(comm, status);
    if (status == YOCO_OK)
        status = yoco_comm_split(parent->over.control, group, &control);
    if (status != YOCO_OK) {
        yoco_free(ranks);
        yoco_free(c);
        return status;
    }
    c->ranks = ranks;
    YOCO_TRY(group_make(parent, control, c));
    *out = &c->over.base;
    return YOCO_OK;
}

static yoco_status ucx_failed(const char *what, ucs_status_t status)
{
    yoco_log_error("UCX: %s: %s", what, ucs_status_string(status));
    return YOCO_ERR_INTERNAL;
}

static yoco_status net_start(ucx_net *net)
{
    ucp_config_t *config;
    ucs_status_t status = ucp_config_read("YOCO", NULL, &config);
    if (status != UCS_OK)
        return ucx_failed("its settings cannot be read", status);
    const ucp_params_t params = {.field_mask =
                                     UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_ESTIMATED_NUM_EPS,
                                 .features = UCP_FEATURE_TAG,
                                 .estimated_num_eps = (size_t)net->n_ranks};
    status = ucp_init(&params, config, &net->context);
    ucp_config_release(config);
    if (status != UCS_OK)
        return ucx_failed("it does not start", status);
    const ucp_worker_params_t worker = {.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
                                        .thread_mode = UCS_THREAD_MODE_SINGLE};
    status = ucp_worker_create(net->context, &worker, &net->worker);
    return status == UCS_OK ? YOCO_OK : ucx_failed("no worker", status);
}

/* Addresses differ in length: all are padded to the longest. */
static yoco_status exchange(ucx_net *net, yoco_comm *control, const ucp_address_t *address,
                            size_t length)
{
    float longest = (float)length;
    YOCO_TRY(yoco_all_max_f32(control, &longest, 1));
    net->address_words = yoco_div_up((int64_t)longest, (int64_t)sizeof(int64_t));
    size_t n = (size_t)net->n_ranks, bytes = (size_t)net->address_words * sizeof(int64_t);
    int64_t *mine = NULL;
    yoco_status status = yoco_alloc(bytes, "an address", (void **)&mine);
    if (status == YOCO_OK)
        status = yoco_alloc(n * bytes, "the ranks' addresses", (void **)&net->addresses);
    status = yoco_agree(control, status);
    if (status == YOCO_OK && mine && address) {
        memset(mine, 0, bytes);
        memcpy(mine, address, length);
        status = yoco_over_gather(control, mine, net->address_words, net->addresses);
    }
    yoco_free(mine);
    return status;
}

static yoco_status net_connect(ucx_net *net, yoco_comm *control)
{
    ucp_address_t *address = NULL;
    size_t length = 0;
    yoco_status status = net_start(net);
    if (status == YOCO_OK) {
        ucs_status_t got = ucp_worker_get_address(net->worker, &address, &length);
        if (got != UCS_OK)
            status = ucx_failed("no address", got);
    }
    status = yoco_agree(control, status);
    if (status == YOCO_OK)
        status = exchange(net, control, address, length);
    if (address)
        ucp_worker_release_address(net->worker, address);
    return status;
}

static yoco_status net_make(yoco_comm *control, ucx_net **out)
{
    ucx_net *net = NULL;
    size_t n = (size_t)control->n_ranks;
    YOCO_TRY(yoco_alloc(sizeof *net, "UCX", (void **)&net));
    *net = (ucx_net){.n_ranks = control->n_ranks};
    *out = net;
    YOCO_TRY(yoco_alloc(n * sizeof *net->ends, "endpoints", (void **)&net->ends));
    YOCO_TRY(yoco_alloc(n * sizeof *net->ranks, "ranks", (void **)&net->ranks));
    memset(net->ends, 0, n * sizeof *net->ends);
    for (size_t i = 0; i < n; i++)
        net->ranks[i] = (int64_t)i;
    return YOCO_OK;
}

static bool takes_device_memory(const ucx_net *net)
{
    ucp_context_attr_t attr = {.field_mask = UCP_ATTR_FIELD_MEMORY_TYPES};
    return ucp_context_query(net->context, &attr) == UCS_OK &&
           (attr.memory_types & UCS_BIT(UCS_MEMORY_TYPE_CUDA)) != 0;
}

yoco_status yoco_comm_open_ucx(yoco_comm *control, yoco_comm **out)
{
    ucx_comm *c = NULL;
    ucx_net *net = NULL;
    yoco_status status = net_make(control, &net);
    if (status == YOCO_OK)
        status = yoco_alloc(sizeof *c, "the communicator", (void **)&c);
    status = yoco_agree(control, status);
    if (status == YOCO_OK && net)
        status = net_connect(net, control);
    float lacking = status == YOCO_OK && net && takes_device_memory(net) ? 0.0f : 1.0f;
    if (status == YOCO_OK)
        status = yoco_all_max_f32(control, &lacking, 1);
    if (status != YOCO_OK || !net || !c) { /* agreed: none is missing where all is well */
        if (net)
            net_close(net);
        yoco_free(c);
        return status;
    }
    *c = (ucx_comm){.over = yoco_over_make(&ucx_ops, control, net_progress, net),
                    .net = net,
                    .ranks = net->ranks};
    c->over.base.device_messages = lacking == 0.0f;
    *out = &c->over.base;
    return YOCO_OK;
}
