#include "comm/nccl/channels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/over.h"

enum {
    NEEDED_VERSION = 22700, /* two calls in progress from one thread: docs/CLUSTER.md */
    WARM_BYTES = 256,
    LINK_CTAS = 4, /* a link's kernels leave the device to the products */
    CLOSE_S = 2,
    ID_WORDS = sizeof(ncclUniqueId) / sizeof(int64_t),
};

yoco_status yoco_nccl_failed(const char *what, const char *reason)
{
    yoco_log_error("NCCL: %s: %s", what, reason);
    return YOCO_ERR_INTERNAL;
}

#define TRY_NCCL(call)                                                                             \
    do {                                                                                           \
        ncclResult_t result_ = (call);                                                             \
        if (result_ != ncclSuccess && result_ != ncclInProgress)                                   \
            return yoco_nccl_failed("opening communicators", ncclGetErrorString(result_));         \
    } while (0)

bool yoco_nccl_settled(yoco_comm *comm, const nccl_channel *channel, const yoco_subject *subject)
{
    ncclResult_t state = ncclSuccess, asked = ncclCommGetAsyncError(channel->nccl, &state);
    if (asked != ncclSuccess)
        state = asked;
    if (state == ncclInProgress)
        return false;
    if (state != ncclSuccess)
        yoco_wait_failed(comm, subject, ncclGetLastError(channel->nccl));
    return true;
}

bool yoco_nccl_happened(yoco_comm *comm, cudaEvent_t event, const yoco_subject *subject)
{
    cudaError_t error = cudaEventQuery(event);
    if (error == cudaErrorNotReady) {
        (void)cudaGetLastError(); /* which is this answer, and would pass for a failed launch */
        return false;
    }
    if (error != cudaSuccess)
        yoco_wait_failed(comm, subject, cudaGetErrorString(error));
    return true;
}

static bool is_on(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] && strcmp(value, "0") != 0;
}

/* Why this rank cannot use NCCL, in text; false: it can. */
static bool is_refused(const yoco_comm *control, char *text, size_t size)
{
    int version = 0;
    ncclResult_t asked = ncclGetVersion(&version);
    text[0] = '\0';
    if (asked != ncclSuccess || version < NEEDED_VERSION)
        snprintf(text, size,
                 "NCCL %d.%d.%d is loaded, and 2.27 or later is needed: put a newer libnccl.so.2 "
                 "first in LD_LIBRARY_PATH, or use --transport mpi",
                 version / 10000, version / 100 % 100, version % 100);
    else if (control->n_ranks > 1 && is_on("CUDA_LAUNCH_BLOCKING"))
        snprintf(text, size,
                 "CUDA_LAUNCH_BLOCKING is set, and a receive over NCCL would wait for ever: unset "
                 "it, or use --transport mpi");
    else if (control->n_ranks > 1 && is_on("NCCL_LAUNCH_ORDER_IMPLICIT"))
        snprintf(text, size,
                 "NCCL_LAUNCH_ORDER_IMPLICIT is set, and the links of a rank have no common order: "
                 "unset it, or use --transport mpi");
    return text[0] != '\0';
}

/* The first rank that is refused says why. */
static yoco_status check_refused(yoco_comm *control, int64_t *of_ranks)
{
    char why[256];
    int64_t mine = is_refused(control, why, sizeof why);
    YOCO_TRY(yoco_over_gather(control, &mine, 1, of_ranks));
    for (int i = 0; i < control->n_ranks; i++) {
        if (of_ranks[i] && i == control->rank)
            yoco_log_error("%s", why);
        if (of_ranks[i])
            return YOCO_ERR_USAGE;
    }
    return YOCO_OK;
}

/* Ahead of the ops: a message should not wait for the tail of a product. */
static yoco_status make_streams(nccl_channel *channels)
{
    int least, greatest;
    if (cudaDeviceGetStreamPriorityRange(&least, &greatest) != cudaSuccess)
        return yoco_nccl_failed("no priorities", cudaGetErrorString(cudaGetLastError()));
    for (int i = 0; i < N_NCCL_CHANNELS; i++)
        if (cudaStreamCreateWithPriority(&channels[i].stream, cudaStreamNonBlocking, greatest) !=
            cudaSuccess)
            return yoco_nccl_failed("no stream", cudaGetErrorString(cudaGetLastError()));
    return YOCO_OK;
}

