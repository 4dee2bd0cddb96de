/* Maps for the bulk copy engine, which the driver's own library makes. */
#include "kernels/cuda/bulk_copy.cuh"

constexpr unsigned FIRST_CUDA = 12000; /* whose driver knows maps */

typedef decltype(&cuTensorMapEncodeTiled) encode_function;

/* Through the runtime: nothing links the driver's library. */
static encode_function find_encode(yoco_device *device)
{
    void *found = NULL;
    if (device->encode_map)
        return (encode_function)device->encode_map;
    cudaDriverEntryPointQueryResult result;
#if CUDART_VERSION >= 12050
    cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found,
                                                         FIRST_CUDA, cudaEnableDefault, &result);
#else
    cudaError_t error =
        cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &result);
#endif
    if (yoco_cuda_check(device, error, "asking the driver") && !found)
        yoco_cuda_fail(device, "asking the driver", "it has no cuTensorMapEncodeTiled");
    device->encode_map = found;
    return (encode_function)found;
}

bool yoco_cuda_tile_map(yoco_device *device, const void *first, int64_t n_rows, int64_t n_columns,
                        int box_rows, CUtensorMap *out)
{
    const cuuint64_t sizes[] = {(cuuint64_t)n_columns, (cuuint64_t)n_rows};
    const cuuint64_t row_bytes[] = {(cuuint64_t)n_columns * sizeof(uint16_t)};
    const cuuint32_t box[] = {SWIZZLE_COLUMNS, (cuuint32_t)box_rows}, steps[] = {1, 1};
    encode_function encode = find_encode(device);
    if (!encode)
        return false;
    CUresult result =
        encode(out, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, (void *)first, sizes, row_bytes, box,
               steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
               CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (result != CUDA_SUCCESS)
        yoco_cuda_fail(device, "describing a matrix", "the driver refuses its shape");
    return result == CUDA_SUCCESS;
}
