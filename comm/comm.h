/* Bytes between ranks. One table of mandatory functions. Memory is the host's; a transport may take
 * the device's as well, see yoco_comm. Every wait has a deadline, makes progress without blocking
 * underneath and yields the core. A wait that fails or passes its deadline logs what was waited for
 * and ends the whole job with exit code 75: there is nobody left to agree with.
 *
 * Collectives are entered by all ranks in the same order. A rank may send to itself through the
 * same calls. */
#ifndef YOCO_COMM_H
#define YOCO_COMM_H

#include "base.h"

typedef struct yoco_comm_options {
    double deadline_s; /* longest wait for one message or collective, > 0 */
    /* Where each rank writes hang-<rank>.json when a wait passes its deadline; all ranks see the
     * same folder; lives until the close. NULL: nothing is written. */
    const char *hang_folder;
} yoco_comm_options;

enum { YOCO_REQUEST_BYTES = 32 };

/* One message under way, storage owned by the caller and not moved until the wait.
 * Zero-initialised: nothing under way. */
typedef struct yoco_request {
    bool active;
    bool device; /* device memory, where the transport carries that in another way */
    int peer, tag;
    size_t bytes;
    _Alignas(16) unsigned char handle[YOCO_REQUEST_BYTES]; /* the transport's own */
} yoco_request;

/* For the line that a failed wait logs: "edge of chunk 17, layer 3". */
typedef struct yoco_wait_for {
    const char *what;
    int64_t chunk; /* -1: none */
    int layer;     /* -1: none */
} yoco_wait_for;

typedef struct yoco_comm yoco_comm;

/* The table that a transport fills. Each slot does what the function of its name below says. */
typedef struct yoco_comm_ops {
    const char *name;
    void (*close)(yoco_comm *comm);
    void (*abort)(yoco_comm *comm, int exit_code);
    yoco_status (*send)(yoco_comm *comm, int peer, int tag, const void *data, size_t bytes,
                        yoco_request *request);
    yoco_status (*receive)(yoco_comm *comm, int peer, int tag, void *data, size_t bytes,
                           yoco_request *request);
    yoco_status (*wait)(yoco_comm *comm, yoco_request *request, const yoco_wait_for *what);
    yoco_status (*all_max_f32)(yoco_comm *comm, float *data, int64_t n);
    yoco_status (*all_sum_i64)(yoco_comm *comm, int64_t *data, int64_t n);
    yoco_status (*broadcast)(yoco_comm *comm, int root, void *data, size_t bytes);
    yoco_status (*agree)(yoco_comm *comm, yoco_status mine);
    yoco_status (*split)(yoco_comm *comm, int group, yoco_comm **out);
    yoco_status (*drain)(yoco_comm *comm);
    void (*progress)(yoco_comm *comm);
} yoco_comm_ops;

struct yoco_comm {
    const yoco_comm_ops *ops;
    int rank, n_ranks;
    int node_rank, node_n_ranks; /* among the ranks that share this machine */
    double deadline_s;
    bool is_group; /* came from a split */

    /* Which functions also take pointers to the device's memory: send and receive; all_max_f32,
     * all_sum_i64 and broadcast. All ranks of a message or collective then name the same kind of
     * memory, what was put into it is complete, and between two ranks receives of device memory are
     * posted in the order of the sends, whatever their tags. */
    bool device_messages, device_collectives;
    /* Where such a transport finds the stream of the device's own work, set by who uses it, device
     * memory goes by that stream's order and not by the host's: what is handed over need not be
     * complete, what was waited for need not be there. The host then waits with `drain`. NULL: the
     * host's order. */
    void *device_stream;

    /* Called between the polls of every wait; NULL: nothing. A transport that stands on this one
     * makes progress there. */
    void (*idle)(void *data);
    void *idle_data;
};

/* Closes a communicator; NULL is not legal. A group is closed before the one it came from. */
static inline void yoco_comm_close(yoco_comm *comm)
{
    comm->ops->close(comm);
}

/* Ends every rank of the job with this exit code, also from a group; does not return. */
static inline void yoco_comm_abort(yoco_comm *comm, int exit_code)
{
    comm->ops->abort(comm, exit_code);
}

/* Starts a message. Between two ranks, messages of one tag (comm/tags.h) arrive in the order sent.
 * Sizes must match: 0 bytes are legal, 2 GiB or more are YOCO_ERR_INTERNAL. `data` and `request`
 * are not touched until the wait. */
static inline yoco_status yoco_send(yoco_comm *comm, int peer, int tag, const void *data,
                                    size_t bytes, yoco_request *request)
{
    return comm->ops->send(comm, peer, tag, data, bytes, request);
}

static inline yoco_status yoco_receive(yoco_comm *comm, int peer, int tag, void *data, size_t bytes,
                                       yoco_request *request)
{
    return comm->ops->receive(comm, peer, tag, data, bytes, request);
}

/* Waits for a message; at once where nothing is under way. */
static inline yoco_status yoco_wait(yoco_comm *comm, yoco_request *request,
                                    const yoco_wait_for *what)
{
    return comm->ops->wait(comm, request, what);
}

