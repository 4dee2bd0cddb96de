/* Prefill products by cublasLt.
 *
 * A row's bits must not depend on how many rows share the call. So each weight has one algorithm,
 * chosen once for a shape that does not depend on the call, with a fixed workspace, without split
 * sums; it runs on whole slabs of rows, the last one copied to a buffer padded with zeros. In
 * cublasLt's column-major terms: y (n_out, rows) = weight^T (n_out, depth) x (depth, rows).
 *
 * Where rows of x or y do not lie on boundaries of 16 and 32 bytes, or are padded in the weight,
 * every slab goes through the buffer: such shapes are for tests. */
#include "kernels/cuda/dense.cuh"

#include <stdio.h>

constexpr int CHOICE_ROWS = 2048; /* the algorithm is the library's first for this many rows */
constexpr int MAX_CHOICES = 32;
constexpr int ALIGNMENT = 16;
constexpr int DIRECT_OUTPUTS = 8;

static const size_t WORKSPACE_BYTES = (size_t)32 << 20;

static bool check(yoco_device *device, cublasStatus_t status)
{
    char why[32];
    if (status == CUBLAS_STATUS_SUCCESS)
        return true;
    snprintf(why, sizeof why, "cublasLt status %d", (int)status);
    yoco_cuda_fail(device, "a matrix product", why);
    return false;
}

