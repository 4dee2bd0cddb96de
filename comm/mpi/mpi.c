/* comm.h over MPI; the only file that includes mpi.h.
 *
 * Between open and close nothing blocks inside MPI: every operation is started without blocking and
 * finished by one wait loop, which yields the core, watches the deadline and ends the job when MPI
 * reports an error. So the functions that wait return YOCO_OK or do not return. */
#include "comm/comm.h"
#include "comm/wait.h"
#include "comm/watch/watch.h"
#include "trace.h"

#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 1 << 30,       /* MPI counts are ints: larger collectives go in pieces */
    OUTPUT_GRACE_NS = 100000000, /* for mpiexec, to read what was logged before an abort */
    ABORT_S = 5,                 /* MPI_Abort may hang as well */
    START_S = 2,                 /* to load the program, beside the deadline */
    LATER_S = 1,                 /* so that one rank speaks first */
};

typedef struct mpi_comm {
    yoco_comm base;
    MPI_Comm ranks; /* our own copy of MPI_COMM_WORLD, or a part of it */
} mpi_comm;

/* The content of a yoco_request. */
typedef struct mpi_handle {
    MPI_Request request;
    bool incoming;
} mpi_handle;

_Static_assert(sizeof(mpi_handle) <= YOCO_REQUEST_BYTES, "YOCO_REQUEST_BYTES is too small");

static MPI_Comm ranks_of(const yoco_comm *comm)
{
    return ((const mpi_comm *)comm)->ranks;
}

_Noreturn static void end_job(int exit_code)
{
    yoco_exit_soon(exit_code, ABORT_S, NULL);
    fflush(NULL);
    /* When mpiexec hears of the abort, it drops what it has not read from the ranks. */
    nanosleep(&(struct timespec){.tv_nsec = OUTPUT_GRACE_NS}, NULL);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    _exit(exit_code);
}

static void check(yoco_comm *comm, int code, const yoco_subject *subject)
{
    if (code == MPI_SUCCESS)
        return;
    char reason[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(code, reason, &length);
    yoco_wait_failed(comm, subject, reason);
}

/* Returns when the request is done. */
static void finish(yoco_comm *comm, MPI_Request *request, MPI_Status *status,
                   const yoco_subject *subject)
{
    yoco_pause pause = yoco_pause_begin(comm, subject);
    for (int done = 0;;) {
        check(comm, MPI_Test(request, &done, status), subject);
        if (done)
            break;
        yoco_pause_poll(&pause, comm, subject);
    }
    yoco_pause_end();
}

/* Memory is the host's: nothing is on a stream. */
static yoco_status mpi_drain(yoco_comm *comm)
{
    (void)comm;
    return YOCO_OK;
}

static void mpi_progress(yoco_comm *comm)
{
    int found;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, ranks_of(comm), &found, MPI_STATUS_IGNORE);
}

static void request_begin(yoco_request *request, int peer, int tag, size_t bytes,
                          const mpi_handle *handle)
{
    *request = (yoco_request){.active = true, .peer = peer, .tag = tag, .bytes = bytes};
    memcpy(request->handle, handle, sizeof *handle);
}

static yoco_status mpi_send(yoco_comm *comm, int peer, int tag, const void *data, size_t bytes,
                            yoco_request *request)
{
    if (!yoco_message_fits(bytes, peer))
        return YOCO_ERR_INTERNAL;
    mpi_handle handle = {.incoming = false};
    if (!comm->is_group) /* a group numbers its ranks anew */
        yoco_trace_sent(peer, bytes);
    int code = MPI_Isend(data, (int)bytes, MPI_BYTE, peer, tag, ranks_of(comm), &handle.request);
    check(comm, code, &(yoco_subject){.wait = {"start of a message", -1, -1}, .peer = peer});
    request_begin(request, peer, tag, bytes, &handle);
    return YOCO_OK;
}

static yoco_status mpi_receive(yoco_comm *comm, int peer, int tag, void *data, size_t bytes,
                               yoco_request *request)
{
    if (!yoco_message_fits(bytes, peer))
        return YOCO_ERR_INTERNAL;
    mpi_handle handle = {.incoming = true};
    int code = MPI_Irecv(data, (int)bytes, MPI_BYTE, peer, tag, ranks_of(comm), &handle.request);
    check(comm, code,
          &(yoco_subject){.wait = {"start of a message", -1, -1}, .peer = peer, .incoming = true});
    request_begin(request, peer, tag, bytes, &handle);
    return YOCO_OK;
}

static yoco_status mpi_wait(yoco_comm *comm, yoco_request *request, const yoco_wait_for *what)
{
    if (!request->active)
        return YOCO_OK;
    mpi_handle handle;
    memcpy(&handle, request->handle, sizeof handle);
    yoco_subject subject = {
        .wait = *what, .peer = request->peer, .incoming = handle.incoming, .bytes = request->bytes};
    MPI_Status status;
    finish(comm, &handle.request, &status, &subject);
    if (handle.incoming) {
        /* MPI refuses a message that is too long for the buffer, but not one that is too short. */
        int got = 0;
        check(comm, MPI_Get_count(&status, MPI_BYTE, &got), &subject);
        if ((size_t)got != request->bytes)
            yoco_wait_wrong_size(comm, &subject, (size_t)got, request->bytes);
    }
    *request = (yoco_request){.active = false};
    return YOCO_OK;
}

