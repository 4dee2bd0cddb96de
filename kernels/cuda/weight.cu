/* Weights on the device: rounded and padded on the host, uploaded in strips, once. */
#include "kernels/cuda/device.cuh"

#include <string.h>

static const int64_t STRIP_BYTES = 16 << 20;

static int64_t padded_rows(int64_t n_out)
{
    return yoco_round_up(n_out, OUTPUT_MULTIPLE);
}

static int64_t padded_depth(int64_t n_in)
{
    return yoco_round_up(n_in, DEPTH_MULTIPLE);
}

size_t yoco_cuda_weight_bytes(const yoco_device_options *options, int64_t n_out, int64_t n_in)
{
    return (size_t)(padded_rows(n_out) * padded_depth(n_in)) * yoco_dtype_bytes(options->dtype);
}

static float matrix_value(const yoco_matrix *matrix, int64_t index)
{
    const char *at = (const char *)matrix->data + (size_t)index * yoco_dtype_bytes(matrix->dtype);
    float value;
    uint16_t bits;
    if (matrix->dtype == YOCO_F32) {
        memcpy(&value, at, sizeof value);
        return value;
    }
    memcpy(&bits, at, sizeof bits);
    return matrix->dtype == YOCO_BF16 ? yoco_bf16_to_f32(bits) : yoco_f16_to_f32(bits);
}

static void pack_row(const yoco_weight *weight, const yoco_matrix *matrix, int64_t row, char *out)
{
    size_t element = yoco_dtype_bytes(weight->dtype);
    memset(out, 0, (size_t)weight->depth * element);
    if (row >= weight->n_out)
        return;
    int64_t first = row * weight->n_in;
    if (matrix->dtype == weight->dtype) {
        memcpy(out, (const char *)matrix->data + (size_t)first * element,
               (size_t)weight->n_in * element);
        return;
    }
    for (int64_t k = 0; k < weight->n_in; k++) {
        float value = matrix_value(matrix, first + k);
        if (weight->dtype == YOCO_F32)
            ((float *)out)[k] = value;
        else
            ((uint16_t *)out)[k] = yoco_f32_to_bf16(value);
    }
}

static yoco_status upload_rows(yoco_device *device, const yoco_matrix *matrix, yoco_weight *weight)
{
    void *strip;
    size_t row_bytes = (size_t)weight->depth * yoco_dtype_bytes(weight->dtype);
    int64_t strip_rows = yoco_i64_min(
        weight->rows, yoco_i64_max(1, STRIP_BYTES / yoco_i64_max(1, (int64_t)row_bytes)));
    YOCO_TRY(yoco_alloc((size_t)strip_rows * row_bytes, "a strip of a weight", &strip));
    for (int64_t row = 0, n; row < weight->rows; row += n) {
        n = yoco_i64_min(strip_rows, weight->rows - row);
        for (int64_t i = 0; i < n; i++)
            pack_row(weight, matrix, row + i, (char *)strip + (size_t)i * row_bytes);
        yoco_cuda_upload(device, (char *)weight->data + (size_t)row * row_bytes, strip,
                         (size_t)n * row_bytes);
    }
    yoco_free(strip);
    return YOCO_OK;
}

static yoco_status fill(yoco_device *device, const yoco_matrix *matrix, yoco_weight_use use,
                        yoco_weight *weight)
{
    if (use == YOCO_WEIGHT_EMBEDDING) {
        size_t bytes = (size_t)(matrix->n_out * matrix->n_in) * yoco_dtype_bytes(matrix->dtype);
        YOCO_TRY(yoco_cuda_alloc(device, bytes, "the embedding", &weight->data));
        yoco_cuda_upload(device, weight->data, matrix->data, bytes);
        return YOCO_OK;
    }
    weight->dtype = device->options.dtype;
    weight->rows = padded_rows(matrix->n_out);
    weight->depth = padded_depth(matrix->n_in);
    YOCO_TRY(yoco_cuda_alloc(device,
                             yoco_cuda_weight_bytes(&device->options, matrix->n_out, matrix->n_in),
                             "a weight", &weight->data));
    YOCO_TRY(upload_rows(device, matrix, weight));
    return yoco_cuda_slabs_choose(device, weight);
}

yoco_status yoco_cuda_weight_create(yoco_device *device, const yoco_matrix *matrix,
                                    yoco_weight_use use, yoco_weight **out)
{
    void *memory;
    YOCO_TRY(yoco_alloc(sizeof **out, "a weight", &memory));
    yoco_weight *weight = (yoco_weight *)memory;
    memset(weight, 0, sizeof *weight);
    weight->dtype = matrix->dtype;
    weight->n_out = matrix->n_out;
    weight->n_in = matrix->n_in;
    yoco_status status = fill(device, matrix, use, weight);
    if (status != YOCO_OK) {
        yoco_cuda_weight_free(device, weight);
        return status;
    }
    *out = weight;
    return YOCO_OK;
}

void yoco_cuda_weight_free(yoco_device *device, yoco_weight *weight)
{
    if (!weight)
        return;
    if (weight->layout)
        (void)cublasLtMatrixLayoutDestroy(weight->layout);
    yoco_cuda_free(device, weight->data);
    yoco_free(weight);
}