static cudaDataType_t data_type(yoco_dtype dtype)
{
    return dtype == YOCO_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

yoco_status yoco_cuda_slabs_open(yoco_device *device)
{
    if (!yoco_cuda_has_cublaslt())
        return YOCO_OK;
    cublasOperation_t transposed = CUBLAS_OP_T;
    cublasComputeType_t compute =
        device->options.dtype == YOCO_BF16 ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_PEDANTIC;
    bool opened =
        check(device, cublasLtCreate(&device->cublas)) &&
        check(device, cublasLtMatmulDescCreate(&device->product, compute, CUDA_R_32F)) &&
        check(device, cublasLtMatmulDescSetAttribute(device->product, CUBLASLT_MATMUL_DESC_TRANSA,
                                                     &transposed, sizeof transposed));
    if (!opened)
        return YOCO_ERR_INTERNAL;
    return yoco_cuda_alloc(device, WORKSPACE_BYTES, "cublasLt's workspace", &device->workspace);
}

void yoco_cuda_slabs_close(yoco_device *device)
{
    if (device->product)
        (void)cublasLtMatmulDescDestroy(device->product);
    if (device->cublas)
        (void)cublasLtDestroy(device->cublas);
    yoco_cuda_free(device, device->workspace);
    yoco_cuda_free(device, device->slab);
}

/* The layouts of x and y for a number of rows; y's rows in the buffer are padded. */
struct product_layouts {
    cublasLtMatrixLayout_t x, y;
};

static int64_t padded_out(const yoco_weight *weight)
{
    return weight->rows;
}

/* Whole slabs go from x to y themselves: rows of both lie on boundaries that the library takes. */
static bool is_direct(const yoco_weight *weight)
{
    return weight->n_in == weight->depth && weight->n_out % DIRECT_OUTPUTS == 0;
}

static bool open_layouts(yoco_device *device, const yoco_weight *weight, int64_t rows,
                         int64_t y_row, product_layouts *out)
{
    uint64_t depth = (uint64_t)weight->depth, n_out = (uint64_t)weight->n_out;
    *out = {};
    return check(device, cublasLtMatrixLayoutCreate(&out->x, data_type(weight->dtype), depth,
                                                    (uint64_t)rows, weight->depth)) &&
           check(device,
                 cublasLtMatrixLayoutCreate(&out->y, CUDA_R_32F, n_out, (uint64_t)rows, y_row));
}

static void close_layouts(product_layouts *layouts)
{
    if (layouts->x)
        (void)cublasLtMatrixLayoutDestroy(layouts->x);
    if (layouts->y)
        (void)cublasLtMatrixLayoutDestroy(layouts->y);
}

/* One sum per output, in one piece. */
static bool keeps_sums_whole(const cublasLtMatmulAlgo_t *algorithm)
{
    int32_t n_parts = 0;
    uint32_t scheme = 0;
    size_t written;
    return cublasLtMatmulAlgoConfigGetAttribute(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM,
                                                &n_parts, sizeof n_parts,
                                                &written) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatmulAlgoConfigGetAttribute(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME,
                                                &scheme, sizeof scheme,
                                                &written) == CUBLAS_STATUS_SUCCESS &&
           n_parts <= 1 && scheme == (uint32_t)CUBLASLT_REDUCTION_SCHEME_NONE;
}

static bool runs_on(yoco_device *device, const yoco_weight *weight,
                    const cublasLtMatmulAlgo_t *algorithm, int64_t rows, int64_t y_row)
{
    product_layouts layouts;
    cublasLtMatmulHeuristicResult_t result;
    bool runs = open_layouts(device, weight, rows, y_row, &layouts) &&
                cublasLtMatmulAlgoCheck(device->cublas, device->product, weight->layout, layouts.x,
                                        layouts.y, layouts.y, algorithm,
                                        &result) == CUBLAS_STATUS_SUCCESS &&
                result.workspaceSize <= WORKSPACE_BYTES;
    close_layouts(&layouts);
    return runs;
}

/* On every layout that it will meet: the padded slab, and whole slabs with y's own rows. */
static bool runs_everywhere(yoco_device *device, const yoco_weight *weight,
                            const cublasLtMatmulAlgo_t *algorithm)
{
    int64_t y_row = is_direct(weight) ? weight->n_out : padded_out(weight);
    return runs_on(device, weight, algorithm, YOCO_SLAB_ROWS, padded_out(weight)) &&
           runs_on(device, weight, algorithm, YOCO_SLAB_ROWS, y_row) &&
           runs_on(device, weight, algorithm, CHOICE_ROWS, y_row);
}

static bool set_preference(yoco_device *device, cublasLtMatmulPreference_t preference)
{
    static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE, alignment = ALIGNMENT;
    bool set = check(device, cublasLtMatmulPreferenceSetAttribute(
                                 preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &scheme,
                                 sizeof scheme)) &&
               check(device, cublasLtMatmulPreferenceSetAttribute(
                                 preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                 &WORKSPACE_BYTES, sizeof WORKSPACE_BYTES));
    for (auto attribute : alignments)
        set = set && check(device, cublasLtMatmulPreferenceSetAttribute(
                                       preference, attribute, &alignment, sizeof alignment));
    return set;
}

static int list_algorithms(yoco_device *device, const yoco_weight *weight,
                           cublasLtMatmulHeuristicResult_t *results)
{
    product_layouts layouts = {};
    cublasLtMatmulPreference_t preference = NULL;
    int n_found = 0;
    bool listed = check(device, cublasLtMatmulPreferenceCreate(&preference)) &&
                  set_preference(device, preference) &&
                  open_layouts(device, weight, CHOICE_ROWS, padded_out(weight), &layouts) &&
                  check(device, cublasLtMatmulAlgoGetHeuristic(device->cublas, device->product,
                                                               weight->layout, layouts.x, layouts.y,
                                                               layouts.y, preference, MAX_CHOICES,
                                                               results, &n_found));
    close_layouts(&layouts);
    if (preference)
        (void)cublasLtMatmulPreferenceDestroy(preference);
    return listed ? n_found : 0;
}

/* The buffer holds the largest weight's slab: x, then y. */
static size_t slab_x_bytes(const yoco_weight *weight)
{
    return (size_t)(YOCO_SLAB_ROWS * weight->depth) * yoco_dtype_bytes(weight->dtype);
}

static yoco_status reserve_slab(yoco_device *device, const yoco_weight *weight)
{
    size_t bytes =
        slab_x_bytes(weight) + (size_t)(YOCO_SLAB_ROWS * padded_out(weight)) * sizeof(float);
    if (bytes <= device->slab_bytes)
        return YOCO_OK;
    yoco_cuda_free(device, device->slab);
    device->slab = NULL;
    device->slab_bytes = 0;
    YOCO_TRY(yoco_cuda_alloc(device, bytes, "a padded slab", (void **)&device->slab));
    device->slab_bytes = bytes;
    return YOCO_OK;
}

yoco_status yoco_cuda_slabs_choose(yoco_device *device, yoco_weight *weight)
{
    cublasLtMatmulHeuristicResult_t results[MAX_CHOICES];
    if (!device->cublas)
        return YOCO_OK;
    YOCO_TRY(reserve_slab(device, weight));
    if (!check(device, cublasLtMatrixLayoutCreate(&weight->layout, data_type(weight->dtype),
                                                  (uint64_t)weight->depth, (uint64_t)weight->n_out,
                                                  weight->depth)))
        return YOCO_ERR_INTERNAL;
    int n = list_algorithms(device, weight, results);
    for (int i = 0; i < n; i++) {
        const cublasLtMatmulAlgo_t *algorithm = &results[i].algo;
        if (results[i].state == CUBLAS_STATUS_SUCCESS && keeps_sums_whole(algorithm) &&
            runs_everywhere(device, weight, algorithm)) {
            weight->algorithm = *algorithm;
            return YOCO_OK;
        }
    }
    yoco_log_error("cublasLt has no algorithm without split sums for a weight of %lld x %lld",
                   (long long)weight->n_out, (long long)weight->n_in);
    return YOCO_ERR_INTERNAL;
}

/* y (rows, y_row) = x (rows, depth) weight^T, plus y when accumulate. */
static void multiply(yoco_device *device, const yoco_weight *weight, const void *x, float *y,
                     int64_t rows, int64_t y_row, bool accumulate)
{
    const float one = 1.0f, old = accumulate ? 1.0f : 0.0f;
    product_layouts layouts;
    if (open_layouts(device, weight, rows, y_row, &layouts))
        check(device,
              cublasLtMatmul(device->cublas, device->product, &one, weight->data, weight->layout, x,
                             layouts.x, &old, y, layouts.y, y, layouts.y, &weight->algorithm,
                             device->workspace, WORKSPACE_BYTES, device->stream));
    close_layouts(&layouts);
}

/* Rows between tight and padded; both memories on the device. */
static void copy_rows(yoco_device *device, void *to, size_t to_row, const void *from,
                      size_t from_row, int64_t rows)
{
    yoco_cuda_check(device,
                    cudaMemcpy2DAsync(to, to_row, from, from_row,
                                      to_row < from_row ? to_row : from_row, (size_t)rows,
                                      cudaMemcpyDeviceToDevice, device->stream),
                    "copying a slab");
}

static void padded_slab(yoco_device *device, const yoco_linear_args *args, int64_t first,
                        int64_t rows)
{
    const yoco_weight *weight = args->weight;
    size_t element = yoco_dtype_bytes(weight->dtype), x_row = (size_t)weight->n_in * element;
    size_t y_row = (size_t)weight->n_out * sizeof(float);
    size_t padded_y_row = (size_t)padded_out(weight) * sizeof(float);
    float *y = (float *)(device->slab + slab_x_bytes(weight)),
          *to = args->y + first * weight->n_out;
    yoco_cuda_zero(device, device->slab, slab_x_bytes(weight) + YOCO_SLAB_ROWS * padded_y_row);
    copy_rows(device, device->slab, (size_t)weight->depth * element,
              (const char *)args->x + (size_t)first * x_row, x_row, rows);
    if (args->accumulate)
        copy_rows(device, y, padded_y_row, to, y_row, rows);
    multiply(device, weight, device->slab, y, YOCO_SLAB_ROWS, padded_out(weight), args->accumulate);
    copy_rows(device, to, y_row, y, padded_y_row, rows);
}

static void multiply_rows(yoco_device *device, const yoco_linear_args *args)
{
    const yoco_weight *weight = args->weight;
    bool direct =
        is_direct(weight) && is_aligned(args->x, ALIGNMENT) && is_aligned(args->y, ALIGNMENT);
    int64_t first = direct ? args->n_rows / YOCO_SLAB_ROWS * YOCO_SLAB_ROWS : 0;
    if (first > 0)
        multiply(device, weight, args->x, args->y, first, weight->n_out, args->accumulate);
    for (; first < args->n_rows; first += YOCO_SLAB_ROWS)
        padded_slab(device, args, first, yoco_i64_min(YOCO_SLAB_ROWS, args->n_rows - first));
}

/* With 8,192 rows each product fills its last wave by itself: nothing is gained by joining them. */
void yoco_cuda_linear_slabs(yoco_device *device, const yoco_linear_args *args)
{
    if (!device->cublas)
        yoco_cuda_linear_rows(device, args);
    for (; device->cublas && args; args = args->next)
        multiply_rows(device, args);
}
