/* Ops on rows and elements: embedding, norm, RoPE, rounding, SwiGLU. */
#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/tile.h"

#include <math.h>

/* Up to VF_LANES values of a checkpoint's tensor, widened. */
static vf load_stored(yoco_dtype dtype, const void *data, int64_t at, int64_t n)
{
    int count = n < VF_LANES ? (int)n : VF_LANES;
    if (dtype == YOCO_F32)
        return row_load((const float *)data + at, n);
    if (dtype == YOCO_BF16)
        return vf_load_bf16_first((const uint16_t *)data + at, count);
    uint16_t bits[VF_LANES] = {0};
    memcpy(bits, (const char *)data + (size_t)at * sizeof *bits, (size_t)count * sizeof *bits);
    vf x;
    for (int i = 0; i < VF_LANES; i++)
        x[i] = yoco_f16_to_f32(bits[i]);
    return x;
}

static void embed(yoco_device *device, const yoco_embed_args *args)
{
    const yoco_weight *table = args->table;
    int64_t dim = table->n_in;
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n_rows *dim))
    for (int64_t row = 0; row < args->n_rows; row++) {
        for (int64_t i = 0; i < dim; i += VF_LANES) {
            vf x = load_stored(table->dtype, table->data, args->ids[row] * dim + i, dim - i);
            row_store(YOCO_F32, args->x, row * dim + i, x * vf_set(args->scale), dim - i);
        }
    }
}

static void gather(yoco_device *device, const yoco_gather_args *args)
{
    const int64_t n = args->n_rows, width = args->width;
#pragma omp parallel for num_threads(yoco_cpu_threads(device, n * args->n_slices * width))
    for (int64_t row = 0; row < n; row++) {
        for (int64_t slice = 0; slice < args->n_slices; slice++) {
            int64_t from = args->ids[row] * args->row_width + slice * width;
            int64_t to = (slice * n + row) * width;
            for (int64_t i = 0; i < width; i += VF_LANES) {
                vf x = load_stored(args->table_dtype, args->table, from + i, width - i);
                row_store(YOCO_F32, args->out, to + i, x * vf_set(args->scale), width - i);
            }
        }
    }
}

/* Lane i sums the squares of elements i, i + VF_LANES, ...; then the lanes. */
static void norm_row(const yoco_rms_norm_args *args, int64_t row)
{
    int dim = args->dim;
    const float *x = args->x + row * dim;
    vf squares = vf_set(0.0f);
    for (int i = 0; i < dim; i += VF_LANES) {
        vf xi = row_load(x + i, dim - i);
        squares = vf_fma(xi, xi, squares);
    }
    vf scale = vf_set(1.0f / norm_root(vf_sum(squares) / (float)dim + args->eps));
    const vf sum_scale = vf_set(args->sum_scale != 0 ? args->sum_scale : 1.0f);
    for (int i = 0; i < dim; i += VF_LANES) {
        vf out = row_load(x + i, dim - i) * scale;
        if (args->weight)
            out = out * row_load(args->weight + i, dim - i);
        if (args->accumulate)
            out = (out + row_load((const float *)args->out + row * dim + i, dim - i)) * sum_scale;
        row_store(args->out_dtype, args->out, row * dim + i, out, dim - i);
    }
}

static void rms_norm(yoco_device *device, const yoco_rms_norm_args *args)
{
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n_rows * args->dim))
    for (int64_t row = 0; row < args->n_rows; row++)
        norm_row(args, row);
}

/* Elements i and on of a row less its mean; 0 past its end. */
VF_INLINE vf from_mean(const float *x, int i, int dim, float mean)
{
    vf inside = row_load(x + i, dim - i) - vf_set(mean);
    return dim - i >= VF_LANES ? inside : vf_select(vi_lane() < dim - i, inside, vf_set(0.0f));
}

