#include "comm/nccl/cuda_place.h"
#include "comm/over.h"

#include <cuda_runtime_api.h>
#include <string.h>
#include <unistd.h>

enum { HOST_BYTES = 256, BUS_BYTES = 32 };

static yoco_status failed(const char *what, cudaError_t error)
{
    yoco_log_error("%s: %s", what, cudaGetErrorString(error));
    return YOCO_ERR_INTERNAL;
}

/* *id: which GPU of which machine, equal only for the same one. */
static yoco_status choose(const yoco_comm *comm, int64_t *id)
{
    int n_devices = 0;
    char name[HOST_BYTES + BUS_BYTES] = "";
    cudaError_t error = cudaGetDeviceCount(&n_devices);
    if (error != cudaSuccess || n_devices == 0)
        return failed("no GPU", error);
    int device = comm->node_rank % n_devices;
    error = cudaSetDevice(device);
    gethostname(name, HOST_BYTES - 1);
    if (error == cudaSuccess)
        error = cudaDeviceGetPCIBusId(name + strlen(name), BUS_BYTES, device);
    if (error != cudaSuccess)
        return failed("this rank's GPU", error);
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    *id = (int64_t)hash;
    return YOCO_OK;
}

static yoco_status check(const yoco_comm *comm, const int64_t *ids)
{
    for (int i = 0; i < comm->n_ranks; i++)
        for (int j = 0; j < i; j++)
            if (ids[i] == ids[j]) {
                if (comm->rank == i)
                    yoco_log_error("ranks %d and %d are on the same GPU, and NCCL takes one rank "
                                   "per GPU: start as many ranks on a machine as it has GPUs, or "
                                   "use --transport mpi",
                                   j, i);
                return YOCO_ERR_USAGE;
            }
    return YOCO_OK;
}

yoco_status yoco_cuda_place(yoco_comm *comm)
{
    int64_t mine = 0, *ids = NULL;
    yoco_status status = choose(comm, &mine);
    if (status == YOCO_OK)
        status = yoco_alloc((size_t)comm->n_ranks * sizeof *ids, "the ranks' GPUs", (void **)&ids);
    status = comm->ops->agree(comm, status);
    if (status == YOCO_OK && ids) { /* agreed: it is there */
        status = yoco_over_gather(comm, &mine, 1, ids);
        if (status == YOCO_OK)
            status = check(comm, ids);
    }
    yoco_free(ids);
    return status;
}
