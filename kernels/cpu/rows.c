/* Few-row products over the packed panels: every weight is read once for up to 64 rows. A row's sum
 * runs over k in one order, f32: ascending; bf16: even k, odd k, then both. */
#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/tile.h"

#include <omp.h>

enum {
    PAIR_VECTORS = VF_LANES == 16 ? 4 : 2, /* columns of a pass over a bf16 panel, in vectors */
    PAIR_ROWS = VF_LANES == 16 ? 3 : 2,    /* its rows: what the registers hold */
    WIDEN_ROWS = 12,                       /* from so many on a panel is widened first */
};

/* Rows of x (n_rows, x_stride), f32; x_stride is even and zeros fill it. */
typedef struct few_rows {
    int64_t n_rows, n_in, x_stride;
    const float *x;
} few_rows;

VF_INLINE void pair_block(const few_rows *rows, int n_rows, int64_t row, const uint16_t *panel,
                          int column, float *tile)
{
    const float *x = rows->x + row * rows->x_stride;
    const uint16_t *w = panel + 2 * column;
    vf even[PAIR_ROWS][PAIR_VECTORS], odd[PAIR_ROWS][PAIR_VECTORS];
#pragma GCC unroll 3
    for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < PAIR_VECTORS; v++)
            even[r][v] = odd[r][v] = vf_set(0.0f);
    }
    for (int64_t k = 0; k < rows->n_in; k += 2, x += 2, w += 2 * PANEL_COLUMNS) {
#pragma GCC unroll 4
        for (int v = 0; v < PAIR_VECTORS; v++) {
            vf pairs = vf_load((const float *)(const void *)(w + 2 * v * VF_LANES));
            vf low = vf_bf16_low(pairs), high = vf_bf16_high(pairs);
#pragma GCC unroll 3
            for (int r = 0; r < n_rows; r++) {
                even[r][v] = vf_fma(vf_set(x[r * rows->x_stride]), low, even[r][v]);
                odd[r][v] = vf_fma(vf_set(x[r * rows->x_stride + 1]), high, odd[r][v]);
            }
        }
    }
#pragma GCC unroll 3
    for (int r = 0; r < n_rows; r++) {
        float *out = tile + (row + r) * PANEL_COLUMNS + column;
#pragma GCC unroll 4
        for (int v = 0; v < PAIR_VECTORS; v++)
            vf_store(out + v * VF_LANES, even[r][v] + odd[r][v]);
    }
}

static void pair_product(const few_rows *rows, const uint16_t *panel, float *tile)
{
    for (int column = 0; column < PANEL_COLUMNS; column += PAIR_VECTORS * VF_LANES) {
        int64_t row = 0;
        for (; rows->n_rows - row >= PAIR_ROWS; row += PAIR_ROWS)
            pair_block(rows, PAIR_ROWS, row, panel, column, tile);
        if (PAIR_ROWS == 3 && rows->n_rows - row == 2)
            pair_block(rows, PAIR_ROWS == 3 ? 2 : 1, row, panel, column, tile);
        else if (rows->n_rows - row == 1)
            pair_block(rows, 1, row, panel, column, tile);
    }
}

void YOCO_SIMD(panel_product)(int64_t n_rows, int64_t n_in, const float *x, int64_t x_stride,
                              const float *panel, float *y, int64_t y_stride)
{
    product p = {.n_rows = n_rows,
                 .n_columns = PANEL_COLUMNS,
                 .depth = n_in,
                 .a = x,
                 .a_row_stride = x_stride,
                 .a_depth_stride = 1,
                 .b = panel,
                 .b_stride = PANEL_COLUMNS,
                 .c = y,
                 .c_stride = y_stride};
    product_run(&p);
}

void YOCO_SIMD(widen)(const uint16_t *x, int64_t n, float *out)
{
    int64_t i = 0;
    for (; n - i >= VF_LANES; i += VF_LANES)
        vf_store(out + i, vf_load_bf16(x + i));
    for (; i < n; i++)
        out[i] = yoco_bf16_to_f32(x[i]);
}

void YOCO_SIMD(widen_panel)(const uint16_t *panel, int64_t depth, float *out)
{
    for (int64_t k = 0; k < depth; k += 2, out += 2 * PANEL_COLUMNS) {
        for (int column = 0; column < PANEL_COLUMNS; column += VF_LANES) {
            const uint16_t *pair = panel + (k * PANEL_COLUMNS + 2 * column);
            vf pairs = vf_load((const float *)(const void *)pair);
            vf_store(out + column, vf_bf16_low(pairs));
            vf_store(out + PANEL_COLUMNS + column, vf_bf16_high(pairs));
        }
    }
}

