/* NCCL's calls over MPI. As with a communicator of NCCL that does not block, a call only begins:
 * everything else happens while its state is asked for. Stricter than NCCL: an operation that
 * begins while another is in progress is refused, and so is memory that is not the device's. */
#include <mpi.h>
#include <nccl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RANKS = 16, TAG_HELLO = 10000, TAG_TABLE = 11000, TAG_DATA = 12000, SLOWNESS = 3 };

typedef struct name { /* what an id holds */
    int creator, serial;
} name;

struct ncclComm {
    int n_ranks, rank;
    name id;
    enum { HELLO, TABLE, READY } phase;
    int hello[MAX_RANKS][2]; /* (rank here, rank in the world) */
    int world[MAX_RANKS];    /* (n_ranks) */
    int n_questions;         /* since the call in progress began */
    int n_requests;          /* what it waits for */
    MPI_Request requests[2 * MAX_RANKS];
    void *data;              /* all-reduce: in place */
    char *others[MAX_RANKS]; /* all-reduce: what the others have */
    size_t n;
    ncclDataType_t type;
    ncclResult_t error;
};

static size_t bytes_of(ncclDataType_t type)
{
    return type == ncclInt64 ? sizeof(int64_t) : type == ncclFloat32 ? sizeof(float) : 1;
}

static int world_rank(void)
{
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    static int serial;
    name made = {world_rank(), serial++};
    memset(id, 0, sizeof *id);
    memcpy(id->internal, &made, sizeof made);
    return ncclSuccess;
}

static void add(ncclComm_t c, int code)
{
    if (code == MPI_SUCCESS)
        c->n_requests++;
    else
        c->error = ncclSystemError;
}

static void send_to(ncclComm_t c, const void *data, size_t bytes, int world, int tag)
{
    add(c, MPI_Isend(data, (int)bytes, MPI_BYTE, world, tag, MPI_COMM_WORLD,
                     &c->requests[c->n_requests]));
}

static void receive_from(ncclComm_t c, void *data, size_t bytes, int world, int tag)
{
    add(c, MPI_Irecv(data, (int)bytes, MPI_BYTE, world, tag, MPI_COMM_WORLD,
                     &c->requests[c->n_requests]));
}

/* Everyone tells the creator of the id where it is; the creator tells everyone. */
ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int n_ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t *config)
{
    if (n_ranks > MAX_RANKS || config->blocking != 0)
        return ncclInvalidArgument;
    ncclComm_t c = calloc(1, sizeof *c);
    if (!c)
        return ncclSystemError;
    memcpy(&c->id, id.internal, sizeof c->id);
    c->n_ranks = n_ranks;
    c->rank = rank;
    c->hello[0][0] = rank;
    c->hello[0][1] = world_rank();
    if (world_rank() != c->id.creator)
        send_to(c, c->hello[0], sizeof c->hello[0], c->id.creator, TAG_HELLO + c->id.serial);
    else
        for (int i = 1; i < n_ranks; i++)
            receive_from(c, c->hello[i], sizeof c->hello[i], MPI_ANY_SOURCE,
                         TAG_HELLO + c->id.serial);
    *comm = c;
    return ncclInProgress;
}

static void exchange_table(ncclComm_t c)
{
    size_t bytes = (size_t)c->n_ranks * sizeof *c->world;
    if (world_rank() != c->id.creator) {
        receive_from(c, c->world, bytes, c->id.creator, TAG_TABLE + c->id.serial);
        return;
    }
    for (int i = 0; i < c->n_ranks; i++)
        c->world[c->hello[i][0]] = c->hello[i][1];
    for (int i = 1; i < c->n_ranks; i++)
        send_to(c, c->world, bytes, c->hello[i][1], TAG_TABLE + c->id.serial);
}

static void reduce(ncclComm_t c)
{
    for (int rank = 0; rank < c->n_ranks; rank++) {
        if (!c->others[rank])
            continue;
        for (size_t i = 0; i < c->n; i++) {
            if (c->type == ncclInt64)
                ((int64_t *)c->data)[i] += ((int64_t *)(void *)c->others[rank])[i];
            else if (((float *)(void *)c->others[rank])[i] > ((float *)c->data)[i])
                ((float *)c->data)[i] = ((float *)(void *)c->others[rank])[i];
        }
        free(c->others[rank]);
        c->others[rank] = NULL;
    }
}

