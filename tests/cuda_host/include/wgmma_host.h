/* The host's side of kernels/cuda/hopper.cuh: products of a warpgroup. A descriptor and an order of
 * calls that a device would take otherwise than it is meant end the program. */
#ifndef WGMMA_HOST_H
#define WGMMA_HOST_H

#include "tests/cuda_host/include/cuda_host.h"

#define YOCO_SHARED_TILES(name) unsigned char *name = cuda_host_shared()

/* In the block's shared memory, which begins where a device's does: behind 1024 bytes. */
uint32_t shared_address(const void *ptr);

void wgmma_commit();
void cuda_host_wgmma_fence();
void cuda_host_wgmma_wait(float *d, int n);
void cuda_host_wgmma(float *d, int n, const uint32_t (&a)[4], uint64_t b, bool b_has_rows);

template <int N> void wgmma_fence(float (&)[N][4])
{
    cuda_host_wgmma_fence();
}

template <int N> void wgmma_wait(float (&d)[N][4])
{
    cuda_host_wgmma_wait(d[0], 4 * N);
}

template <int N> void wgmma_rows(float (&d)[N][4], const uint32_t (&a)[4], uint64_t b)
{
    cuda_host_wgmma(d[0], 4 * N, a, b, true);
}

template <int N> void wgmma_columns(float (&d)[N][4], const uint32_t (&a)[4], uint64_t b)
{
    cuda_host_wgmma(d[0], 4 * N, a, b, false);
}

#endif
