#include "kernels/cpu/few.h"

/* Memory in 32-bit lanes: an f32, or a pair of bf16. */
VF_INLINE vf load_lanes(const char *p, int n, bool whole)
{
    const float *lanes = (const float *)(const void *)p;
    return whole ? vf_load(lanes) : vf_load_first(lanes, n);
}

VF_INLINE void prefetch_later(const char *p, size_t row_bytes)
{
    __builtin_prefetch(p + AHEAD_ROWS * row_bytes, 0, 3);
    __builtin_prefetch(p + FAR_ROWS * row_bytes, 0, 2);
}

/* Adds up to a vector of lanes to the sums of even and of odd channels, for a vector of keys; keys
 * past the last repeat it. */
VF_INLINE void score_lanes(const char *rows, size_t row_bytes, int last, int n, bool whole,
                           bool pairs, const float *q, int q_stride, int n_rows, vf even[FEW_ROWS],
                           vf odd[FEW_ROWS])
{
    vf block[VF_LANES];
#pragma GCC unroll 16
    for (int i = 0; i < VF_LANES; i++)
        block[i] = load_lanes(rows + (size_t)(i < last ? i : last) * row_bytes, n, whole);
    vf_transpose(block);
#pragma GCC unroll 16
    for (int i = 0; i < VF_LANES; i++) {
        prefetch_later(rows + (size_t)i * row_bytes, row_bytes);
        if (!whole && i >= n)
            continue;
#pragma GCC unroll 4
        for (int r = 0; r < n_rows; r++) {
            const float *qr = q + r * q_stride;
            if (pairs) {
                even[r] = vf_fma(vf_set(qr[2 * i]), vf_bf16_low(block[i]), even[r]);
                odd[r] = vf_fma(vf_set(qr[2 * i + 1]), vf_bf16_high(block[i]), odd[r]);
            } else if (i % 2 == 0) {
                even[r] = vf_fma(vf_set(qr[i]), block[i], even[r]);
            } else {
                odd[r] = vf_fma(vf_set(qr[i]), block[i], odd[r]);
            }
        }
    }
}

/* A vector of keys, the last of them at `last`. */
VF_INLINE void score_keys(const head_rows *k, int64_t key, int last, bool pairs, const float *q,
                          int n_rows, float *scores, int64_t stride)
{
    vf even[FEW_ROWS], odd[FEW_ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < n_rows; r++)
        even[r] = odd[r] = vf_set(0.0f);
    int dim = k->head_dim, n_lanes = pairs ? dim / 2 : dim;
    size_t row_bytes = k->row_bytes;
    const char *rows = head_row(k, key);
    for (; n_lanes >= VF_LANES; n_lanes -= VF_LANES) {
        score_lanes(rows, row_bytes, last, VF_LANES, true, pairs, q, dim, n_rows, even, odd);
        rows += VF_LANES * sizeof(float);
        q += pairs ? 2 * VF_LANES : VF_LANES;
    }
    if (n_lanes > 0)
        score_lanes(rows, row_bytes, last, n_lanes, false, pairs, q, dim, n_rows, even, odd);
#pragma GCC unroll 4
    for (int r = 0; r < n_rows; r++)
        vf_store(scores + r * stride + key, even[r] + odd[r]);
}

/* Constants for the compiler: one loop per number of rows. */
VF_INLINE void score_rows(const head_rows *k, int64_t key, int last, bool pairs, const float *q,
                          int64_t n_rows, float *scores, int64_t stride)
{
    if (n_rows == 1)
        score_keys(k, key, last, pairs, q, 1, scores, stride);
    else if (n_rows == 2)
        score_keys(k, key, last, pairs, q, 2, scores, stride);
    else if (n_rows == 3)
        score_keys(k, key, last, pairs, q, 3, scores, stride);
    else
        score_keys(k, key, last, pairs, q, 4, scores, stride);
}

void few_scores(const head_rows *k, int64_t n, const float *q, int64_t n_rows, float *scores,
                int64_t stride)
{
    bool pairs = k->dtype == YOCO_BF16;
    for (int64_t key = 0; key < n; key += VF_LANES) {
        int last = (int)yoco_i64_min(VF_LANES, n - key) - 1;
        if (pairs && last == VF_LANES - 1)
            score_rows(k, key, VF_LANES - 1, true, q, n_rows, scores, stride);
        else if (pairs)
            score_rows(k, key, last, true, q, n_rows, scores, stride);
        else
            score_rows(k, key, last, false, q, n_rows, scores, stride);
    }
}

