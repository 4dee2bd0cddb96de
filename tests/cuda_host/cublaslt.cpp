/* cublasLt's products. */
#include "tests/cuda_host/include/cublasLt.h"

#include <stdlib.h>

#include <functional>
#include <set>
#include <tuple>
#include <vector>

#include "tests/cuda_host/streams.h"

extern "C" {
#include "base.h"
}

struct cublasLtContext {
    int unused;
};

struct cublasLtDesc {
    bool transposes_a;
};

struct cublasLtLayout {
    cudaDataType_t type;
    int64_t rows, columns, leading;
};

struct cublasLtPreference {
    int unused;
};

/* CUDA_HOST_NO_CUBLASLT: as on a machine that has none. */
bool yoco_cuda_has_cublaslt()
{
    return !getenv("CUDA_HOST_NO_CUBLASLT");
}

size_t cublasLtGetVersion()
{
    return 0;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *out)
{
    *out = new cublasLtContext();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t,
                                        cudaDataType_t)
{
    *out = new cublasLtDesc();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    delete desc;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t, const void *value,
                                              size_t)
{
    desc->transposes_a = *static_cast<const cublasOperation_t *>(value) == CUBLAS_OP_T;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType_t type,
                                          uint64_t rows, uint64_t columns, int64_t leading)
{
    *out = new cublasLtLayout{type, (int64_t)rows, (int64_t)columns, leading};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    delete layout;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out)
{
    *out = new cublasLtPreference();
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    delete preference;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                    cublasLtMatmulPreferenceAttributes_t,
                                                    const void *, size_t)
{
    return CUBLAS_STATUS_SUCCESS;
}

/* The first result splits sums and must be turned down. */
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t, int,
                                              cublasLtMatmulHeuristicResult_t *results,
                                              int *n_found)
{
    results[0] = {{4}, 0, CUBLAS_STATUS_SUCCESS};
    results[1] = {{1}, 0, CUBLAS_STATUS_SUCCESS};
    *n_found = 2;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute,
                                                    void *value, size_t, size_t *written)
{
    *static_cast<int32_t *>(value) = attribute == CUBLASLT_ALGO_CONFIG_SPLITK_NUM ? algo->id : 0;
    *written = sizeof(int32_t);
    return CUBLAS_STATUS_SUCCESS;
}

/* Dimensions and rows of whole 16 bytes, as products on tensor cores want them. */
static bool is_aligned(const cublasLtLayout &layout)
{
    int64_t element = layout.type == CUDA_R_16BF ? 2 : 4;
    return layout.leading >= layout.rows && layout.leading * element % 16 == 0;
}

/* Layouts of (a, d) for which some algorithm was checked: an algorithm runs on no other. */
static std::set<std::tuple<int64_t, int64_t, int64_t>> checked; /* depth, outputs, d's row */

static std::tuple<int64_t, int64_t, int64_t> checked_key(const cublasLtLayout &a,
                                                         const cublasLtLayout &d)
{
    return {a.rows, a.columns, d.leading};
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t *algo,
                                       cublasLtMatmulHeuristicResult_t *result)
{
    if (!is_aligned(*a) || !is_aligned(*b) || !is_aligned(*d))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    checked.insert(checked_key(*a, *d));
    *result = {*algo, 0, CUBLAS_STATUS_SUCCESS};
    return CUBLAS_STATUS_SUCCESS;
}

/* A column, in f32. */
static void load(const cublasLtLayout &layout, const void *data, int64_t column, float *out)
{
    int64_t first = column * layout.leading;
    if (layout.type == CUDA_R_32F) {
        memcpy(out, static_cast<const float *>(data) + first, (size_t)layout.rows * sizeof *out);
        return;
    }
    const uint16_t *bf16 = static_cast<const uint16_t *>(data) + first;
    for (int64_t k = 0; k < layout.rows; k++)
        out[k] = yoco_bf16_to_f32(bf16[k]);
}

enum { LANES = 8 };

/* Sums in 8 lanes, then over them: one order, whatever the number of columns. */
CUDA_HOST_UNCHECKED static float dot(const float *a, const float *b, int64_t n)
{
    float lanes[LANES] = {0}, sum = 0;
    for (int64_t k = 0; k + LANES <= n; k += LANES)
        for (int i = 0; i < LANES; i++)
            lanes[i] += a[k + i] * b[k + i];
    for (int64_t k = n / LANES * LANES; k < n; k++)
        sum += a[k] * b[k];
    for (int i = 0; i < LANES; i++)
        sum += lanes[i];
    return sum;
}

static std::vector<float> load_all(const cublasLtLayout &layout, const void *data)
{
    std::vector<float> all((size_t)(layout.rows * layout.columns));
    for (int64_t j = 0; j < layout.columns; j++)
        load(layout, data, j, all.data() + j * layout.rows);
    return all;
}

/* Refused, as the library might: what is not aligned, shapes that do not fit, split sums, layouts
 * that the algorithm was not checked on. */
static bool is_legal(const cublasLtDesc &desc, const cublasLtLayout &a, const void *a_data,
                     const cublasLtLayout &b, const void *b_data, const cublasLtLayout &d,
                     const void *d_data, const cublasLtMatmulAlgo_t *algo)
{
    uintptr_t bits = (uintptr_t)a_data | (uintptr_t)b_data | (uintptr_t)d_data;
    return desc.transposes_a && bits % 16 == 0 && a.rows == b.rows && a.columns == d.rows &&
           b.columns == d.columns && is_aligned(a) && is_aligned(b) && is_aligned(d) &&
           checked.count(checked_key(a, d)) > 0 && algo->id == 1;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void *,
                              const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t, void *d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algo, void *, size_t, cudaStream_t stream)
{
    cublasLtLayout la = *a_layout, lb = *b_layout, ld = *d_layout;
    if (!is_legal(*desc, la, a, lb, b, ld, d, algo) || c != d)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    float old = *static_cast<const float *>(beta);
    cuda_host_enqueue(stream, "product", [=] {
        float *out = static_cast<float *>(d);
        std::vector<float> wide_a = load_all(la, a), wide_b = load_all(lb, b);
        for (int64_t j = 0; j < ld.columns; j++) {
            for (int64_t i = 0; i < ld.rows; i++) {
                float sum =
                    dot(&wide_a[(size_t)(i * la.rows)], &wide_b[(size_t)(j * lb.rows)], la.rows);
                float *at = &out[j * ld.leading + i];
                *at = old == 0 ? sum : sum + old * *at;
            }
        }
    });
    return CUBLAS_STATUS_SUCCESS;
}
