/* NCCL's calls over MPI. As with a communicator of NCCL that does not block, a call only begins,
 * and is through some questions for its state later; then alone its operation is on its stream.
 * Stricter than NCCL: an operation that begins while another call is in progress is refused, and so
 * is memory that is not the device's, and any call while this thread captures a stream. The first
 * operation with a peer connects, which waits for operations that run on this device: such a one
 * may wait for a neighbour that waits for this rank.
 *
 * NCCL_HOST_VERSION: what ncclGetVersion says; before 2.27 a second call in progress is refused. */
#include <mpi.h>
#include <nccl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_host/put.h"

enum { MAX_RANKS = 16, TAG_HELLO = 10000, TAG_TABLE = 11000, TAG_DATA = 12000, SLOWNESS = 3 };
enum { GROUP_JOBS = 22700 }; /* the first version with as many calls in progress as one likes */

typedef struct name { /* what an id holds */
    int creator, serial;
} name;

typedef struct operation operation;

struct ncclComm {
    int n_ranks, rank;
    name id;
    enum { HELLO, TABLE, READY } phase;
    int hello[MAX_RANKS][2]; /* (rank here, rank in the world) */
    int world[MAX_RANKS];    /* (n_ranks) */
    bool calling;            /* a call is in progress */
    int n_questions;         /* since it began */
    int n_requests;          /* what the start waits for */
    MPI_Request requests[2 * MAX_RANKS];
    int n_under_way;     /* operations on streams */
    operation *pending;  /* begun by a call that is in progress */
    cudaStream_t stream; /* for it */
    bool connected_out[MAX_RANKS], connected_in[MAX_RANKS];
    bool aborted;
    ncclResult_t error;
};

/* An operation: what is sent to whom, and what is received. */
struct operation {
    ncclComm_t comm;
    bool begun;
    bool sends[MAX_RANKS], receives[MAX_RANKS];
    bool reduces;
    void *data; /* in place */
    size_t n;
    ncclDataType_t type;
    char *others[MAX_RANKS]; /* all-reduce: what the others have */
    int n_requests;
    MPI_Request requests[2 * MAX_RANKS];
};

static int n_calling; /* calls in progress, of all communicators */
static int n_running; /* operations that have begun on streams */

ncclResult_t ncclGetVersion(int *version)
{
    const char *text = getenv("NCCL_HOST_VERSION");
    *version = text ? atoi(text) : 22803;
    return ncclSuccess;
}

static void set_calling(ncclComm_t c, bool calling)
{
    n_calling += (int)calling - (int)c->calling;
    c->calling = calling;
    c->n_questions = 0;
}

/* While the host asks MPI for something, the device goes on. Weak: a test may have its own. */
__attribute__((weak)) int MPI_Test(MPI_Request *request, int *done, MPI_Status *status)
{
    cuda_host_progress();
    return PMPI_Test(request, done, status);
}

int MPI_Iprobe(int source, int tag, MPI_Comm comm, int *found, MPI_Status *status)
{
    cuda_host_progress();
    return PMPI_Iprobe(source, tag, comm, found, status);
}

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
    set_calling(c, true);
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

/* The requests of a phase of the start are done. */
static void go_on(ncclComm_t c)
{
    c->n_requests = 0;
    if (c->phase == HELLO)
        exchange_table(c);
    c->phase++;
    set_calling(c, c->phase != READY);
}

static bool is_connected(ncclComm_t c, const operation *o)
{
    for (int i = 0; i < c->n_ranks; i++)
        if ((o->sends[i] && !c->connected_out[i]) || (o->receives[i] && !c->connected_in[i]))
            return false;
    return true;
}

static bool operation_step(void *context);

/* The call's operation comes to its stream. */
static void settle(ncclComm_t c)
{
    operation *o = c->pending;
    if (!is_connected(c, o) && n_running > 0)
        return;
    for (int i = 0; i < c->n_ranks; i++) {
        c->connected_out[i] = c->connected_out[i] || o->sends[i];
        c->connected_in[i] = c->connected_in[i] || o->receives[i];
    }
    c->pending = NULL;
    set_calling(c, false);
    cuda_host_touch touch = {o->data, o->n * bytes_of(o->type), false};
    for (int i = 0; i < c->n_ranks; i++)
        touch.writes = touch.writes || o->receives[i];
    cuda_host_put(c->stream, operation_step, o, touch);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *state)
{
    int done = 0;
    MPI_Status statuses[2 * MAX_RANKS];
    *state = c->error;
    if (c->error != ncclSuccess || !c->calling)
        return ncclSuccess;
    *state = ncclInProgress;
    if (++c->n_questions < SLOWNESS)
        return ncclSuccess;
    if (c->phase == READY)
        settle(c);
    else if (PMPI_Testall(c->n_requests, c->requests, &done, statuses) != MPI_SUCCESS)
        *state = c->error = ncclSystemError;
    else if (done)
        go_on(c);
    return ncclSuccess;
}

static int data_tag(ncclComm_t c)
{
    return TAG_DATA + 500 * c->id.creator + c->id.serial;
}

