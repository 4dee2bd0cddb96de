/* The dense ops, which every model needs: embedding, matrix products, norm, bias, RoPE, rounding,
 * SwiGLU and its like.
 */
#ifndef YOCO_OPS_DENSE_H
#define YOCO_OPS_DENSE_H

#include "kernels/kernels.h"

enum {
    YOCO_SLAB_ROWS = 64, /* prefill products run on slabs of this many rows, padded with zeros */
    YOCO_MAX_CHAIN = 5,  /* args of one call that name each other by `next` */
};

/* y = x W^T, plus y when accumulate. Both matrix ops take this, and a chain of products of the same
 * x: none reads what another one writes, and its bits are those of a call of its own. */
typedef struct yoco_linear_args yoco_linear_args;
struct yoco_linear_args {
    int64_t n_rows;
    const yoco_weight *weight; /* (n_out, n_in) */
    const void *x;             /* (n_rows, n_in) dtype */
    float *y;                  /* (n_rows, n_out) */
    bool accumulate;
    const yoco_linear_args *next; /* the same n_rows and x, another weight; NULL: the last */
};

/* x = scale * table[id]. Ids were checked against the vocabulary. */
typedef struct yoco_embed_args {
    int64_t n_rows;
    float scale;
    const yoco_weight *table; /* (vocab_size, dim), made with YOCO_WEIGHT_EMBEDDING */
    const int32_t *ids;       /* (n_rows) */
    float *x;                 /* (n_rows, dim) */
} yoco_embed_args;

/* out = scale * slices of table[id], for a table in host memory that a device would not hold whole:
 * a row of it has row_width elements, of which n_slices, `width` each, are taken from its begin on.
 * Ids were checked against its rows. */
typedef struct yoco_gather_args {
    int64_t n_rows;
    const int32_t *ids; /* (n_rows), host memory */
    yoco_dtype table_dtype;
    const void *table; /* (rows of the table, row_width), host memory */
    int64_t row_width;
    int n_slices, width; /* width * 4 bytes are at most 1 MiB */
    float scale;
    float *out; /* (n_slices, n_rows, width) */
} yoco_gather_args;

/* out = x / sqrt(mean(x^2) + eps) * weight, per row; out = (out + that) * sum_scale where
 * accumulate. In place is legal where out_dtype is f32 and nothing accumulates. */
typedef struct yoco_rms_norm_args {
    int64_t n_rows;
    int dim;
    float eps;
    const float *x;      /* (n_rows, dim) */
    const float *weight; /* (dim) or NULL for none */
    yoco_dtype out_dtype;
    void *out;       /* (n_rows, dim) */
    bool accumulate; /* f32 only */
    float sum_scale; /* 0: 1 */
} yoco_rms_norm_args;

/* out = (x - mean) / sqrt(variance + eps) * weight + bias, per row; the variance is the mean of
 * (x - mean)^2. In place is legal where out_dtype is f32. */
typedef struct yoco_layer_norm_args {
    int64_t n_rows;
    int dim;
    float eps;
    const float *x;             /* (n_rows, dim) */
    const float *weight, *bias; /* (dim) */
    yoco_dtype out_dtype;
    void *out; /* (n_rows, dim) */
} yoco_layer_norm_args;

/* cos and sin of position * frequency, times scale; angles in f64, so exact at any position. */
typedef struct yoco_rope_table_args {
    int64_t n_rows;
    int n_freqs;
    const int64_t *positions;  /* (n_rows) */
    const double *frequencies; /* (n_freqs) */
    double scale;
    float *cos, *sin; /* (n_rows, n_freqs) */
} yoco_rope_table_args;

/* x += bias, to every row. A chain of tensors of the same rows may come in one call. */
typedef struct yoco_bias_args yoco_bias_args;
struct yoco_bias_args {
    int64_t n_rows;
    int n;
    const float *bias;          /* (n) */
    float *x;                   /* (n_rows, n) */
    const yoco_bias_args *next; /* the same n_rows; NULL: the last */
};

/* Rotates, of the first `width` channels of every head, the pairs (2i, 2i+1), or (i, i + width /
 * 2), and multiplies all channels by scale; where cos is NULL, out = x, rounded. In place is legal
 * where out_dtype is f32. A chain of tensors that belong to the same rows may come in one call. */
typedef struct yoco_rope_args yoco_rope_args;
struct yoco_rope_args {
    int64_t n_rows;
    int n_heads, head_dim, width; /* width is even, head_dim at most */
    float scale;
    bool halves;
    const float *cos, *sin; /* (n_rows, width / 2) */
    const float *x;         /* (n_rows, n_heads, head_dim) */
    yoco_dtype out_dtype;
    void *out;                  /* (n_rows, n_heads, head_dim) */
    const yoco_rope_args *next; /* the same n_rows; NULL: the last */
};

/* out = x, rounded to out_dtype. */
typedef struct yoco_cast_args {
    int64_t n;
    const float *x;
    yoco_dtype out_dtype;
    void *out;
} yoco_cast_args;

/* swiglu: out = silu(a) * b, with silu(a) = a / (1 + e^-a).
 * geglu: out = gelu(a) * b, with gelu(a) = a / 2 (1 + tanh(sqrt(2/pi) (a + 0.044715 a^3))).
 * glu: out = b / (1 + e^-a). */
typedef struct yoco_swiglu_args {
    int64_t n;
    const float *a, *b;
    yoco_dtype out_dtype;
    void *out;
} yoco_swiglu_args;

/* x = cap * tanh(x / cap), in place. */
typedef struct yoco_soft_cap_args {
    int64_t n;
    float cap; /* > 0 */
    float *x;
} yoco_soft_cap_args;

struct yoco_dense_ops {
    void (*embed)(yoco_device *device, const yoco_embed_args *args);
    void (*gather)(yoco_device *device, const yoco_gather_args *args);
    void (*rms_norm)(yoco_device *device, const yoco_rms_norm_args *args);
    void (*layer_norm)(yoco_device *device, const yoco_layer_norm_args *args);
    void (*linear_slabs)(yoco_device *device,
                         const yoco_linear_args *args);                     /* prefill: many rows */
    void (*linear_rows)(yoco_device *device, const yoco_linear_args *args); /* decode: few rows */
    void (*rope_table)(yoco_device *device, const yoco_rope_table_args *args);
    void (*rope)(yoco_device *device, const yoco_rope_args *args);
    void (*add_bias)(yoco_device *device, const yoco_bias_args *args);
    void (*cast)(yoco_device *device, const yoco_cast_args *args);
    void (*swiglu)(yoco_device *device, const yoco_swiglu_args *args);
    void (*geglu)(yoco_device *device, const yoco_swiglu_args *args);
    void (*glu)(yoco_device *device, const yoco_swiglu_args *args);
    void (*soft_cap)(yoco_device *device, const yoco_soft_cap_args *args);
};

#endif
