/* What the backend uses of the driver's interface: maps of matrices. On the host a map is what it
 * was made of. */
#ifndef CUDA_HOST_DRIVER_H
#define CUDA_HOST_DRIVER_H

#include <stdint.h>

#define __grid_constant__

typedef uint32_t cuuint32_t;
typedef uint64_t cuuint64_t;

typedef enum { CUDA_SUCCESS, CUDA_ERROR_INVALID_VALUE } CUresult;
typedef enum { CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 } CUtensorMapDataType;
typedef enum { CU_TENSOR_MAP_INTERLEAVE_NONE } CUtensorMapInterleave;
typedef enum { CU_TENSOR_MAP_SWIZZLE_128B } CUtensorMapSwizzle;
typedef enum { CU_TENSOR_MAP_L2_PROMOTION_L2_128B } CUtensorMapL2promotion;
typedef enum { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE } CUtensorMapFloatOOBfill;

typedef struct alignas(64) CUtensorMap {
    const char *first;
    uint64_t n_columns, n_rows, row_bytes;
    uint64_t box_columns, box_rows, unused[10]; /* 128 bytes, as the driver's */
} CUtensorMap;

/* As the driver does, refuses what its engine cannot copy. */
CUresult cuTensorMapEncodeTiled(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t n_dimensions,
                                void *first, const cuuint64_t *sizes, const cuuint64_t *row_bytes,
                                const cuuint32_t *box, const cuuint32_t *steps,
                                CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill);

#endif
