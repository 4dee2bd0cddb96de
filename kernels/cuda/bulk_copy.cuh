/* Copies of tiles by the bulk copy engine (TMA) of compute capability 9.0, and the barriers in
 * shared memory that tell when they have arrived. As portable.cuh, this file knows whether nvcc
 * compiles or the host does.
 *
 * A barrier has phases, 0 and 1 in turns: one ends when who expects bytes has said how many, and as
 * many have come. A tile is 64 columns of bf16 of as many rows as its map says, swizzled as
 * hopper.cuh wants it; zeros where the matrix ends, on every side. Maps are a kernel's arguments,
 * or stand in global memory. */
#ifndef YOCO_CUDA_BULK_COPY_CUH
#define YOCO_CUDA_BULK_COPY_CUH

#include <cuda.h>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/hopper.cuh"

/* A map of n_rows rows of n_columns bf16 without gaps, for tiles of box_rows rows (at most 256).
 * False, with the device's status set, where the driver refuses it: `first` and a row's bytes are
 * to be multiples of 16. */
bool yoco_cuda_tile_map(yoco_device *device, const void *first, int64_t n_rows, int64_t n_columns,
                        int box_rows, CUtensorMap *out);

/* Of all rows of a segment's K and V (segments.cuh). */
struct segment_maps {
    CUtensorMap k, v;
};

#ifdef __CUDACC__

__device__ inline void barrier_init(uint64_t *barrier)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(barrier))
                 : "memory");
}

/* After barrier_init, before another thread or the engine uses the barrier; then __syncthreads. */
__device__ inline void fence_barrier_init()
{
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ inline void barrier_expect(uint64_t *barrier, int bytes)
{
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
        "r"(bytes)
        : "memory");
}

/* Until the phase has ended. */
__device__ inline void barrier_wait(uint64_t *barrier, int phase)
{
    uint32_t done = 0;
    while (!done)
        asm volatile("{\n.reg .pred p;\n"
                     "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
                     "selp.u32 %0, 1, 0, p;\n}"
                     : "=r"(done)
                     : "r"(shared_address(barrier)), "r"(phase)
                     : "memory");
}

/* Of a map in global memory, which a copy on the stream brought: before a block's first use of it,
 * by the thread that uses it. */
__device__ inline void acquire_map(const CUtensorMap *map)
{
    asm volatile("fence.proxy.tensormap::generic.acquire.sys [%0], 128;" ::"l"(map) : "memory");
}

/* Begins to copy the tile at (row, column) of the map; by one thread. */
__device__ inline void bulk_copy_tile(void *tile, const CUtensorMap *map, int row, int column,
                                      uint64_t *barrier)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(tile)),
                 "l"(map), "r"(column), "r"(row), "r"(shared_address(barrier))
                 : "memory");
}

#else

#include <bulk_host.h>

#endif

#endif