/* Collective, in place: data (n) becomes the maximum over the ranks. No NaN. */
static inline yoco_status yoco_all_max_f32(yoco_comm *comm, float *data, int64_t n)
{
    return comm->ops->all_max_f32(comm, data, n);
}

/* Collective, in place: data (n) becomes the sum over the ranks. */
static inline yoco_status yoco_all_sum_i64(yoco_comm *comm, int64_t *data, int64_t n)
{
    return comm->ops->all_sum_i64(comm, data, n);
}

/* Collective: root's bytes to all ranks. */
static inline yoco_status yoco_broadcast(yoco_comm *comm, int root, void *data, size_t bytes)
{
    return comm->ops->broadcast(comm, root, data, bytes);
}

/* Collective: the worst status of all ranks, on every rank. */
static inline yoco_status yoco_agree(yoco_comm *comm, yoco_status mine)
{
    return comm->ops->agree(comm, mine);
}

/* Collective: ranks that name the same group >= 0 get a communicator of their own, their order
 * kept. */
static inline yoco_status yoco_comm_split(yoco_comm *comm, int group, yoco_comm **out)
{
    return comm->ops->split(comm, group, out);
}

/* Waits until the device's stream has done what was put on it; see device_stream. */
static inline yoco_status yoco_comm_drain(yoco_comm *comm)
{
    return comm->ops->drain(comm);
}

/* Messages under way go on; returns at once. Every wait does this, so only a transport that stands
 * on this one calls it. */
static inline void yoco_comm_progress(yoco_comm *comm)
{
    comm->ops->progress(comm);
}

enum { YOCO_ANY_RANKS = -1 };

/* Opens the ranks: MPI's where a launcher has started this process, else one rank without MPI.
 * `expected_ranks` as below. */
yoco_status yoco_comm_open(const yoco_comm_options *options, int expected_ranks, yoco_comm **out);

/* Starts MPI and gives the log its rank. `expected_ranks` (0: not given) and the launcher's own
 * task count are checked against the number of ranks: a launcher that cannot speak to this MPI
 * starts n programs of one rank each. A mismatch is YOCO_ERR_USAGE; YOCO_ANY_RANKS: nothing is
 * checked. The MPI library is initialised at most once in a process; close finalises it. The
 * deadline holds for the start, too: a rank that never comes ends the job. */
yoco_status yoco_comm_open_mpi(const yoco_comm_options *options, int expected_ranks,
                               yoco_comm **out);

/* One rank without MPI: it sends to itself. */
yoco_status yoco_comm_open_self(const yoco_comm_options *options, yoco_comm **out);

/* Collective, after an open without hang_folder: what it does with one. */
yoco_status yoco_comm_watch(yoco_comm *comm, const char *hang_folder);
/* The check of an open, afterwards; rank 0 speaks. */
yoco_status yoco_comm_expect_ranks(const yoco_comm *comm, int expected_ranks);

/* The launcher's word, before any open: the number of tasks, 0 without a launcher, and this
 * one's place among them. */
int yoco_comm_launched_tasks(int *task);

/* Collective, after what every rank did alone: as agree. Where it failed, the errors that were held
 * (yoco_log_hold) are printed, equal ones once, by the first rank that has it. */
yoco_status yoco_comm_agree_lines(yoco_comm *comm, yoco_status mine);
/* Collective. Whether this rank is the first one where `differs` is true; *any: there is one. */
yoco_status yoco_comm_first(yoco_comm *comm, bool differs, bool *is_first, bool *any);

/* The MPI library and its device on one line, "none" where yoco was built without one; also before
 * the open. */
void yoco_comm_mpi_version(char *text, size_t size);

/* The transports: "mpi" (what the ranks were opened with), "ucx" (messages over UCX) and "nccl"
 * (messages and collectives of device memory over NCCL). "auto" is mpi, or nccl where it was built
 * and the device has memory of its own. A name that is unknown, was not built or does not fit the
 * device is YOCO_ERR_USAGE. */
yoco_status yoco_transport_check(const char *name, bool device_memory); /* local */
bool yoco_transport_built(const char *name);
/* What it takes of a device's memory. */
size_t yoco_transport_bytes(const char *name, bool device_memory, int64_t n_ranks);
/* All but mpi stand on `control`, an open communicator that launches, agrees and carries the rest;
 * *out takes it over and closes it. On failure it stays the caller's. Collective. */
yoco_status yoco_transport_open(const char *name, bool device_memory, yoco_comm *control,
                                yoco_comm **out);

/* The UCX library's version and the transports that it finds on this machine, "self, tcp, rc_mlx5";
 * where it was built. */
void yoco_comm_ucx_version(char *version, size_t version_size, char *names, size_t names_size);

/* The transports of yoco_transport_open, where they were built. */
yoco_status yoco_comm_open_ucx(yoco_comm *control, yoco_comm **out);
yoco_status yoco_comm_open_nccl(yoco_comm *control, yoco_comm **out);

#endif
