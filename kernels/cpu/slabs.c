/* Prefill products. Rows are cut in slabs of 64, columns in blocks of 128; a task is one slab times
 * one block, always computed at full size by one thread, so that a row's bits depend on neither the
 * other rows nor the threads. Products go to a tile in scratch first: that hides the padding, and
 * oneDNN wants y dense. */
#include "kernels/cpu/simd.h"

#include <omp.h>
#include <string.h>

/* One thread's buffers. */
typedef struct slab_scratch {
    float *tile;         /* (64, 128) */
    void *rows;          /* (64, depth): a slab of x, where x cannot be read in place */
    float *block;        /* (2, depth, 64): the widened weights of `block_index` */
    int64_t block_index; /* -1: none */
} slab_scratch;

static bool reads_bf16(const yoco_device *device)
{
    return device->options.dtype == YOCO_BF16 && device->options.isa == YOCO_ISA_AVX512_BF16;
}

static bool widens(const yoco_device *device)
{
    return device->options.dtype == YOCO_BF16 && !reads_bf16(device);
}

static size_t scratch_size(const yoco_device *device, const yoco_weight *weight)
{
    size_t floats = (size_t)(YOCO_SLAB_ROWS * COLUMN_BLOCK + YOCO_SLAB_ROWS * weight->depth);
    if (widens(device))
        floats += (size_t)(COLUMN_BLOCK * weight->depth);
    return floats * sizeof(float);
}

static slab_scratch scratch_cut(const yoco_device *device, const yoco_weight *weight, int thread)
{
    slab_scratch s = {.tile = yoco_cpu_scratch(device, thread), .block_index = -1};
    s.rows = s.tile + YOCO_SLAB_ROWS * COLUMN_BLOCK;
    s.block = (float *)s.rows + YOCO_SLAB_ROWS * weight->depth;
    return s;
}

/* The slab's rows as (64, depth) of the product's dtype: in place where they are that already. */
static const void *slab_rows(const yoco_device *device, const yoco_linear_args *args, int64_t first,
                             slab_scratch *s)
{
    int64_t n_in = args->weight->n_in, depth = args->weight->depth;
    int64_t n = yoco_i64_min(YOCO_SLAB_ROWS, args->n_rows - first);
    size_t x_bytes = yoco_dtype_bytes(device->options.dtype);
    size_t y_bytes = reads_bf16(device) ? 2 : 4;
    const char *x = (const char *)args->x + (size_t)(first * n_in) * x_bytes;
    if (n == YOCO_SLAB_ROWS && n_in == depth && !widens(device))
        return x;
    memset(s->rows, 0, (size_t)(YOCO_SLAB_ROWS * depth) * y_bytes);
    for (int64_t row = 0; row < n; row++, x += (size_t)n_in * x_bytes) {
        char *to = (char *)s->rows + (size_t)(row * depth) * y_bytes;
        if (widens(device))
            device->simd->widen((const uint16_t *)x, n_in, (float *)to);
        else
            memcpy(to, x, (size_t)n_in * x_bytes);
    }
    return s->rows;
}

/* Two panels, or the last one alone, in the product's dtype. */
static const void *block_panels(const yoco_device *device, const yoco_weight *weight, int64_t block,
                                int64_t n_panels, slab_scratch *s)
{
    int64_t first = block * (COLUMN_BLOCK / PANEL_COLUMNS);
    if (!widens(device))
        return weight_panel(weight, first);
    for (int64_t i = 0; s->block_index != block && i < n_panels; i++)
        device->simd->widen_panel((const uint16_t *)weight_panel(weight, first + i), weight->depth,
                                  s->block + i * weight->depth * PANEL_COLUMNS);
    s->block_index = block;
    return s->block;
}

static void tile_to_rows(const yoco_linear_args *args, int64_t first_row, int64_t first_column,
                         const float *tile, int64_t tile_stride)
{
    int64_t n_out = args->weight->n_out;
    int64_t n_rows = yoco_i64_min(YOCO_SLAB_ROWS, args->n_rows - first_row);
    int64_t n_columns = yoco_i64_min(tile_stride, n_out - first_column);
    for (int64_t row = 0; row < n_rows; row++, tile += tile_stride) {
        float *restrict y = args->y + (first_row + row) * n_out + first_column;
        if (!args->accumulate) {
            memcpy(y, tile, (size_t)n_columns * sizeof *y);
            continue;
        }
        for (int64_t column = 0; column < n_columns; column++)
            y[column] += tile[column];
    }
}

static bool slab_product(const yoco_device *device, const yoco_linear_args *args, int64_t slab,
                         int64_t block, int thread, slab_scratch *s)
{
    const yoco_weight *weight = args->weight;
    int64_t first_column = block * COLUMN_BLOCK;
    int64_t n_panels = weight->n_out - first_column > PANEL_COLUMNS ? 2 : 1;
    int64_t stride = n_panels * PANEL_COLUMNS;
    const void *panels = block_panels(device, weight, block, n_panels, s);
    const void *x = slab_rows(device, args, slab * YOCO_SLAB_ROWS, s);
    if (device->gemms) {
        const yoco_gemm *gemm = n_panels == 2 ? weight->gemm : weight->tail;
        if (!yoco_gemm_run(gemm, thread, x, panels, s->tile))
            return false;
    } else {
        for (int64_t i = 0; i < n_panels; i++)
            device->simd->panel_product(YOCO_SLAB_ROWS, weight->depth, x, weight->depth,
                                        (const float *)panels + i * weight->depth * PANEL_COLUMNS,
                                        s->tile + i * PANEL_COLUMNS, stride);
    }
    tile_to_rows(args, slab * YOCO_SLAB_ROWS, first_column, s->tile, stride);
    return true;
}

static void multiply(yoco_device *device, const yoco_linear_args *args)
{
    const yoco_weight *weight = args->weight;
    int64_t n_slabs = yoco_div_up(args->n_rows, YOCO_SLAB_ROWS);
    int64_t n_tasks = n_slabs * yoco_div_up(weight->n_out, COLUMN_BLOCK);
    int n_threads = yoco_cpu_threads(device, args->n_rows * weight->n_out * weight->n_in);
    bool ok = true;
    if (!yoco_cpu_reserve(device, scratch_size(device, weight)))
        return;
#pragma omp parallel num_threads(n_threads) reduction(&& : ok)
    {
        int thread = omp_get_thread_num();
        slab_scratch s = scratch_cut(device, weight, thread);
        /* Slabs innermost: a block of weights stays in the thread's cache for all of them. */
#pragma omp for schedule(static)
        for (int64_t task = 0; task < n_tasks; task++)
            ok = slab_product(device, args, task % n_slabs, task / n_slabs, thread, &s) && ok;
    }
    if (!ok)
        yoco_cpu_fail(device, "a matrix product of oneDNN failed");
}

void yoco_cpu_linear_slabs(yoco_device *device, const yoco_linear_args *args)
{
    for (; args; args = args->next)
        multiply(device, args);
}
