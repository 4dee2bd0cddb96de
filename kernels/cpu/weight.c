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
    const char *data = matrix->data; /* not aligned */
    if (matrix->dtype == YOCO_F32) {
        float value;
        memcpy(&value, data + index * (int64_t)sizeof value, sizeof value);
        return value;
    }
    uint16_t bits;
    memcpy(&bits, data + index * (int64_t)sizeof bits, sizeof bits);
    return matrix->dtype == YOCO_BF16 ? yoco_bf16_to_f32(bits) : yoco_f16_to_f32(bits);
}

/* A word of the layout is an f32, or bf16 of two inputs; zeros are behind the last input. */
static void load_words(yoco_dtype dtype, const yoco_matrix *matrix, int64_t row, int64_t first,
                       int n_words, uint32_t *words)
{
    const int64_t per_word = dtype == YOCO_BF16 ? 2 : 1;
    const int64_t n = yoco_i64_min(n_words * per_word, matrix->n_in - first);
    const int64_t index = row * matrix->n_in + first;
    const size_t bytes = yoco_dtype_bytes(dtype);
    memset(words, 0, (size_t)n_words * sizeof *words);
    if (n > 0 && matrix->dtype == dtype) {
        memcpy(words, (const char *)matrix->data + (size_t)index * bytes, (size_t)n * bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        float value = matrix_load(matrix, index + i);
        if (dtype == YOCO_F32)
            memcpy(&words[i], &value, sizeof value);
        else
            words[i / 2] |= (uint32_t)yoco_f32_to_bf16(value) << (i % 2 * 16);
    }
}

/* Outputs panel * 64 .. + 63. A block of their rows at a time, whose place in the layout stays in
 * the nearest cache. */
static void pack_panel(yoco_dtype dtype, const yoco_matrix *matrix, int64_t depth, int64_t panel,
                       uint32_t *out)
{
    enum { BLOCK_WORDS = 64 };
    const int64_t per_word = dtype == YOCO_BF16 ? 2 : 1, n_words = depth / per_word;
    const int64_t first = panel * PANEL_COLUMNS;
    const int64_t n_columns = yoco_i64_min(PANEL_COLUMNS, matrix->n_out - first);
    uint32_t words[BLOCK_WORDS] = {0};
    for (int64_t begin = 0; begin < n_words; begin += BLOCK_WORDS) {
        int n = (int)yoco_i64_min(BLOCK_WORDS, n_words - begin);
        for (int64_t column = 0; column < PANEL_COLUMNS; column++) {
            if (column < n_columns)
                load_words(dtype, matrix, first + column, begin * per_word, n, words);
            else
                memset(words, 0, sizeof words);
            for (int i = 0; i < n; i++)
                out[(begin + i) * PANEL_COLUMNS + column] = words[i];
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
        pack_panel(weight->dtype, matrix, weight->depth, panel, (uint32_t *)(void *)out);
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