static void all_reduce(yoco_comm *comm, void *data, int64_t n, size_t value_bytes,
                       MPI_Datatype type, MPI_Op op, const char *what)
{
    const yoco_subject subject = {
        .wait = {what, -1, -1}, .peer = -1, .collective = true, .bytes = (size_t)n * value_bytes};
    int64_t piece = PIECE_BYTES / (int64_t)value_bytes;
    yoco_trace_reduced((size_t)n * value_bytes);
    for (int64_t i = 0; i < n; i += piece) {
        MPI_Request request;
        char *at = (char *)data + (size_t)i * value_bytes;
        check(comm,
              MPI_Iallreduce(MPI_IN_PLACE, at, (int)yoco_i64_min(n - i, piece), type, op,
                             ranks_of(comm), &request),
              &subject);
        finish(comm, &request, MPI_STATUS_IGNORE, &subject);
    }
}

static yoco_status mpi_all_max_f32(yoco_comm *comm, float *data, int64_t n)
{
    all_reduce(comm, data, n, sizeof *data, MPI_FLOAT, MPI_MAX, "the maximum over all ranks");
    return YOCO_OK;
}

static yoco_status mpi_all_sum_i64(yoco_comm *comm, int64_t *data, int64_t n)
{
    all_reduce(comm, data, n, sizeof *data, MPI_INT64_T, MPI_SUM, "the sum over all ranks");
    return YOCO_OK;
}

static yoco_status mpi_broadcast(yoco_comm *comm, int root, void *data, size_t bytes)
{
    const yoco_subject subject = {.wait = {"a broadcast", -1, -1},
                                  .peer = comm->rank == root ? -1 : root,
                                  .incoming = true,
                                  .collective = true,
                                  .bytes = bytes};
    for (size_t i = 0; i < bytes; i += PIECE_BYTES) {
        MPI_Request request;
        size_t left = bytes - i;
        check(comm,
              MPI_Ibcast((char *)data + i, (int)(left < PIECE_BYTES ? left : PIECE_BYTES), MPI_BYTE,
                         root, ranks_of(comm), &request),
              &subject);
        finish(comm, &request, MPI_STATUS_IGNORE, &subject);
    }
    return YOCO_OK;
}

static yoco_status mpi_agree(yoco_comm *comm, yoco_status mine)
{
    int worst = (int)mine;
    all_reduce(comm, &worst, 1, sizeof worst, MPI_INT, MPI_MAX, "agreement of all ranks");
    return (yoco_status)worst;
}

static void mpi_abort(yoco_comm *comm, int exit_code)
{
    (void)comm;
    end_job(exit_code);
}

/* No barrier: a rank that has died must not keep the others here. */
static void mpi_close(yoco_comm *comm)
{
    bool is_group = comm->is_group;
    if (!is_group)
        yoco_watch_stop();
    MPI_Comm_free(&((mpi_comm *)comm)->ranks);
    yoco_free(comm);
    if (!is_group)
        MPI_Finalize();
}

static yoco_status mpi_split(yoco_comm *comm, int group, yoco_comm **out);

static const yoco_comm_ops mpi_ops = {
    .name = "mpi",
    .close = mpi_close,
    .abort = mpi_abort,
    .send = mpi_send,
    .receive = mpi_receive,
    .wait = mpi_wait,
    .all_max_f32 = mpi_all_max_f32,
    .all_sum_i64 = mpi_all_sum_i64,
    .broadcast = mpi_broadcast,
    .agree = mpi_agree,
    .split = mpi_split,
    .drain = mpi_drain,
    .progress = mpi_progress,
};

static yoco_status setup_failed(int code)
{
    char reason[MPI_MAX_ERROR_STRING] = "";
    int length;
    MPI_Error_string(code, reason, &length);
    yoco_log_error("MPI cannot set up the ranks: %s", reason);
    return YOCO_ERR_INTERNAL;
}

#define TRY_MPI(call)                                                                              \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != MPI_SUCCESS)                                                                  \
            return setup_failed(code_);                                                            \
    } while (0)

/* MPI_Init comes back once every task has called it. Where one never does, the first that waits
 * speaks for all, as mpiexec then ends the others; a task that waits to hand its own error to them
 * says that instead. */
