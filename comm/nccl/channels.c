#include "comm/nccl/channels.h"

#include <string.h>

#include "comm/over.h"

enum {
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
            return yoco_nccl_failed(#call, ncclGetErrorString(result_));                           \
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

static yoco_status make_streams(nccl_channel *channels)
{
    for (int i = 0; i < N_NCCL_CHANNELS; i++)
        if (cudaStreamCreateWithFlags(&channels[i].stream, cudaStreamNonBlocking) != cudaSuccess)
            return yoco_nccl_failed("no stream", cudaGetErrorString(cudaGetLastError()));
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
            status = yoco_nccl_failed("no id", ncclGetLastError(NULL));
    YOCO_TRY(control->ops->agree(control, status));
    memcpy(mine, id, sizeof mine);
    YOCO_TRY(yoco_over_gather(control, mine, ID_WORDS, (int64_t *)(void *)ids));
    ids[control->n_ranks] = id[1];
    return control->ops->broadcast(control, 0, &ids[control->n_ranks], sizeof *ids);
}

/* Both links in one group, as neither may wait for the other. */
static yoco_status start_links(const yoco_comm *control, nccl_channel *channels,
                               const ncclUniqueId *ids)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    config.maxCTAs = LINK_CTAS;
    int rank = control->rank, n = control->n_ranks;
    TRY_NCCL(ncclGroupStart());
    TRY_NCCL(ncclCommInitRankConfig(&channels[NCCL_RIGHT].nccl, 2, ids[rank], 0, &config));
    TRY_NCCL(
        ncclCommInitRankConfig(&channels[NCCL_LEFT].nccl, 2, ids[(rank + n - 1) % n], 1, &config));
    TRY_NCCL(ncclGroupEnd());
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

yoco_status yoco_nccl_open(yoco_comm *control, nccl_channel channels[N_NCCL_CHANNELS])
{
    ncclUniqueId *ids = NULL;
    size_t n = (size_t)control->n_ranks + 1;
    yoco_status status = yoco_alloc(n * sizeof *ids, "NCCL's ids", (void **)&ids);
    if (status == YOCO_OK)
        status = make_streams(channels);
    status = control->ops->agree(control, status);
    if (status == YOCO_OK && control->n_ranks > 1)
        status = exchange_ids(control, ids);
    if (status == YOCO_OK && control->n_ranks > 1)
        status = control->ops->agree(control, start_all(control, channels, ids));
    if (status == YOCO_OK && channels[NCCL_ALL].nccl) {
        wait_settled(control, &channels[NCCL_ALL], &channels[NCCL_ALL]);
        status = control->ops->agree(control, start_links(control, channels, ids));
    }
    if (status == YOCO_OK && channels[NCCL_ALL].nccl)
        wait_settled(control, &channels[NCCL_LEFT], &channels[NCCL_RIGHT]);
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