static void check(operation *o, int code)
{
    if (code == MPI_SUCCESS)
        o->n_requests++;
    else
        o->comm->error = ncclSystemError;
}

static void begin(operation *o)
{
    ncclComm_t c = o->comm;
    int bytes = (int)(o->n * bytes_of(o->type)), tag = data_tag(c);
    for (int rank = 0; rank < c->n_ranks; rank++) {
        if (o->receives[rank]) {
            o->others[rank] = o->reduces ? malloc((size_t)bytes) : NULL;
            check(o, MPI_Irecv(o->reduces ? o->others[rank] : o->data, bytes, MPI_BYTE,
                               c->world[rank], tag, MPI_COMM_WORLD, &o->requests[o->n_requests]));
        }
        if (o->sends[rank])
            check(o, MPI_Isend(o->data, bytes, MPI_BYTE, c->world[rank], tag, MPI_COMM_WORLD,
                               &o->requests[o->n_requests]));
    }
    o->begun = true;
    n_running++;
}

static void reduce(operation *o)
{
    for (int rank = 0; rank < o->comm->n_ranks; rank++) {
        if (!o->others[rank])
            continue;
        for (size_t i = 0; i < o->n; i++) {
            if (o->type == ncclInt64)
                ((uint64_t *)o->data)[i] += ((uint64_t *)(void *)o->others[rank])[i]; /* wraps */
            else if (((float *)(void *)o->others[rank])[i] > ((float *)o->data)[i])
                ((float *)o->data)[i] = ((float *)(void *)o->others[rank])[i];
        }
        free(o->others[rank]);
    }
}

/* The operation as work on its stream; true when it is done. */
static bool operation_step(void *context)
{
    operation *o = context;
    ncclComm_t c = o->comm;
    int done = 0;
    MPI_Status statuses[2 * MAX_RANKS];
    if (c->aborted || c->error != ncclSuccess)
        return false; /* its stream stands still */
    if (!o->begun)
        begin(o);
    if (PMPI_Testall(o->n_requests, o->requests, &done, statuses) != MPI_SUCCESS)
        c->error = ncclSystemError;
    if (!done)
        return false;
    reduce(o);
    n_running--;
    c->n_under_way--;
    free(o);
    return true;
}

static ncclResult_t put(ncclComm_t c, const operation *o, cudaStream_t stream)
{
    struct cudaPointerAttributes attributes;
    cuda_host_check_no_capture("a call of NCCL");
    int version;
    ncclGetVersion(&version);
    if (c->phase != READY || c->calling || (version < GROUP_JOBS && n_calling > 0))
        return c->error = ncclInvalidUsage;
    cudaPointerGetAttributes(&attributes, o->data);
    operation *own = malloc(sizeof *own);
    if (attributes.type != cudaMemoryTypeDevice || !stream || !own) {
        free(own);
        return c->error = ncclInvalidArgument;
    }
    *own = *o;
    own->comm = c;
    c->pending = own;
    c->stream = stream;
    c->n_under_way++;
    set_calling(c, true);
    return ncclInProgress;
}

ncclResult_t ncclSend(const void *data, size_t n, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream)
{
    operation o = {.data = (void *)data, .n = n, .type = type};
    o.sends[peer] = true;
    return put(c, &o, stream);
}

ncclResult_t ncclRecv(void *data, size_t n, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream)
{
    operation o = {.data = data, .n = n, .type = type};
    o.receives[peer] = true;
    return put(c, &o, stream);
}

ncclResult_t ncclAllReduce(const void *in, void *out, size_t n, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t c, cudaStream_t stream)
{
    operation o = {.data = out, .n = n, .type = type, .reduces = true};
    if (in != out || (op == ncclSum) != (type == ncclInt64))
        return c->error = ncclInvalidArgument;
    for (int rank = 0; rank < c->n_ranks; rank++)
        o.sends[rank] = o.receives[rank] = rank != c->rank;
    return put(c, &o, stream);
}

ncclResult_t ncclBroadcast(const void *in, void *out, size_t n, ncclDataType_t type, int root,
                           ncclComm_t c, cudaStream_t stream)
{
    operation o = {.data = out, .n = n, .type = type};
    if (in != out)
        return c->error = ncclInvalidArgument;
    o.receives[root] = c->rank != root;
    for (int rank = 0; rank < c->n_ranks; rank++)
        o.sends[rank] = c->rank == root && rank != root;
    return put(c, &o, stream);
}

ncclResult_t ncclCommFinalize(ncclComm_t c)
{
    return c->n_under_way == 0 ? ncclSuccess : ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t c)
{
    if (c->n_under_way > 0)
        return ncclInvalidUsage;
    free(c);
    return ncclSuccess;
}

/* What is on streams keeps it. */
ncclResult_t ncclCommAbort(ncclComm_t c)
{
    c->aborted = true;
    if (c->pending)
        c->n_under_way--;
    free(c->pending);
    c->pending = NULL;
    set_calling(c, false);
    if (c->n_under_way == 0)
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