static int init_mpi(double deadline_s, int *level)
{
    static char line[YOCO_LOG_LINE_BYTES + 64];
    int task, n_tasks = yoco_comm_launched_tasks(&task);
    double limit_s = deadline_s + START_S + (task > 0 ? LATER_S : 0);
    int used = snprintf(line, sizeof line, "rank %d: error: ", task);
    if (yoco_log_held()[0])
        snprintf(line + used, sizeof line - (size_t)used, "%s\n", yoco_log_held());
    else
        snprintf(line + used, sizeof line - (size_t)used,
                 "waited %g s for the other ranks to start: one of them ended early, hangs, or is "
                 "another program (--deadline raises the limit)\n",
                 deadline_s);
    if (n_tasks > 1 && limit_s < INT_MAX)
        yoco_exit_soon(YOCO_EXIT_STOPPED, (unsigned)limit_s, line);
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, level);
    yoco_exit_later();
    return code;
}

static yoco_status start_mpi(double deadline_s)
{
    int started = 0, level = 0;
    TRY_MPI(MPI_Initialized(&started));
    if (started) {
        yoco_log_error("MPI was initialised before in this process");
        return YOCO_ERR_INTERNAL;
    }
    TRY_MPI(init_mpi(deadline_s, &level));
    TRY_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    if (level < MPI_THREAD_FUNNELED) {
        yoco_log_error("this MPI does not allow threads beside the one that calls it");
        return YOCO_ERR_INTERNAL;
    }
    return YOCO_OK;
}

static yoco_status find_node(MPI_Comm ranks, yoco_comm *comm)
{
    MPI_Comm node;
    TRY_MPI(MPI_Comm_split_type(ranks, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node));
    TRY_MPI(MPI_Comm_rank(node, &comm->node_rank));
    TRY_MPI(MPI_Comm_size(node, &comm->node_n_ranks));
    TRY_MPI(MPI_Comm_free(&node));
    return YOCO_OK;
}

static yoco_status find_ranks(int expected_ranks, mpi_comm *found)
{
    yoco_comm *comm = &found->base;
    TRY_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &comm->rank));
    TRY_MPI(MPI_Comm_size(MPI_COMM_WORLD, &comm->n_ranks));
    yoco_log_set_rank(comm->rank, comm->n_ranks);
    if (expected_ranks != YOCO_ANY_RANKS)
        YOCO_TRY(yoco_comm_expect_ranks(comm, expected_ranks));
    YOCO_TRY(find_node(MPI_COMM_WORLD, comm));
    TRY_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &found->ranks)); /* inherits the error handler */
    return YOCO_OK;
}

static yoco_status find_group(yoco_comm *comm, int group, mpi_comm *found)
{
    found->base = (yoco_comm){.ops = &mpi_ops, .deadline_s = comm->deadline_s, .is_group = true};
    TRY_MPI(MPI_Comm_split(ranks_of(comm), group, comm->rank, &found->ranks));
    TRY_MPI(MPI_Comm_rank(found->ranks, &found->base.rank));
    TRY_MPI(MPI_Comm_size(found->ranks, &found->base.n_ranks));
    return find_node(found->ranks, &found->base);
}

/* MPI can split only while it blocks: the agreement before it waits for late ranks instead. */
static yoco_status mpi_split(yoco_comm *comm, int group, yoco_comm **out)
{
    mpi_comm *found = NULL;
    yoco_status status = yoco_alloc(sizeof *found, "a group of ranks", (void **)&found);
    status = mpi_agree(comm, status);
    if (status == YOCO_OK) {
        const yoco_subject subject = {
            .wait = {"a split of the ranks", -1, -1}, .peer = -1, .collective = true};
        yoco_pause_begin(comm, &subject);
        status = find_group(comm, group, found);
        yoco_pause_end();
        status = mpi_agree(comm, status);
    }
    if (status != YOCO_OK) {
        yoco_free(found);
        return status;
    }
    *out = &found->base;
    return YOCO_OK;
}

void yoco_comm_mpi_version(char *text, size_t size)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length;
    MPI_Get_library_version(version, &length);
    const char *device = strstr(version, "Device:");
    const char *name = device ? device + strlen("Device:") : "";
    name += strspn(name, " \t");
    snprintf(text, size, "%.*s%s%.*s", (int)strcspn(version, "\n"), version,
             device ? ", device " : "", (int)strcspn(name, "\n"), name);
    for (char *c = text; *c; c++)
        if (*c == '\t')
            *c = ' ';
}

yoco_status yoco_comm_open_mpi(const yoco_comm_options *options, int expected_ranks,
                               yoco_comm **out)
{
    YOCO_TRY(start_mpi(options->deadline_s));
    mpi_comm found = {.base = {.ops = &mpi_ops, .deadline_s = options->deadline_s}};
    mpi_comm *comm = NULL;
    yoco_status status = find_ranks(expected_ranks, &found);
    if (status == YOCO_OK)
        status = yoco_alloc(sizeof *comm, "the communicator", (void **)&comm);
    if (status != YOCO_OK) {
        MPI_Finalize();
        return status;
    }
    *comm = found;
    if (options->hang_folder)
        status = yoco_comm_watch(&comm->base, options->hang_folder);
    if (status != YOCO_OK) {
        mpi_close(&comm->base);
        return status;
    }
    *out = &comm->base;
    return YOCO_OK;
}