/* Sums as those of norm_row. */
static void layer_norm_row(const yoco_layer_norm_args *args, int64_t row)
{
    int dim = args->dim;
    const float *x = args->x + row * dim;
    vf sum = vf_set(0.0f), squares = vf_set(0.0f);
    for (int i = 0; i < dim; i += VF_LANES)
        sum += row_load(x + i, dim - i);
    float mean = vf_sum(sum) / (float)dim;
    for (int i = 0; i < dim; i += VF_LANES) {
        vf xi = from_mean(x, i, dim, mean);
        squares = vf_fma(xi, xi, squares);
    }
    vf scale = vf_set(1.0f / norm_root(vf_sum(squares) / (float)dim + args->eps));
    for (int i = 0; i < dim; i += VF_LANES) {
        vf out = vf_fma(from_mean(x, i, dim, mean) * scale, row_load(args->weight + i, dim - i),
                        row_load(args->bias + i, dim - i));
        row_store(args->out_dtype, args->out, row * dim + i, out, dim - i);
    }
}

static void layer_norm(yoco_device *device, const yoco_layer_norm_args *args)
{
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n_rows * args->dim))
    for (int64_t row = 0; row < args->n_rows; row++)
        layer_norm_row(args, row);
}

/* A vector's worth of one head: VF_LANES / 2 pairs, or the n_pairs that are left. */
static void rotate_pairs(const yoco_rope_args *args, int64_t row, int64_t at, int pair, int n_pairs)
{
    const float *cos = args->cos + row * (args->width / 2) + pair;
    const float *sin = args->sin + row * (args->width / 2) + pair;
    const float *x = args->x + at;
    float rotated[VF_LANES] = {0};
    for (int i = 0; i < n_pairs; i++) {
        rotated[2 * i] = (x[2 * i] * cos[i] - x[2 * i + 1] * sin[i]) * args->scale;
        rotated[2 * i + 1] = (x[2 * i] * sin[i] + x[2 * i + 1] * cos[i]) * args->scale;
    }
    row_store(args->out_dtype, args->out, at, vf_load(rotated), 2 * n_pairs);
}

/* Both halves of a head are read before either is written: x may be out. */
static void rotate_halves(const yoco_rope_args *args, int64_t row, int64_t at)
{
    int half = args->width / 2;
    const float *cos = args->cos + row * half, *sin = args->sin + row * half;
    const float *x = args->x + at;
    vf scale = vf_set(args->scale);
    for (int i = 0; i < half; i += VF_LANES) {
        int n = half - i;
        vf c = row_load(cos + i, n), s = row_load(sin + i, n);
        vf low = row_load(x + i, n), high = row_load(x + half + i, n);
        row_store(args->out_dtype, args->out, at + i, (low * c - high * s) * scale, n);
        row_store(args->out_dtype, args->out, at + half + i, (low * s + high * c) * scale, n);
    }
}

static void rotate_neighbours(const yoco_rope_args *args, int64_t row, int64_t at)
{
    int n_pairs = args->width / 2, pair = 0;
    for (; n_pairs - pair >= VF_LANES / 2; pair += VF_LANES / 2)
        rotate_pairs(args, row, at + 2 * pair, pair, VF_LANES / 2);
    if (pair < n_pairs)
        rotate_pairs(args, row, at + 2 * pair, pair, n_pairs - pair);
}

static void scale_rest(const yoco_rope_args *args, int64_t at)
{
    vf scale = vf_set(args->scale);
    for (int i = args->width; i < args->head_dim; i += VF_LANES) {
        int n = args->head_dim - i;
        row_store(args->out_dtype, args->out, at + i, row_load(args->x + at + i, n) * scale, n);
    }
}

static void rotate_rows(const yoco_device *device, const yoco_rope_args *args)
{
    int64_t row_size = (int64_t)args->n_heads * args->head_dim;
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n_rows *row_size))
    for (int64_t row = 0; row < args->n_rows; row++) {
        for (int head = 0; head < args->n_heads; head++) {
            int64_t at = row * row_size + (int64_t)head * args->head_dim;
            (args->halves ? rotate_halves : rotate_neighbours)(args, row, at);
            scale_rest(args, at);
        }
    }
}

