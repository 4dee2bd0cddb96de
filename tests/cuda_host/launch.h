/* What the device refuses, and the last error, which tells. */
#ifndef CUDA_HOST_LAUNCH_H
#define CUDA_HOST_LAUNCH_H

#include "tests/cuda_host/include/cuda_host.h"

/* What the device is: an H100, or an A100 with CUDA_HOST_GPU=a100. Compute capability, major and
 * minor; the most shared memory of a block. */
struct cuda_host_gpu {
    int major, minor;
    size_t shared_limit;
};
const cuda_host_gpu &cuda_host_this_gpu();

/* What a call of the runtime returns: unless it is success, it is the thread's last error too. */
cudaError_t cuda_host_error(cudaError_t error);

/* True, with the last error set: no device would run it. Such a launch is not there, and nothing
 * but the last error says so. Ends the program where the kernel was not loaded before. */
bool cuda_host_refuses(const cuda_host_kernel &kernel, dim3 grid, dim3 block, size_t shared_bytes);

#endif
