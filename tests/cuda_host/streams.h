/* Streams: work that runs in each stream's order when the host waits, see streams.cpp. */
#ifndef CUDA_HOST_STREAMS_H
#define CUDA_HOST_STREAMS_H

#include <functional>
#include <string>
#include <vector>

#include "tests/cuda_host/fibers.h"
#include "tests/cuda_host/put.h"

/* How the stream resumes the fibers of its kernels. */
cuda_host_order cuda_host_order_of(cudaStream_t stream);

/* `kind`: what an update of a graph may not change. `touches`: of copies; what kernels touch is not
 * known. */
void cuda_host_enqueue(cudaStream_t stream, const std::string &kind, std::function<void()> work,
                       const std::vector<cuda_host_touch> &touches = {});

/* Until all streams are idle. */
void cuda_host_drain();

#endif
