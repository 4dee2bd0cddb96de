/* Weights in the backend's layout (device.h). */
#include "kernels/cpu/device.h"

#include <string.h>

static int64_t packed_depth(yoco_dtype dtype, int64_t n_in)
{
    return yoco_round_up(n_in, dtype == YOCO_BF16 ? 32 : 16);
}

size_t yoco_cpu_weight_bytes(const yoco_device_options *options, int64_t n_out, int64_t n_in)
{
    return (size_t)yoco_round_up(n_out, PANEL_COLUMNS) *
           (size_t)packed_depth(options->dtype, n_in) * yoco_dtype_bytes(options->dtype);
}

static float matrix_load(const yoco_matrix *matrix, int64_t index)
{
    const char *at = (const char *)matrix->data + (size_t)index * yoco_dtype_bytes(matrix->dtype);
    if (matrix->dtype == YOCO_F32) {
        float value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    uint16_t bits;
    memcpy(&bits, at, sizeof bits);
    return matrix->dtype == YOCO_BF16 ? yoco_bf16_to_f32(bits) : yoco_f16_to_f32(bits);
}

/* Outputs panel * 64 .. + 63. */
static void pack_panel(yoco_dtype dtype, const yoco_matrix *matrix, int64_t panel, void *out)
{
    int64_t first = panel * PANEL_COLUMNS;
    int64_t n = yoco_i64_min(PANEL_COLUMNS, matrix->n_out - first);
    for (int64_t column = 0; column < n; column++) {
        int64_t row = (first + column) * matrix->n_in;
        for (int64_t k = 0; k < matrix->n_in; k++) {
            float value = matrix_load(matrix, row + k);
            if (dtype == YOCO_F32)
                ((float *)out)[k * PANEL_COLUMNS + column] = value;
            else
                ((uint16_t *)out)[(k / 2 * PANEL_COLUMNS + column) * 2 + k % 2] =
                    yoco_f32_to_bf16(value);
        }
    }
}

static yoco_status pack(yoco_device *device, const yoco_matrix *matrix, yoco_weight *weight)
{
    int64_t n_panels = yoco_div_up(matrix->n_out, PANEL_COLUMNS);
    size_t bytes = yoco_cpu_weight_bytes(&device->options, matrix->n_out, matrix->n_in);
    weight->dtype = device->options.dtype;
    weight->depth = packed_depth(weight->dtype, matrix->n_in);
    YOCO_TRY(yoco_alloc(bytes, "a weight", &weight->owned));
    weight->data = weight->owned;
#pragma omp parallel for num_threads(device->options.n_threads)
    for (int64_t panel = 0; panel < n_panels; panel++) {
        char *out = (char *)weight->owned + (size_t)panel * (bytes / (size_t)n_panels);
        memset(out, 0, bytes / (size_t)n_panels);
        pack_panel(weight->dtype, matrix, panel, out);
    }
    if (!device->gemms)
        return YOCO_OK;
    YOCO_TRY(yoco_gemm_get(device->gemms, weight->depth, COLUMN_BLOCK, &weight->gemm));
    return yoco_gemm_get(device->gemms, weight->depth, PANEL_COLUMNS, &weight->tail);
}

yoco_status yoco_cpu_weight_create(yoco_device *device, const yoco_matrix *matrix,
                                   yoco_weight_use use, yoco_weight **out)
{
    void *memory;
    YOCO_TRY(yoco_alloc(sizeof **out, "a weight", &memory));
    yoco_weight *weight = memory;
    *weight = (yoco_weight){
        .dtype = matrix->dtype, .n_out = matrix->n_out, .n_in = matrix->n_in, .data = matrix->data};
    if (use == YOCO_WEIGHT_LINEAR) {
        yoco_status status = pack(device, matrix, weight);
        if (status != YOCO_OK) {
            yoco_cpu_weight_free(device, weight);
            return status;
        }
    }
    *out = weight;
    return YOCO_OK;
}

void yoco_cpu_weight_free(yoco_device *device, yoco_weight *weight)
{
    (void)device;
    if (weight)
        yoco_free(weight->owned);
    yoco_free(weight);
}
