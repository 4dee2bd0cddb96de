#include "kernels/cpu/tile.h"

/* Rows row .. row + n_rows - 1, n_vectors from column on; both are constants where this is inlined,
 * so that the sums live in registers. */
VF_INLINE void product_block(const product *p, int n_rows, int n_vectors, int64_t row,
                             int64_t column)
{
    int64_t a_row = p->a_row_stride, a_depth = p->a_depth_stride, b_row = p->b_stride;
    const float *a = p->a + row * a_row, *b = p->b + column;
    float *c = p->c + row * p->c_stride + column;
    vf sum[TILE_ROWS][4], bv[4];
#pragma GCC unroll 12
    for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < n_vectors; v++)
            sum[r][v] = p->start == PRODUCT_CONTINUE ? vf_load(c + r * p->c_stride + v * VF_LANES)
                                                     : vf_set(0.0f);
    }
    for (int64_t k = p->depth; k > 0; k--, a += a_depth, b += b_row) {
#pragma GCC unroll 4
        for (int v = 0; v < n_vectors; v++)
            bv[v] = vf_load(b + v * VF_LANES);
#pragma GCC unroll 12
        for (int r = 0; r < n_rows; r++) {
            vf av = vf_set(a[r * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < n_vectors; v++)
                sum[r][v] = vf_fma(av, bv[v], sum[r][v]);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < n_vectors; v++) {
            float *to = c + r * p->c_stride + v * VF_LANES;
            vf_store(to, p->start == PRODUCT_ADD ? vf_load(to) + sum[r][v] : sum[r][v]);
        }
    }
}

VF_INLINE void product_columns(const product *p, int n_vectors, int64_t column)
{
    int64_t row = 0;
    if (TILE_ROWS == 12 && n_vectors <= 2) {
        for (; p->n_rows - row >= 12; row += 12)
            product_block(p, TILE_ROWS, n_vectors, row, column);
    }
    for (; p->n_rows - row >= 6; row += 6)
        product_block(p, 6, n_vectors, row, column);
    for (; p->n_rows - row >= 3; row += 3)
        product_block(p, 3, n_vectors, row, column);
    if (p->n_rows - row == 2)
        product_block(p, 2, n_vectors, row, column);
    else if (p->n_rows - row == 1)
        product_block(p, 1, n_vectors, row, column);
}

void product_run(const product *p)
{
    int64_t column = 0;
    /* Of the shapes that fill the registers, the one with the fewest loads. */
    if (TILE_ROWS == 12) {
        for (; p->n_columns - column >= 4 * VF_LANES; column += 4 * VF_LANES)
            product_columns(p, 4, column);
    }
    for (; p->n_columns - column >= 2 * VF_LANES; column += 2 * VF_LANES)
        product_columns(p, 2, column);
    if (column < p->n_columns)
        product_columns(p, 1, column);
}

/* A vector of lanes of VF_LANES keys, an f32 or a pair of bf16 each, to the rows of `keys` of their
 * channels. */
VF_INLINE void load_lanes(const char *const rows[], int n, bool whole, bool pairs, float *keys,
                          int64_t stride)
{
    vf block[VF_LANES];
#pragma GCC unroll 16
    for (int i = 0; i < VF_LANES; i++) {
        const float *lanes = (const float *)(const void *)rows[i];
        block[i] = whole ? vf_load(lanes) : vf_load_first(lanes, n);
    }
    vf_transpose(block);
#pragma GCC unroll 16
    for (int i = 0; i < VF_LANES; i++) {
        if (!whole && i >= n)
            break;
        if (pairs) {
            vf_store(keys + 2 * i * stride, vf_bf16_low(block[i]));
            vf_store(keys + (2 * i + 1) * stride, vf_bf16_high(block[i]));
        } else {
            vf_store(keys + i * stride, block[i]);
        }
    }
}

VF_INLINE void load_keys(const char *rows[], int dim, bool pairs, float *keys, int64_t stride)
{
    int n_lanes = pairs ? dim / 2 : dim, step = pairs ? 2 * VF_LANES : VF_LANES;
    for (; n_lanes >= VF_LANES; n_lanes -= VF_LANES, keys += step * stride) {
        load_lanes((const char *const *)rows, VF_LANES, true, pairs, keys, stride);
        for (int i = 0; i < VF_LANES; i++)
            rows[i] += VF_LANES * sizeof(float);
    }
    if (n_lanes > 0)
        load_lanes((const char *const *)rows, n_lanes, false, pairs, keys, stride);
}

void tile_load_panel(const head_rows *k, int64_t first, int64_t n, int n_columns, float *keys)
{
    for (int column = 0; column < n_columns; column += VF_LANES) {
        const char *rows[VF_LANES];
        for (int i = 0; i < VF_LANES; i++)
            rows[i] = head_row(k, first + yoco_i64_min(column + i, n - 1));
        if (k->dtype == YOCO_BF16)
            load_keys(rows, k->head_dim, true, keys + column, n_columns);
        else
            load_keys(rows, k->head_dim, false, keys + column, n_columns);
    }
}

void tile_load_values(const head_rows *v, int64_t first, int64_t n, float *values)
{
    int dim = v->head_dim, padded = tile_padded(dim);
    for (int64_t i = 0; i < n; i++, values += padded) {
        const float *wide = (const float *)(const void *)head_row(v, first + i);
        const uint16_t *narrow = (const uint16_t *)(const void *)wide;
        int j = 0;
        if (v->dtype == YOCO_F32) {
            for (; dim - j >= VF_LANES; j += VF_LANES)
                vf_store(values + j, vf_load(wide + j));
            if (j < dim)
                vf_store(values + j, vf_load_first(wide + j, dim - j));
        } else {
            for (; dim - j >= VF_LANES; j += VF_LANES)
                vf_store(values + j, vf_load_bf16(narrow + j));
            if (j < dim)
                vf_store(values + j, vf_load_bf16_first(narrow + j, dim - j));
        }
    }
}