/* A stretch of channels: n_loads vectors of lanes of V, or the n_lanes of one; out has a vector per
 * load in f32, and in bf16 one of even channels, then one of odd. */
typedef struct stretch {
    const char *row;
    size_t row_bytes;
    int64_t n, stride, out_stride;
    const float *weights;
    float *out;
    int n_lanes;
} stretch;

VF_INLINE void add_stretch(const stretch *s, bool pairs, int n_loads, bool whole, int n_rows)
{
    int n_sums = pairs ? 2 * n_loads : n_loads;
    vf sum[FEW_ROWS][4];
#pragma GCC unroll 4
    for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (int i = 0; i < n_sums; i++)
            sum[r][i] = vf_load(s->out + r * s->out_stride + i * VF_LANES);
    }
    const char *row = s->row;
    for (int64_t key = 0; key < s->n; key++, row += s->row_bytes) {
#pragma GCC unroll 4
        for (int load = 0; load < n_loads; load++) {
            prefetch_later(row + load * VF_LANES * 4, s->row_bytes);
            vf lanes = load_lanes(row + load * VF_LANES * 4, s->n_lanes, whole);
#pragma GCC unroll 4
            for (int r = 0; r < n_rows; r++) {
                vf weight = vf_set(s->weights[r * s->stride + key]);
                if (pairs) {
                    vf low = vf_bf16_low(lanes), high = vf_bf16_high(lanes);
                    sum[r][2 * load] = vf_fma(weight, low, sum[r][2 * load]);
                    sum[r][2 * load + 1] = vf_fma(weight, high, sum[r][2 * load + 1]);
                } else {
                    sum[r][load] = vf_fma(weight, lanes, sum[r][load]);
                }
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < n_rows; r++) {
#pragma GCC unroll 4
        for (int i = 0; i < n_sums; i++)
            vf_store(s->out + r * s->out_stride + i * VF_LANES, sum[r][i]);
    }
}

VF_INLINE void add_rows(stretch s, int dim, bool pairs, int n_rows)
{
    int n_loads = pairs ? 2 : 4, out_step = pairs ? 2 * VF_LANES : VF_LANES;
    s.n_lanes = pairs ? dim / 2 : dim;
    for (; s.n_lanes >= n_loads * VF_LANES; s.n_lanes -= n_loads * VF_LANES) {
        add_stretch(&s, pairs, pairs ? 2 : 4, true, n_rows);
        s.row += n_loads * VF_LANES * 4;
        s.out += n_loads * out_step;
    }
    for (; s.n_lanes >= VF_LANES; s.n_lanes -= VF_LANES) {
        add_stretch(&s, pairs, 1, true, n_rows);
        s.row += VF_LANES * 4;
        s.out += out_step;
    }
    if (s.n_lanes > 0)
        add_stretch(&s, pairs, 1, false, n_rows);
}

void few_values(const head_rows *v, int64_t n, const float *weights, int64_t stride, int64_t n_rows,
                float *out, int64_t out_stride)
{
    bool pairs = v->dtype == YOCO_BF16;
    int dim = v->head_dim;
    stretch s = {.row = v->first,
                 .row_bytes = v->row_bytes,
                 .n = n,
                 .stride = stride,
                 .out_stride = out_stride,
                 .weights = weights,
                 .out = out};
    if (pairs && n_rows == 1)
        add_rows(s, dim, true, 1);
    else if (pairs && n_rows == 2)
        add_rows(s, dim, true, 2);
    else if (pairs && n_rows == 3)
        add_rows(s, dim, true, 3);
    else if (pairs)
        add_rows(s, dim, true, 4);
    else if (n_rows == 1)
        add_rows(s, dim, false, 1);
    else if (n_rows == 2)
        add_rows(s, dim, false, 2);
    else if (n_rows == 3)
        add_rows(s, dim, false, 3);
    else
        add_rows(s, dim, false, 4);
}

void few_finish(yoco_dtype dtype, float *out, int64_t out_stride)
{
    for (int64_t at = 0; dtype == YOCO_BF16 && at < out_stride; at += TILE_COLUMNS) {
        float split[TILE_COLUMNS];
        memcpy(split, out + at, sizeof split);
        for (int i = 0; i < VF_LANES; i++) {
            out[at + 2 * i] = split[i];
            out[at + 2 * i + 1] = split[VF_LANES + i];
        }
    }
}
