/* Bytes between ranks. One table of mandatory functions; host memory only. Every wait has a
 * deadline, makes progress without blocking underneath and yields the core. A wait that fails or
 * passes its deadline logs what was waited for and ends the whole job with exit code 75: there is
 * nobody left to agree with.
 *
 * Collectives are entered by all ranks in the same order. A rank may send to itself through the
 * same calls. */
#ifndef YOCO_COMM_H
#define YOCO_COMM_H

#include "base.h"

typedef struct yoco_comm_options {
    double deadline_s; /* longest wait for one message or collective, > 0 */
} yoco_comm_options;

enum { YOCO_REQUEST_BYTES = 32 };

/* One message under way, storage owned by the caller and not moved until the wait.
 * Zero-initialised: nothing under way. */
typedef struct yoco_request {
    bool active;
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

typedef struct yoco_comm_ops {
    const char *name;
    void (*close)(yoco_comm *comm);
    /* Ends every rank of the job with this exit code; does not return. */
    void (*abort)(yoco_comm *comm, int exit_code);

    /* Between two ranks, messages of one tag arrive in the order sent. Sizes must match: 0 bytes
     * are legal, 2 GiB or more are YOCO_ERR_INTERNAL. */
    yoco_status (*send)(yoco_comm *comm, int peer, int tag, const void *data, size_t bytes,
                        yoco_request *request);
    yoco_status (*receive)(yoco_comm *comm, int peer, int tag, void *data, size_t bytes,
                           yoco_request *request);
    yoco_status (*wait)(yoco_comm *comm, yoco_request *request,
                        const yoco_wait_for *what); /* inactive: at once */

    yoco_status (*all_max_f32)(yoco_comm *comm, float *data, int64_t n); /* in place; no NaN */
    yoco_status (*all_sum_i64)(yoco_comm *comm, int64_t *data, int64_t n);
    yoco_status (*broadcast)(yoco_comm *comm, int root, void *data, size_t bytes);
    /* The worst status of all ranks, on every rank. */
    yoco_status (*agree)(yoco_comm *comm, yoco_status mine);

    /* Ranks that name the same group >= 0 get a communicator of their own, their order kept. It is
     * closed before the one it came from. abort from a group still ends every rank of the job. */
    yoco_status (*split)(yoco_comm *comm, int group, yoco_comm **out);
} yoco_comm_ops;

struct yoco_comm {
    const yoco_comm_ops *ops;
    int rank, n_ranks;
    int node_rank, node_n_ranks; /* among the ranks that share this machine */
    double deadline_s;
};

/* Starts MPI and gives the log its rank. `expected_ranks` (0: not given) and the launcher's own
 * task count are checked against the number of ranks: a launcher that cannot speak to this MPI
 * starts n programs of one rank each. A mismatch is YOCO_ERR_USAGE. The MPI library is initialised
 * at most once in a process; close finalises it. */
yoco_status yoco_comm_open_mpi(const yoco_comm_options *options, int expected_ranks,
                               yoco_comm **out);

#endif