/* ids: (n_ranks + 1): of each rank's right link, then of all ranks, which rank 0 makes: each has a
 * thread that listens. */
static yoco_status exchange_ids(yoco_comm *control, ncclUniqueId *ids)
{
    int64_t mine[ID_WORDS];
    ncclUniqueId link, *all = &ids[control->n_ranks];
    yoco_status status = YOCO_OK;
    if (ncclGetUniqueId(&link) != ncclSuccess ||
        (control->rank == 0 && ncclGetUniqueId(all) != ncclSuccess))
        status = yoco_nccl_failed("no id", ncclGetLastError(NULL));
    YOCO_TRY(control->ops->agree(control, status));
    memcpy(mine, &link, sizeof mine);
    YOCO_TRY(yoco_over_gather(control, mine, ID_WORDS, (int64_t *)(void *)ids));
    return control->ops->broadcast(control, 0, all, sizeof *all);
}

/* Both links in one group, as neither may wait for the other. */
static yoco_status start_links(const yoco_comm *control, nccl_channel *channels,
                               const ncclUniqueId *ids)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    config.maxCTAs = LINK_CTAS;
    int rank = control->rank, n = control->n_ranks;
    ncclResult_t result = ncclGroupStart();
    if (result == ncclSuccess) {
        result = ncclCommInitRankConfig(&channels[NCCL_RIGHT].nccl, 2, ids[rank], 0, &config);
        if (result == ncclSuccess || result == ncclInProgress)
            result = ncclCommInitRankConfig(&channels[NCCL_LEFT].nccl, 2, ids[(rank + n - 1) % n],
                                            1, &config);
        ncclResult_t ended = ncclGroupEnd(); /* also of a group that failed */
        if (result == ncclSuccess || result == ncclInProgress)
            result = ended;
    }
    TRY_NCCL(result);
    return YOCO_OK;
}

static yoco_status start_all(const yoco_comm *control, nccl_channel *channels,
                             const ncclUniqueId *ids)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    TRY_NCCL(ncclCommInitRankConfig(&channels[NCCL_ALL].nccl, control->n_ranks,
                                    ids[control->n_ranks], control->rank, &config));
    return YOCO_OK;
}

static void wait_settled(yoco_comm *control, const nccl_channel *one, const nccl_channel *other)
{
    const yoco_subject subject = {
        .wait = {"the start of NCCL", -1, -1}, .peer = -1, .collective = true};
    yoco_pause pause = yoco_pause_begin(control, &subject);
    for (bool done = false; !done;) {
        bool one_done = yoco_nccl_settled(control, one, &subject);
        done = yoco_nccl_settled(control, other, &subject) && one_done;
        if (!done) {
            control->ops->progress(control);
            yoco_pause_poll(&pause, control, &subject);
        }
    }
    yoco_pause_end();
}

/* Device memory for the channels' first messages. */
typedef struct warm_up {
    yoco_comm *control;
    void *data;
    cudaEvent_t done;
} warm_up;

/* Waits until the channel's call is through, and what it left on its stream too. */
static void finish(const warm_up *w, const nccl_channel *channel, ncclResult_t result)
{
    const yoco_subject subject = {
        .wait = {"the first message over NCCL", -1, -1}, .peer = -1, .collective = true};
    if (result != ncclSuccess && result != ncclInProgress)
        yoco_wait_failed(w->control, &subject, ncclGetErrorString(result));
    wait_settled(w->control, channel, channel);
    cudaError_t error = cudaEventRecord(w->done, channel->stream);
    if (error != cudaSuccess)
        yoco_wait_failed(w->control, &subject, cudaGetErrorString(error));
    yoco_pause pause = yoco_pause_begin(w->control, &subject);
    while (!yoco_nccl_happened(w->control, w->done, &subject)) {
        w->control->ops->progress(w->control);
        yoco_pause_poll(&pause, w->control, &subject);
    }
    yoco_pause_end();
}

