/* What kernels need of the compiler and of the chip. This file and hopper.cuh alone know whether
 * nvcc compiles or the host does (tests/cuda_host), where blocks are loops and threads are fibers.
 *
 * Fragments are those of PTX's mma.m16n8k16: with lane = 4 g + t,
 * - a (16 x 16 bf16): rows g, g + 8 of columns 2t, 2t+1, then the same of columns 2t+8, 2t+9
 * - b (16 x 8 bf16): column g, rows 2t, 2t+1, then rows 2t+8, 2t+9
 * - d (16 x 8 f32): row g, columns 2t, 2t+1, then row g + 8 */
#ifndef YOCO_CUDA_PORTABLE_CUH
#define YOCO_CUDA_PORTABLE_CUH

#include <math.h>
#include <stdint.h>

#include <cublasLt.h>
#include <cuda_runtime.h>

extern "C" {
#include "kernels/kernels.h"
}

/* Every kernel that stands in a launch is on a list from the program's start, so that a device
 * loads them all when it is opened (load.cu): none is loaded while a step is captured.
 * `capability`: the compute capability, as 90 for 9.0, that alone has the kernel; 0: all have it.
 */
int yoco_cuda_list_kernel(const void *kernel, int capability);

template <auto *Kernel, int Capability = 0> struct listed_kernel {
    static const int place;
};
template <auto *Kernel, int Capability>
const int listed_kernel<Kernel, Capability>::place = yoco_cuda_list_kernel((const void *)Kernel,
                                                                           Capability);

/* `kernel` in parentheses where its template arguments have a comma. */
#define YOCO_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                \
    do {                                                                                           \
        (void)listed_kernel<(kernel)>::place;                                                      \
        YOCO_START(kernel, grid, block, shared_bytes, stream, __VA_ARGS__);                        \
    } while (0)

#define YOCO_LAUNCH_ON(capability, kernel, grid, block, shared_bytes, stream, ...)                 \
    do {                                                                                           \
        (void)listed_kernel<(kernel), capability>::place;                                          \
        YOCO_START(kernel, grid, block, shared_bytes, stream, __VA_ARGS__);                        \
    } while (0)

#ifdef __CUDACC__

#define YOCO_START(kernel, grid, block, shared_bytes, stream, ...)                                 \
    kernel<<<grid, block, shared_bytes, stream>>>(__VA_ARGS__)

/* A pointer that came out of memory is one to global memory: the compiler cannot know, and would
 * make generic accesses, which are slower. */
template <typename T> __device__ inline T *in_global(T *ptr)
{
    __builtin_assume(__isGlobal(ptr));
    return ptr;
}

/* The block's dynamic shared memory, as bytes; the only kind in use. */
#define YOCO_SHARED(name) extern __shared__ __align__(16) unsigned char name[]

/* d += a b */
__device__ inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four 8 x 8 matrices of 16-bit numbers; lane i gives the address of row i % 8 of matrix i / 8. */
__device__ inline void ldmatrix_x4(uint32_t (&r)[4], const uint16_t *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((uint32_t)__cvta_generic_to_shared(row))
                 : "memory");
}

__device__ inline void ldmatrix_x4_trans(uint32_t (&r)[4], const uint16_t *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((uint32_t)__cvta_generic_to_shared(row))
                 : "memory");
}

/* 16 bytes from global to shared memory, arriving with cp_async_wait; zeros where not valid. */
__device__ inline void cp_async_16(void *shared, const void *global, bool valid)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"((uint32_t)__cvta_generic_to_shared(shared)), "l"(global), "r"(valid ? 16 : 0)
                 : "memory");
}

__device__ inline void cp_async_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most N of this thread's groups are under way. */
template <int N> __device__ inline void cp_async_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

__device__ inline uint16_t f32_to_bf16(float x)
{
    uint16_t bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}

/* Two neighbours in a word, as memory has them. */
__device__ inline uint32_t f32_to_bf16_pair(float low, float high)
{
    uint32_t bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}

__device__ inline float f16_to_f32(uint16_t bits)
{
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}

#else

#include <cuda_host.h>

#define YOCO_START(kernel, grid, block, shared_bytes, stream, ...)                                 \
    cuda_host_launch(#kernel, __PRETTY_FUNCTION__, grid, block, shared_bytes, stream, kernel,      \
                     __VA_ARGS__)

#define YOCO_SHARED(name) unsigned char *name = cuda_host_shared()

#endif

#endif
