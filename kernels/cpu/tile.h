/* The register-blocked product that the attention, retention and few-row kernels are made of, and
 * the tiles of K and V they read. Every element of a product is one chain of multiply-adds in
 * ascending depth: how rows and columns are grouped into registers cannot change it. */
#ifndef YOCO_CPU_TILE_H
#define YOCO_CPU_TILE_H

#include "kernels/cpu/vec.h"
#include "kernels/kernels.h"

enum {
    TILE_COLUMNS = 2 * VF_LANES,         /* columns that a pass over the depth covers */
    TILE_ROWS = VF_LANES == 16 ? 12 : 6, /* rows that it covers: what the registers hold */
};

/* What becomes of c: replaced, the start of the chain, or added to the chain's end. */
typedef enum product_start { PRODUCT_SET, PRODUCT_CONTINUE, PRODUCT_ADD } product_start;

/* c = a b, or c and a b: c (n_rows, n_columns), a (n_rows, depth), b (depth, n_columns).
 * Strides in elements; columns are dense, and a multiple of VF_LANES. */
typedef struct product {
    int64_t n_rows, n_columns, depth;
    const float *a;
    int64_t a_row_stride, a_depth_stride;
    const float *b;
    int64_t b_stride;
    float *c;
    int64_t c_stride;
    product_start start;
} product;

#define product_run YOCO_SIMD(product_run)
void product_run(const product *p);

/* One head's rows of K or V, or any matrix of that shape. */
typedef struct head_rows {
    const char *first;
    size_t row_bytes; /* from one row to the next */
    yoco_dtype dtype;
    int head_dim;
} head_rows;

static inline const char *head_row(const head_rows *rows, int64_t row)
{
    return rows->first + (size_t)row * rows->row_bytes;
}

/* Rows first .. first + n - 1, transposed: keys (head_dim, n_columns), whole vectors; columns from
 * n on repeat the last. 1 <= n <= n_columns. */
#define tile_load_panel YOCO_SIMD(tile_load_panel)
void tile_load_panel(const head_rows *k, int64_t first, int64_t n, int n_columns, float *keys);

static inline void tile_load_keys(const head_rows *k, int64_t first, int64_t n, float *keys)
{
    tile_load_panel(k, first, n, TILE_COLUMNS, keys);
}

/* Rows first .. first + n - 1: values (n, padded head_dim); channels from head_dim on are 0. */
#define tile_load_values YOCO_SIMD(tile_load_values)
void tile_load_values(const head_rows *v, int64_t first, int64_t n, float *values);

/* head_dim rounded up to whole vectors. */
static inline int tile_padded(int head_dim)
{
    return (head_dim + VF_LANES - 1) / VF_LANES * VF_LANES;
}

/* One row of f32 to a tensor of any dtype, or from it; vectors do not reach past n. */
VF_INLINE void row_store(yoco_dtype dtype, void *out, int64_t at, vf x, int n)
{
    if (dtype == YOCO_F32) {
        if (n >= VF_LANES)
            vf_store((float *)out + at, x);
        else
            vf_store_first((float *)out + at, x, n);
    } else if (n >= VF_LANES) {
        vf_store_bf16((uint16_t *)out + at, x);
    } else {
        uint16_t values[VF_LANES];
        vf_store_bf16(values, x);
        memcpy((uint16_t *)out + at, values, (size_t)n * sizeof *values);
    }
}

/* Up to VF_LANES of the n elements at p, zeros beyond. */
VF_INLINE vf row_load(const float *p, int64_t n)
{
    return n >= VF_LANES ? vf_load(p) : vf_load_first(p, (int)n);
}

/* The same of a tensor of any dtype, from element `at` on. */
VF_INLINE vf row_load_as(yoco_dtype dtype, const void *x, int64_t at, int64_t n)
{
    if (dtype == YOCO_F32)
        return row_load((const float *)x + at, n);
    return n >= VF_LANES ? vf_load_bf16((const uint16_t *)x + at)
                         : vf_load_bf16_first((const uint16_t *)x + at, (int)n);
}

#endif