/* The sums of pair_product, from the panel as f32 (n_in, 64). */
static void wide_product(const few_rows *rows, const float *panel, float *tile)
{
    product p = {.n_rows = rows->n_rows,
                 .n_columns = PANEL_COLUMNS,
                 .depth = yoco_div_up(rows->n_in, 2),
                 .a = rows->x,
                 .a_row_stride = rows->x_stride,
                 .a_depth_stride = 2,
                 .b = panel,
                 .b_stride = 2 * PANEL_COLUMNS,
                 .c = tile,
                 .c_stride = PANEL_COLUMNS};
    product_run(&p);
    p.a += 1;
    p.b += PANEL_COLUMNS;
    p.start = PRODUCT_ADD;
    product_run(&p);
}

/* wide: memory for a panel as f32. */
static void panel_rows(const yoco_linear_args *args, const few_rows *rows, int64_t first_row,
                       int64_t panel, float *wide)
{
    float tile[ROWS_PER_PASS * PANEL_COLUMNS];
    const yoco_weight *weight = args->weight;
    int64_t n_out = weight->n_out, first = panel * PANEL_COLUMNS;
    int64_t n = yoco_i64_min(PANEL_COLUMNS, n_out - first);
    const void *w = weight_panel(weight, panel);
    if (weight->dtype == YOCO_F32) {
        YOCO_SIMD(panel_product)
        (rows->n_rows, rows->n_in, rows->x, rows->x_stride, w, tile, PANEL_COLUMNS);
    } else if (rows->n_rows < WIDEN_ROWS) {
        pair_product(rows, w, tile);
    } else {
        YOCO_SIMD(widen_panel)(w, weight->depth, wide);
        wide_product(rows, wide, tile);
    }
    for (int64_t row = 0; row < rows->n_rows; row++) {
        float *y = args->y + (first_row + row) * n_out + first;
        const float *from = tile + row * PANEL_COLUMNS;
        for (int64_t i = 0; i < n; i++)
            y[i] = args->accumulate ? y[i] + from[i] : from[i];
    }
}

/* bf16 rows are widened once for all panels. */
static few_rows take_rows(yoco_device *device, const yoco_linear_args *args, int64_t first)
{
    const yoco_weight *weight = args->weight;
    few_rows rows = {.n_rows = yoco_i64_min(ROWS_PER_PASS, args->n_rows - first),
                     .n_in = weight->n_in,
                     .x_stride = weight->n_in};
    if (weight->dtype == YOCO_F32) {
        rows.x = (const float *)args->x + first * weight->n_in;
        return rows;
    }
    float *x = yoco_cpu_scratch(device, 0);
    rows.x = x;
    rows.x_stride = yoco_round_up(weight->n_in, 2);
    for (int64_t row = 0; row < rows.n_rows; row++, x += rows.x_stride) {
        x[rows.x_stride - 1] = 0.0f;
        YOCO_SIMD(widen)((const uint16_t *)args->x + (first + row) * weight->n_in, weight->n_in, x);
    }
    return rows;
}

static void multiply(yoco_device *device, const yoco_linear_args *args)
{
    const yoco_weight *weight = args->weight;
    int64_t n_panels = yoco_div_up(weight->n_out, PANEL_COLUMNS);
    int n_threads = yoco_cpu_threads(device, args->n_rows * weight->n_out * weight->n_in);
    int64_t rows_floats = ROWS_PER_PASS * weight->depth,
            wide_floats = PANEL_COLUMNS * weight->depth;
    if (!yoco_cpu_reserve(device, (size_t)(rows_floats + wide_floats) * sizeof(float)))
        return;
    for (int64_t first = 0; first < args->n_rows; first += ROWS_PER_PASS) {
        few_rows rows = take_rows(device, args, first);
#pragma omp parallel for num_threads(n_threads) schedule(static)
        for (int64_t panel = 0; panel < n_panels; panel++)
            panel_rows(args, &rows, first, panel,
                       (float *)yoco_cpu_scratch(device, omp_get_thread_num()) + rows_floats);
    }
}

void YOCO_SIMD(linear_rows)(yoco_device *device, const yoco_linear_args *args)
{
    for (; args; args = args->next)
        multiply(device, args);
}
