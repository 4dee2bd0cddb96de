/* Ops that work on each row, or each element, alone. */
#include "kernels/ops_dense.h"
#include "kernels/reference/reference.h"

#include <math.h>

static void embed(yoco_device *device, const yoco_embed_args *args)
{
    (void)device;
    const yoco_weight *table = args->table;
    int64_t dim = table->n_in;
    for (int64_t row = 0; row < args->n_rows; row++) {
        for (int64_t i = 0; i < dim; i++) {
            float value = reference_load(table->dtype, table->data, args->ids[row] * dim + i);
            args->x[row * dim + i] = args->scale * value;
        }
    }
}

static void gather(yoco_device *device, const yoco_gather_args *args)
{
    (void)device;
    const int64_t n = args->n_rows, width = args->width;
    for (int64_t slice = 0; slice < args->n_slices; slice++) {
        for (int64_t row = 0; row < n; row++) {
            int64_t from = args->ids[row] * args->row_width + slice * width;
            for (int64_t i = 0; i < width; i++)
                args->out[(slice * n + row) * width + i] =
                    args->scale * reference_load(args->table_dtype, args->table, from + i);
        }
    }
}

static void rms_norm(yoco_device *device, const yoco_rms_norm_args *args)
{
    (void)device;
    for (int64_t row = 0; row < args->n_rows; row++) {
        const float *x = args->x + row * args->dim;
        double squares = 0;
        for (int i = 0; i < args->dim; i++)
            squares += (double)x[i] * x[i];
        double root = sqrt(squares / args->dim + args->eps);
        for (int i = 0; i < args->dim; i++) {
            int64_t at = row * args->dim + i;
            double weight = args->weight ? args->weight[i] : 1.0;
            double before = args->accumulate ? ((const float *)args->out)[at] : 0.0;
            double sum_scale = args->accumulate && args->sum_scale != 0 ? args->sum_scale : 1.0;
            reference_store(args->out_dtype, args->out, at,
                            (float)((before + x[i] / root * weight) * sum_scale));
        }
    }
}

static void layer_norm(yoco_device *device, const yoco_layer_norm_args *args)
{
    (void)device;
    for (int64_t row = 0; row < args->n_rows; row++) {
        const float *x = args->x + row * args->dim;
        double sum = 0, squares = 0;
        for (int i = 0; i < args->dim; i++)
            sum += x[i];
        double mean = sum / args->dim;
        for (int i = 0; i < args->dim; i++)
            squares += (x[i] - mean) * (x[i] - mean);
        double root = sqrt(squares / args->dim + args->eps);
        for (int i = 0; i < args->dim; i++)
            reference_store(args->out_dtype, args->out, row * args->dim + i,
                            (float)((x[i] - mean) / root * args->weight[i] + args->bias[i]));
    }
}

static void multiply(const yoco_device *device, const yoco_linear_args *args)
{
    int64_t n_in = args->weight->n_in, n_out = args->weight->n_out;
    for (int64_t row = 0; row < args->n_rows; row++) {
        for (int64_t j = 0; j < n_out; j++) {
            float *y = &args->y[row * n_out + j];
            double sum = args->accumulate ? *y : 0.0;
            for (int64_t i = 0; i < n_in; i++)
                sum += (double)reference_load(device->dtype, args->x, row * n_in + i) *
                       args->weight->owned[j * n_in + i];
            *y = (float)sum;
        }
    }
}

static void linear(yoco_device *device, const yoco_linear_args *args)
{
    for (; args; args = args->next)
        multiply(device, args);
}

static void rope_table(yoco_device *device, const yoco_rope_table_args *args)
{
    (void)device;
    for (int64_t row = 0; row < args->n_rows; row++) {
        for (int i = 0; i < args->n_freqs; i++) {
            double angle = (double)args->positions[row] * args->frequencies[i];
            args->cos[row * args->n_freqs + i] = (float)(cos(angle) * args->scale);
            args->sin[row * args->n_freqs + i] = (float)(sin(angle) * args->scale);
        }
    }
}

