/* Products of a warpgroup (wgmma), which compute capability 9.0 alone has. As portable.cuh, this
 * file knows whether nvcc compiles or the host does.
 *
 * A warpgroup is four warps; all of them issue the same products. Accumulators are those of
 * mma.m16n8k16 side by side: warp w has rows 16 w .. 16 w + 15, d[i] columns 8 i .. 8 i + 7. They
 * and the fragments of a may be touched before wgmma_fence and after wgmma_wait, not in between.
 *
 * Operands in shared memory are tiles of 64 columns of bf16: a row is 128 bytes, whose eight chunks
 * of 16 bytes are swizzled, chunk c of row r at place c ^ r % 8. Tiles begin on 1024 bytes. */
#ifndef YOCO_CUDA_HOPPER_CUH
#define YOCO_CUDA_HOPPER_CUH

#include "kernels/cuda/portable.cuh"

constexpr int SWIZZLE_COLUMNS = 64;
constexpr int SWIZZLE_ROW_BYTES = 128;
constexpr int SWIZZLE_REPEAT = 1024; /* bytes of 8 rows, after which the pattern begins anew */

/* Where column `column` of row `row` of a tile lies, in elements. */
__device__ inline int swizzled(int row, int column)
{
    return row * SWIZZLE_COLUMNS + ((column / 8 ^ row % 8) * 8) + column % 8;
}

#ifdef __CUDACC__

#define YOCO_SHARED_TILES(name) extern __shared__ __align__(1024) unsigned char name[]

__device__ inline uint32_t shared_address(const void *ptr)
{
    return (uint32_t)__cvta_generic_to_shared(ptr);
}

#define WGMMA_ACCUMULATORS_4(d, i) "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3])
#define WGMMA_ACCUMULATORS_32(d, i)                                                                \
    WGMMA_ACCUMULATORS_4(d, i), WGMMA_ACCUMULATORS_4(d, i + 1), WGMMA_ACCUMULATORS_4(d, i + 2),    \
        WGMMA_ACCUMULATORS_4(d, i + 3), WGMMA_ACCUMULATORS_4(d, i + 4),                            \
        WGMMA_ACCUMULATORS_4(d, i + 5), WGMMA_ACCUMULATORS_4(d, i + 6),                            \
        WGMMA_ACCUMULATORS_4(d, i + 7)
#define WGMMA_PLACES_32                                                                            \
    "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "  \
    "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define WGMMA_PLACES_64                                                                            \
    WGMMA_PLACES_32                                                                                \
    ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, " \
    "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

__device__ inline void wgmma_fence(float (&d)[8][4])
{
    asm volatile("wgmma.fence.sync.aligned;" : WGMMA_ACCUMULATORS_32(d, 0) : : "memory");
}

__device__ inline void wgmma_fence(float (&d)[16][4])
{
    asm volatile("wgmma.fence.sync.aligned;"
                 : WGMMA_ACCUMULATORS_32(d, 0), WGMMA_ACCUMULATORS_32(d, 8)
                 :
                 : "memory");
}

/* Ends a group of products. */
__device__ inline void wgmma_commit()
{
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Waits for all groups. */
__device__ inline void wgmma_wait(float (&d)[8][4])
{
    asm volatile("wgmma.wait_group.sync.aligned 0;" : WGMMA_ACCUMULATORS_32(d, 0) : : "memory");
}

__device__ inline void wgmma_wait(float (&d)[16][4])
{
    asm volatile("wgmma.wait_group.sync.aligned 0;"
                 : WGMMA_ACCUMULATORS_32(d, 0), WGMMA_ACCUMULATORS_32(d, 8)
                 :
                 : "memory");
}

/* d (64 x n) += a (64 x 16) b (16 x n): a warp's rows of a in fragments of mma.m16n8k16, b by its
 * descriptor, of rows b^T or of columns. */
__device__ inline void wgmma_rows(float (&d)[8][4], const uint32_t (&a)[4], uint64_t b)
{
    asm volatile("{\n.reg .pred p;\nsetp.eq.u32 p, 0, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " WGMMA_PLACES_32
                 "}, {%32, %33, %34, %35}, %36, p, 1, 1, 0;\n}"
                 : WGMMA_ACCUMULATORS_32(d, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b)
                 : "memory");
}

__device__ inline void wgmma_columns(float (&d)[8][4], const uint32_t (&a)[4], uint64_t b)
{
    asm volatile("{\n.reg .pred p;\nsetp.eq.u32 p, 0, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " WGMMA_PLACES_32
                 "}, {%32, %33, %34, %35}, %36, p, 1, 1, 1;\n}"
                 : WGMMA_ACCUMULATORS_32(d, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b)
                 : "memory");
}

__device__ inline void wgmma_columns(float (&d)[16][4], const uint32_t (&a)[4], uint64_t b)
{
    asm volatile("{\n.reg .pred p;\nsetp.eq.u32 p, 0, 0;\n"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " WGMMA_PLACES_64
                 "}, {%64, %65, %66, %67}, %68, p, 1, 1, 1;\n}"
                 : WGMMA_ACCUMULATORS_32(d, 0), WGMMA_ACCUMULATORS_32(d, 8)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b)
                 : "memory");
}

#else

#include <wgmma_host.h>

#endif

/* A matrix in tiles, `next_tile` bytes apart, from `first` on: of rows, whose depth lies along the
 * tile's columns, or of columns, whose depth lies along its rows. */
__device__ inline uint64_t matrix_descriptor(const void *first, int next_tile)
{
    return (uint64_t)(shared_address(first) >> 4) | (uint64_t)(next_tile >> 4) << 16 |
           (uint64_t)(SWIZZLE_REPEAT >> 4) << 32 | (uint64_t)1 << 62;
}

#endif
