/* Errors of the runtime, and the resources of kernels. */
#include "tests/cuda_host/launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fstream>
#include <map>
#include <string>

enum {
    DEFAULT_SHARED = 48 * 1024, /* what a block may have without being asked for */
    REGISTERS = 64 * 1024,      /* of a block */
    REGISTER_UNIT = 8,          /* of a thread: they are given out in eights */
    MOST_THREADS = 1024,
    MOST_YZ = 65535
};

static thread_local cudaError_t last_error;

const cuda_host_gpu &cuda_host_this_gpu()
{
    static const cuda_host_gpu h100 = {9, 0, 227 * 1024}, a100 = {8, 0, 163 * 1024};
    const char *name = getenv("CUDA_HOST_GPU");
    return name && strcmp(name, "a100") == 0 ? a100 : h100;
}

cudaError_t cuda_host_error(cudaError_t error)
{
    if (error != cudaSuccess)
        last_error = error;
    return error;
}

cudaError_t cudaPeekAtLastError()
{
    return last_error;
}

cudaError_t cudaGetLastError()
{
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
    case cudaErrorInvalidValue:
        return "invalid argument";
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorInvalidConfiguration:
        return "invalid configuration argument";
    case cudaErrorLaunchOutOfResources:
        return "too many resources requested for launch";
    case cudaErrorNotReady:
        return "device not ready";
    default:
        return "an error";
    }
}

/* Of a kernel that was loaded. */
struct loaded {
    size_t shared_limit;
    int registers, threads; /* of resources.txt; 0: not looked up yet */
};

static std::map<const void *, loaded> kernels;

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *out, const void *kernel)
{
    *out = {};
    kernels.insert({kernel, {DEFAULT_SHARED, 0, 0}});
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute, int bytes)
{
    if (bytes < 0 || (size_t)bytes > cuda_host_this_gpu().shared_limit)
        return cuda_host_error(cudaErrorInvalidValue);
    kernels.insert({kernel, {}});
    kernels[kernel].shared_limit = (size_t)bytes;
    return cudaSuccess;
}

/* kernel<128>: a launch says kernel<DIM>, and its function "[with int DIM = 128". */
static std::string instance(const cuda_host_kernel &kernel)
{
    std::string name = kernel.name, caller = kernel.caller;
    size_t open = name.find('<');
    if (open == std::string::npos)
        return name;
    std::string parameter = name.substr(open + 1, name.find('>') - open - 1);
    size_t at = caller.find(parameter + " = ");
    if (at == std::string::npos)
        return name;
    at += parameter.size() + 3;
    return name.substr(0, open + 1) + caller.substr(at, caller.find_first_of(";]", at) - at) + ">";
}

/* What nvcc gave it: more than the host's compiler knows. */
static void look_up(const cuda_host_kernel &kernel, loaded *out)
{
    std::ifstream file(CUDA_HOST_RESOURCES);
    std::string wanted = instance(kernel), line, name;
    while (std::getline(file, line)) {
        size_t end = line.find(' ');
        if (line.substr(0, end) == wanted &&
            sscanf(line.c_str() + end, "%d %d", &out->registers, &out->threads) == 2)
            return;
    }
    fprintf(stderr, "kernel %s is not in %s: tools/gpu_resources.sh --update\n", wanted.c_str(),
            CUDA_HOST_RESOURCES);
    abort();
}

static int registers_of_block(const loaded &kernel, int n_threads)
{
    return (kernel.registers + REGISTER_UNIT - 1) / REGISTER_UNIT * REGISTER_UNIT * n_threads;
}

bool cuda_host_refuses(const cuda_host_kernel &kernel, dim3 grid, dim3 block, size_t shared_bytes)
{
    auto found = kernels.find(kernel.address);
    if (found == kernels.end()) {
        fprintf(stderr, "kernel %s was not loaded when the device was opened\n", kernel.name);
        abort();
    }
    loaded *own = &found->second;
    if (own->registers == 0)
        look_up(kernel, own);
    int n_threads = (int)(block.x * block.y * block.z);
    bool is_shape = grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.y <= MOST_YZ &&
                    grid.z <= MOST_YZ && n_threads > 0 && n_threads <= MOST_THREADS;
    cudaError_t error = cudaSuccess;
    if (!is_shape)
        error = cudaErrorInvalidConfiguration;
    else if (shared_bytes > own->shared_limit)
        error = cudaErrorInvalidValue;
    else if (n_threads > own->threads || registers_of_block(*own, n_threads) > REGISTERS)
        error = cudaErrorLaunchOutOfResources;
    if (error != cudaSuccess)
        fprintf(stderr,
                "kernel %s: a launch of (%u, %u, %u) blocks of %d threads with %zu bytes of shared "
                "memory is refused: %s\n",
                kernel.name, grid.x, grid.y, grid.z, n_threads, shared_bytes,
                cudaGetErrorString(error));
    return cuda_host_error(error) != cudaSuccess;
}