static void scale_rest(const yoco_rope_args *args, int64_t head)
{
    for (int i = args->width; i < args->head_dim; i++) {
        int64_t at = head * args->head_dim + i;
        reference_store(args->out_dtype, args->out, at, args->x[at] * args->scale);
    }
}

static void rotate(const yoco_rope_args *args)
{
    int n_pairs = args->width / 2;
    for (int64_t head = 0; head < args->n_rows * args->n_heads; head++)
        scale_rest(args, head);
    for (int64_t row = 0; row < args->n_rows; row++) {
        for (int pair = 0; pair < args->n_heads * n_pairs; pair++) {
            int64_t head = row * args->n_heads + pair / n_pairs;
            int64_t at = head * args->head_dim + pair % n_pairs * (args->halves ? 1 : 2);
            int64_t other = at + (args->halves ? n_pairs : 1);
            double c = args->cos[row * n_pairs + pair % n_pairs];
            double s = args->sin[row * n_pairs + pair % n_pairs];
            double even = args->x[at], odd = args->x[other];
            reference_store(args->out_dtype, args->out, at,
                            (float)((even * c - odd * s) * args->scale));
            reference_store(args->out_dtype, args->out, other,
                            (float)((even * s + odd * c) * args->scale));
        }
    }
}

static void cast(yoco_device *device, const yoco_cast_args *args)
{
    (void)device;
    for (int64_t i = 0; i < args->n; i++)
        reference_store(args->out_dtype, args->out, i, args->x[i]);
}

static void rope(yoco_device *device, const yoco_rope_args *args)
{
    for (; args; args = args->next) {
        if (args->cos)
            rotate(args);
        else
            cast(device, &(yoco_cast_args){.n = args->n_rows * args->n_heads * args->head_dim,
                                           .x = args->x,
                                           .out_dtype = args->out_dtype,
                                           .out = args->out});
    }
}

static void add_bias(yoco_device *device, const yoco_bias_args *args)
{
    (void)device;
    for (; args; args = args->next)
        for (int64_t i = 0; i < args->n_rows * args->n; i++)
            args->x[i] += args->bias[i % args->n];
}

static void swiglu(yoco_device *device, const yoco_swiglu_args *args)
{
    (void)device;
    for (int64_t i = 0; i < args->n; i++) {
        double silu = args->a[i] / (1.0 + exp(-(double)args->a[i]));
        reference_store(args->out_dtype, args->out, i, (float)(silu * args->b[i]));
    }
}

/* By (1 + tanh t) / 2 = 1 / (1 + e^-2t), which loses no digits. */
static double gelu(double x)
{
    return x / (1 + exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
}

static void glu(yoco_device *device, const yoco_swiglu_args *args)
{
    (void)device;
    for (int64_t i = 0; i < args->n; i++)
        reference_store(args->out_dtype, args->out, i,
                        (float)(args->b[i] / (1.0 + exp(-(double)args->a[i]))));
}

static void geglu(yoco_device *device, const yoco_swiglu_args *args)
{
    (void)device;
    for (int64_t i = 0; i < args->n; i++)
        reference_store(args->out_dtype, args->out, i, (float)(gelu(args->a[i]) * args->b[i]));
}

static void soft_cap(yoco_device *device, const yoco_soft_cap_args *args)
{
    (void)device;
    for (int64_t i = 0; i < args->n; i++)
        args->x[i] = (float)(args->cap * tanh((double)args->x[i] / args->cap));
}

const yoco_dense_ops yoco_reference_dense = {
    .embed = embed,
    .gather = gather,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .linear_slabs = linear,
    .linear_rows = linear,
    .rope_table = rope_table,
    .rope = rope,
    .add_bias = add_bias,
    .cast = cast,
    .swiglu = swiglu,
    .geglu = geglu,
    .glu = glu,
    .soft_cap = soft_cap,
};