static void cast(yoco_device *device, const yoco_cast_args *args)
{
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n))
    for (int64_t i = 0; i < args->n; i += VF_LANES)
        row_store(args->out_dtype, args->out, i, row_load(args->x + i, args->n - i), args->n - i);
}

static void rope(yoco_device *device, const yoco_rope_args *args)
{
    for (; args; args = args->next) {
        if (args->cos)
            rotate_rows(device, args);
        else
            cast(device, &(yoco_cast_args){.n = args->n_rows * args->n_heads * args->head_dim,
                                           .x = args->x,
                                           .out_dtype = args->out_dtype,
                                           .out = args->out});
    }
}

static void add_rows(const yoco_device *device, const yoco_bias_args *args)
{
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n_rows * args->n))
    for (int64_t row = 0; row < args->n_rows; row++) {
        float *x = args->x + row * args->n;
        for (int i = 0; i < args->n; i += VF_LANES) {
            int n = args->n - i;
            row_store(YOCO_F32, x, i, row_load(x + i, n) + row_load(args->bias + i, n), n);
        }
    }
}

static void add_bias(yoco_device *device, const yoco_bias_args *args)
{
    for (; args; args = args->next)
        add_rows(device, args);
}

static void swiglu(yoco_device *device, const yoco_swiglu_args *args)
{
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n))
    for (int64_t i = 0; i < args->n; i += VF_LANES) {
        vf a = row_load(args->a + i, args->n - i), b = row_load(args->b + i, args->n - i);
        row_store(args->out_dtype, args->out, i, vf_silu(a) * b, args->n - i);
    }
}

static void glu(yoco_device *device, const yoco_swiglu_args *args)
{
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n))
    for (int64_t i = 0; i < args->n; i += VF_LANES) {
        vf a = row_load(args->a + i, args->n - i), b = row_load(args->b + i, args->n - i);
        row_store(args->out_dtype, args->out, i, vf_logistic(b, a), args->n - i);
    }
}

static void geglu(yoco_device *device, const yoco_swiglu_args *args)
{
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n))
    for (int64_t i = 0; i < args->n; i += VF_LANES) {
        vf a = row_load(args->a + i, args->n - i), b = row_load(args->b + i, args->n - i);
        row_store(args->out_dtype, args->out, i, vf_gelu(a) * b, args->n - i);
    }
}

static void soft_cap(yoco_device *device, const yoco_soft_cap_args *args)
{
    const vf cap = vf_set(args->cap);
#pragma omp parallel for num_threads(yoco_cpu_threads(device, args->n))
    for (int64_t i = 0; i < args->n; i += VF_LANES) {
        vf x = row_load(args->x + i, args->n - i);
        row_store(YOCO_F32, args->x, i, vf_tanh(x / cap) * cap, args->n - i);
    }
}

const yoco_dense_ops YOCO_SIMD(yoco_cpu_dense) = {
    .embed = embed,
    .gather = gather,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .linear_slabs = yoco_cpu_linear_slabs,
    .linear_rows = YOCO_SIMD(linear_rows),
    .rope_table = yoco_cpu_rope_table,
    .rope = rope,
    .add_bias = add_bias,
    .cast = cast,
    .swiglu = swiglu,
    .geglu = geglu,
    .glu = glu,
    .soft_cap = soft_cap,
};

void YOCO_SIMD(add_fixed)(const float *x, const int *exponent, int shift, int64_t n, int64_t *fixed)
{
    int64_t i = 0;
    for (; n - i >= FIXED_LANES; i += FIXED_LANES)
        vf_add_fixed(x + i, exponent + i, shift, fixed + i);
    for (; i < n; i++)
        add_fixed(x[i], exponent[i] + shift, fixed + i);
}
