/* cublasLt, loaded at the first call: the loader changes 100 MB of it in every process, which ranks
 * without a GPU would pay for too. */
#include "kernels/cuda/device.cuh"

#include <dlfcn.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

/* The version that this was compiled against, where the system or the build knows it to be. */
static void *open_library()
{
    void *library = dlopen("libcublasLt.so." TEXT(CUBLAS_VER_MAJOR), RTLD_NOW);
    if (!library)
        library = dlopen(YOCO_CUBLASLT, RTLD_NOW);
    if (!library)
        yoco_log_warn(
            "cublasLt cannot be loaded, so products take an own kernel, which is right but "
            "slower: put libcublasLt.so." TEXT(CUBLAS_VER_MAJOR) " into LD_LIBRARY_PATH "
                                                                 "(%s)",
            dlerror());
    return library;
}

static void *library()
{
    static void *const opened = open_library();
    return opened;
}

bool yoco_cuda_has_cublaslt()
{
    return library() != NULL;
}

static void *find(const char *name)
{
    return library() ? dlsym(library(), name) : NULL;
}

#define FORWARD(name, parameters, arguments)                                                       \
    cublasStatus_t name parameters                                                                 \
    {                                                                                              \
        static auto *const function = (decltype(&name))find(#name);                                \
        return function ? function arguments : CUBLAS_STATUS_NOT_INITIALIZED;                      \
    }

size_t cublasLtGetVersion(void)
{
    static auto *const function = (decltype(&cublasLtGetVersion))find("cublasLtGetVersion");
    return function ? function() : 0;
}

FORWARD(cublasLtCreate, (cublasLtHandle_t * handle), (handle))
FORWARD(cublasLtDestroy, (cublasLtHandle_t handle), (handle))
FORWARD(cublasLtMatrixLayoutCreate,
        (cublasLtMatrixLayout_t * layout, cudaDataType type, uint64_t rows, uint64_t columns,
         int64_t stride),
        (layout, type, rows, columns, stride))
FORWARD(cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t layout), (layout))
FORWARD(cublasLtMatmulDescCreate,
        (cublasLtMatmulDesc_t * product, cublasComputeType_t compute, cudaDataType_t scale),
        (product, compute, scale))
FORWARD(cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t product), (product))
FORWARD(cublasLtMatmulDescSetAttribute,
        (cublasLtMatmulDesc_t product, cublasLtMatmulDescAttributes_t attribute, const void *value,
         size_t bytes),
        (product, attribute, value, bytes))
FORWARD(cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t * preference), (preference))
FORWARD(cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t preference), (preference))
FORWARD(cublasLtMatmulPreferenceSetAttribute,
        (cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
         const void *value, size_t bytes),
        (preference, attribute, value, bytes))
FORWARD(cublasLtMatmulAlgoGetHeuristic,
        (cublasLtHandle_t handle, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a,
         cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
         cublasLtMatmulPreference_t preference, int n_asked,
         cublasLtMatmulHeuristicResult_t results[], int *n_results),
        (handle, product, a, b, c, d, preference, n_asked, results, n_results))
FORWARD(cublasLtMatmulAlgoConfigGetAttribute,
        (const cublasLtMatmulAlgo_t *algorithm, cublasLtMatmulAlgoConfigAttributes_t attribute,
         void *value, size_t bytes, size_t *n_written),
        (algorithm, attribute, value, bytes, n_written))
FORWARD(cublasLtMatmulAlgoCheck,
        (cublasLtHandle_t handle, cublasLtMatmulDesc_t product, cublasLtMatrixLayout_t a,
         cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
         const cublasLtMatmulAlgo_t *algorithm, cublasLtMatmulHeuristicResult_t *result),
        (handle, product, a, b, c, d, algorithm, result))
FORWARD(cublasLtMatmul,
        (cublasLtHandle_t handle, cublasLtMatmulDesc_t product, const void *alpha, const void *a,
         cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
         const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *d,
         cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algorithm, void *workspace,
         size_t workspace_bytes, cudaStream_t stream),
        (handle, product, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout,
         algorithm, workspace, workspace_bytes, stream))
