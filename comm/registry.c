/* Which transports were built: the only place that asks; and which of them opens the ranks. */
#include "comm/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/launch.h"

static yoco_status keep(yoco_comm *control, yoco_comm **out)
{
    *out = control;
    return YOCO_OK;
}

#ifdef YOCO_WITH_UCX
#define OPEN_UCX yoco_comm_open_ucx
#else
#define OPEN_UCX NULL
#endif
#ifdef YOCO_WITH_NCCL
#define OPEN_NCCL yoco_comm_open_nccl
#else
#define OPEN_NCCL NULL
#endif

enum { MPI, UCX, NCCL, N_TRANSPORTS };

static const struct {
    const char *name;
    yoco_status (*open)(yoco_comm *control, yoco_comm **out); /* NULL: not built */
} transports[N_TRANSPORTS] = {
    [MPI] = {"mpi", keep},
    [UCX] = {"ucx", OPEN_UCX},
    [NCCL] = {"nccl", OPEN_NCCL},
};

/* N_TRANSPORTS: none of that name. */
static int find(const char *name, bool device_memory)
{
    int i = 0;
    if (strcmp(name, "auto") == 0)
        return device_memory && transports[NCCL].open ? NCCL : MPI;
    while (i < N_TRANSPORTS && strcmp(name, transports[i].name) != 0)
        i++;
    return i;
}

bool yoco_transport_built(const char *name)
{
    int i = find(name, false);
    return i < N_TRANSPORTS && transports[i].open;
}

/* Of buffers between GPUs, the collectives' above all: NCCL takes 0.3 to 1.5 GiB on eight of them
 * (an estimate: no device has measured it). */
static const size_t NCCL_BYTES = (size_t)1 << 30;

size_t yoco_transport_bytes(const char *name, bool device_memory, int64_t n_ranks)
{
    return find(name, device_memory) == NCCL && n_ranks > 1 ? NCCL_BYTES : 0;
}

yoco_status yoco_transport_check(const char *name, bool device_memory)
{
    int i = find(name, device_memory);
    if (i == N_TRANSPORTS)
        yoco_log_error("--transport is auto, mpi, ucx or nccl, not '%s'", name);
    else if (!transports[i].open)
        yoco_log_error("--transport %s: this yoco was built without it (see docs/CLUSTER.md)",
                       name);
    else if (i == NCCL && !device_memory)
        yoco_log_error("--transport nccl is between the memories of GPUs, and this backend keeps "
                       "its data in the host's: use mpi or ucx");
    else
        return YOCO_OK;
    return YOCO_ERR_USAGE;
}

yoco_status yoco_transport_open(const char *name, bool device_memory, yoco_comm *control,
                                yoco_comm **out)
{
    YOCO_TRY(yoco_transport_check(name, device_memory));
    return transports[find(name, device_memory)].open(control, out);
}

static const char *get_variable(const char *name)
{
    return getenv(name);
}

int yoco_comm_launched_tasks(int *task)
{
    yoco_launch launch = yoco_launch_read(get_variable);
    *task = launch.task;
    return launch.variable ? launch.n_tasks : 0;
}

yoco_status yoco_comm_expect_ranks(const yoco_comm *comm, int expected_ranks)
{
    yoco_launch launch = yoco_launch_read(get_variable);
    return yoco_launch_check(&launch, comm->rank, comm->n_ranks, expected_ranks);
}

#ifdef YOCO_WITH_MPI
static const bool with_mpi = true;
#else
static const bool with_mpi = false;

yoco_status yoco_comm_open_mpi(const yoco_comm_options *options, int expected_ranks,
                               yoco_comm **out)
{
    (void)options;
    (void)expected_ranks;
    (void)out;
    yoco_log_error("this yoco was built without MPI: it runs one rank");
    return YOCO_ERR_USAGE;
}

void yoco_comm_mpi_version(char *text, size_t size)
{
    snprintf(text, size, "none");
}
#endif

static yoco_status open_self(const yoco_comm_options *options, int expected_ranks, yoco_comm **out)
{
    yoco_comm *comm;
    YOCO_TRY(yoco_comm_open_self(options, &comm));
    yoco_status status = YOCO_OK;
    if (expected_ranks != YOCO_ANY_RANKS)
        status = yoco_comm_expect_ranks(comm, expected_ranks);
    if (status == YOCO_OK)
        *out = comm;
    else
        yoco_comm_close(comm);
    return status;
}

yoco_status yoco_comm_open(const yoco_comm_options *options, int expected_ranks, yoco_comm **out)
{
    int task;
    bool launched = yoco_launch_found(get_variable);
    if (launched && (with_mpi || yoco_comm_launched_tasks(&task) > 1))
        return yoco_comm_open_mpi(options, expected_ranks, out);
    return open_self(options, expected_ranks, out);
}