/* Even ranks send first, odd ones receive: no rank waits for itself around the ring. */
static void warm_links(const warm_up *w, const nccl_channel *channels)
{
    const nccl_channel *left = &channels[NCCL_LEFT], *right = &channels[NCCL_RIGHT];
    bool sends_first = w->control->rank % 2 == 0;
    for (int i = 0; i < 2; i++) {
        if (sends_first == (i == 0))
            finish(w, right,
                   ncclSend(w->data, WARM_BYTES, ncclInt8, 1, right->nccl, right->stream));
        else
            finish(w, left, ncclRecv(w->data, WARM_BYTES, ncclInt8, 0, left->nccl, left->stream));
    }
}

static void warm_all(const warm_up *w, const nccl_channel *all)
{
    finish(w, all,
           ncclAllReduce(w->data, w->data, 1, ncclFloat32, ncclMax, all->nccl, all->stream));
    finish(w, all, ncclAllReduce(w->data, w->data, 1, ncclInt64, ncclSum, all->nccl, all->stream));
    finish(w, all,
           ncclBroadcast(w->data, w->data, WARM_BYTES, ncclInt8, 0, all->nccl, all->stream));
}

static yoco_status warm(yoco_comm *control, const nccl_channel *channels)
{
    warm_up w = {.control = control};
    yoco_status status = YOCO_OK;
    if (cudaMalloc(&w.data, WARM_BYTES) != cudaSuccess ||
        cudaEventCreateWithFlags(&w.done, cudaEventDisableTiming) != cudaSuccess)
        status = yoco_nccl_failed("no memory", cudaGetErrorString(cudaGetLastError()));
    status = control->ops->agree(control, status);
    if (status == YOCO_OK) {
        warm_all(&w, &channels[NCCL_ALL]);
        warm_links(&w, channels);
    }
    if (w.done)
        cudaEventDestroy(w.done);
    cudaFree(w.data);
    return status;
}

static yoco_status open_channels(yoco_comm *control, nccl_channel *channels, ncclUniqueId *ids)
{
    YOCO_TRY(exchange_ids(control, ids));
    YOCO_TRY(control->ops->agree(control, start_all(control, channels, ids)));
    wait_settled(control, &channels[NCCL_ALL], &channels[NCCL_ALL]);
    YOCO_TRY(control->ops->agree(control, start_links(control, channels, ids)));
    wait_settled(control, &channels[NCCL_LEFT], &channels[NCCL_RIGHT]);
    return warm(control, channels);
}

yoco_status yoco_nccl_open(yoco_comm *control, nccl_channel channels[N_NCCL_CHANNELS])
{
    ncclUniqueId *ids = NULL;
    size_t n = (size_t)control->n_ranks + 1;
    yoco_status status = yoco_alloc(n * sizeof *ids, "NCCL's ids", (void **)&ids);
    status = control->ops->agree(control, status);
    if (status == YOCO_OK)
        status = check_refused(control, (int64_t *)(void *)ids);
    if (status == YOCO_OK)
        status = control->ops->agree(control, make_streams(channels));
    if (status == YOCO_OK && control->n_ranks > 1)
        status = open_channels(control, channels, ids);
    yoco_free(ids);
    return status;
}

/* Ends what was opened, together on all channels since the ranks are linked in a ring; not for
 * ever: the other side may be dead. */
void yoco_nccl_close(nccl_channel channels[N_NCCL_CHANNELS])
{
    double limit_s = yoco_now_s() + CLOSE_S;
    for (int i = 0; i < N_NCCL_CHANNELS; i++)
        if (channels[i].nccl)
            ncclCommFinalize(channels[i].nccl);
    for (int i = 0; i < N_NCCL_CHANNELS; i++) {
        ncclResult_t state = ncclInProgress, asked = ncclSuccess;
        ncclComm_t nccl = channels[i].nccl;
        while (nccl && asked == ncclSuccess && state == ncclInProgress && yoco_now_s() < limit_s)
            asked = ncclCommGetAsyncError(nccl, &state);
        if (nccl && asked == ncclSuccess && state == ncclSuccess)
            ncclCommDestroy(nccl);
        else if (nccl)
            ncclCommAbort(nccl);
        if (channels[i].stream)
            cudaStreamDestroy(channels[i].stream);
    }
}