/* The requests of the call in progress are done. */
static void go_on(ncclComm_t c)
{
    c->n_requests = 0;
    if (c->phase == HELLO)
        exchange_table(c);
    else if (c->phase == READY)
        reduce(c);
    if (c->phase != READY)
        c->phase++;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *state)
{
    int done = 0;
    MPI_Status statuses[2 * MAX_RANKS];
    *state = c->error;
    if (c->error != ncclSuccess || (c->phase == READY && c->n_requests == 0))
        return ncclSuccess;
    *state = ncclInProgress;
    if (++c->n_questions < SLOWNESS)
        return ncclSuccess;
    if (MPI_Testall(c->n_requests, c->requests, &done, statuses) != MPI_SUCCESS)
        *state = c->error = ncclSystemError;
    else if (done)
        go_on(c);
    return ncclSuccess;
}

static ncclResult_t begin(ncclComm_t c, const void *data, size_t n, ncclDataType_t type,
                          cudaStream_t stream)
{
    struct cudaPointerAttributes attributes;
    if (c->phase != READY || c->n_requests > 0)
        return c->error = ncclInvalidUsage;
    cudaPointerGetAttributes(&attributes, data);
    if (attributes.type != cudaMemoryTypeDevice || !stream)
        return c->error = ncclInvalidArgument;
    c->n_questions = 0;
    c->n = n;
    c->type = type;
    return ncclInProgress;
}

static int data_tag(ncclComm_t c)
{
    return TAG_DATA + 500 * c->id.creator + c->id.serial;
}

ncclResult_t ncclSend(const void *data, size_t n, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream)
{
    ncclResult_t result = begin(c, data, n, type, stream);
    if (result == ncclInProgress)
        send_to(c, data, n * bytes_of(type), c->world[peer], data_tag(c));
    return result;
}

ncclResult_t ncclRecv(void *data, size_t n, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream)
{
    ncclResult_t result = begin(c, data, n, type, stream);
    if (result == ncclInProgress)
        receive_from(c, data, n * bytes_of(type), c->world[peer], data_tag(c));
    return result;
}

ncclResult_t ncclAllReduce(const void *in, void *out, size_t n, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t c, cudaStream_t stream)
{
    ncclResult_t result = begin(c, in, n, type, stream);
    if (in != out || (op == ncclSum) != (type == ncclInt64))
        return c->error = ncclInvalidArgument;
    c->data = out;
    for (int rank = 0; rank < c->n_ranks && result == ncclInProgress; rank++) {
        if (rank == c->rank)
            continue;
        c->others[rank] = malloc(n * bytes_of(type));
        send_to(c, in, n * bytes_of(type), c->world[rank], data_tag(c));
        receive_from(c, c->others[rank], n * bytes_of(type), c->world[rank], data_tag(c));
    }
    return result;
}

ncclResult_t ncclBroadcast(const void *in, void *out, size_t n, ncclDataType_t type, int root,
                           ncclComm_t c, cudaStream_t stream)
{
    ncclResult_t result = begin(c, in, n, type, stream);
    if (result == ncclInProgress && c->rank != root)
        receive_from(c, out, n * bytes_of(type), c->world[root], data_tag(c));
    for (int rank = 0; rank < c->n_ranks && result == ncclInProgress && c->rank == root; rank++)
        if (rank != root)
            send_to(c, in, n * bytes_of(type), c->world[rank], data_tag(c));
    return result;
}

ncclResult_t ncclCommFinalize(ncclComm_t c)
{
    return c->n_requests == 0 ? ncclSuccess : ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t c)
{
    if (c->n_requests > 0)
        return ncclInvalidUsage;
    free(c);
    return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t c)
{
    for (int i = 0; i < c->n_requests; i++)
        if (c->requests[i] != MPI_REQUEST_NULL) {
            MPI_Cancel(&c->requests[i]);
            MPI_Request_free(&c->requests[i]);
        }
    free(c);
    return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result)
{
    return result == ncclInvalidUsage      ? "invalid usage"
           : result == ncclInvalidArgument ? "invalid argument"
                                           : "an error of the stand-in for NCCL";
}

const char *ncclGetLastError(ncclComm_t c)
{
    return ncclGetErrorString(c ? c->error : ncclSystemError);
}

ncclResult_t ncclGroupStart(void)
{
    return ncclSuccess;
}

ncclResult_t ncclGroupEnd(void)
{
    return ncclSuccess;
}
