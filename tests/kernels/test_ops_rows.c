/* Row ops of every backend against the reference. */
#include "tests/kernels/dense_ops.h"
#include "tests/kernels/differential_ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static test_random rnd;

static int seed(void **state)
{
    (void)state;
    rnd.state = 11;
    return 0;
}

static const int64_t row_counts[] = {1, 2, 63, 64, 65, 200};
enum { N_ROW_COUNTS = sizeof row_counts / sizeof row_counts[0] };

static void reset(rig *tested, rig *reference)
{
    rig_reset(tested);
    rig_reset(reference);
}

/* Random values in a storage type; in f16 they are the 16-bit patterns of finite numbers. */
static void *stored_values(rig *r, int64_t n, yoco_dtype dtype)
{
    float *values = random_values(r, &rnd, n, 1.0f);
    if (dtype == YOCO_F32)
        return values;
    uint16_t *bits = rig_host(r, (size_t)n * sizeof *bits);
    for (int64_t i = 0; i < n; i++)
        bits[i] = dtype == YOCO_BF16 ? yoco_f32_to_bf16(values[i])
                                     : (uint16_t)(random_bits(&rnd) & 0xbbffu);
    return bits;
}

static void embed(rig *tested, rig *reference)
{
    static const struct {
        yoco_dtype dtype;
        int vocab, dim;
    } cases[] = {
        {YOCO_F32, 259, 36}, {YOCO_BF16, 1000, 100}, {YOCO_F16, 259, 96}, {YOCO_BF16, 5, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int vocab = cases[i].vocab, dim = cases[i].dim;
        int32_t ids[65];
        for (int row = 0; row < 65; row++)
            ids[row] = row == 0 ? vocab - 1 : random_below(&rnd, vocab);
        yoco_matrix table = {.dtype = cases[i].dtype,
                             .n_out = vocab,
                             .n_in = dim,
                             .data = stored_values(tested, (int64_t)vocab * dim, cases[i].dtype)};
        yoco_embed_args args = {.n_rows = 65, .scale = sqrtf((float)dim), .ids = ids};
        check_equal(tested, "embed", run_embed(tested, &table, args),
                    run_embed(reference, &table, args), 65 * (size_t)dim * sizeof(float));
        reset(tested, reference);
    }
}

static void rms_norm(rig *tested, rig *reference)
{
    static const int dims[] = {2, 36, 60, 100, 176, 344, 1024};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        for (int variant = 0; variant < 4; variant++) {
            int64_t n_rows = row_counts[(i + (size_t)variant) % N_ROW_COUNTS];
            yoco_rms_norm_args args = {
                .n_rows = n_rows,
                .dim = dims[i],
                .eps = 1e-5f,
                .x = random_values(tested, &rnd, n_rows * dims[i], variant == 3 ? 1e-3f : 2.0f),
                .weight = variant & 1 ? random_values(tested, &rnd, dims[i], 2.0f) : NULL,
                .out_dtype = variant & 2 ? YOCO_BF16 : YOCO_F32};
            check_rounded(tested, "rms_norm", run_rms_norm(tested, args),
                          run_rms_norm(reference, args), n_rows * dims[i], 1e-6, args.out_dtype);
            reset(tested, reference);
        }
    }
}

static void rms_norm_accumulates(rig *tested, rig *reference)
{
    static const int dims[] = {2, 36, 61, 1024, 1537};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        int64_t n_rows = row_counts[i];
        yoco_rms_norm_args args = {.n_rows = n_rows,
                                   .dim = dims[i],
                                   .eps = 1e-5f,
                                   .x = random_values(tested, &rnd, n_rows * dims[i], 2.0f),
                                   .weight = random_values(tested, &rnd, dims[i], 2.0f),
                                   .out = random_values(tested, &rnd, n_rows * dims[i], 5.0f),
                                   .accumulate = true,
                                   .sum_scale = i % 2 ? 0.7f : 0};
        check_close(tested, "rms_norm", run_rms_norm(tested, args), run_rms_norm(reference, args),
                    n_rows * dims[i], 1e-6);
        reset(tested, reference);
    }
}

/* Rows whose squares overflow in f32: right, or NaN, but never 0. */
static void norms_of_large_rows(rig *tested, rig *reference)
{
    static const int dims[] = {36, 1024};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        int n = dims[i];
        float *x = random_values(tested, &rnd, n, 1.0f),
              *ones = random_values(tested, &rnd, n, 1.0f);
        for (int j = 0; j < n; j++) {
            x[j] = j % 2 ? 1e30f : -1e30f;
            ones[j] = 1.0f;
        }
        yoco_rms_norm_args rms = {.n_rows = 1, .dim = n, .eps = 1e-5f, .x = x};
        yoco_layer_norm_args layer = {
            .n_rows = 1, .dim = n, .eps = 1e-5f, .x = x, .weight = ones, .bias = ones};
        const float *out = run_rms_norm(tested, rms);
        for (int j = 0; j < n; j++)
            assert_true(isnan(out[j]) || fabsf(out[j] - (j % 2 ? 1.0f : -1.0f)) < 1e-3f);
        out = run_layer_norm(tested, layer);
        for (int j = 0; j < n; j++)
            assert_true(isnan(out[j]) || fabsf(out[j] - (j % 2 ? 2.0f : 0.0f)) < 1e-3f);
        reset(tested, reference);
    }
}

/* The mean is up to ten times as large as what varies around it. */
static void layer_norm(rig *tested, rig *reference)
{
    static const int dims[] = {2, 36, 61, 100, 176, 1024, 2560};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        for (int variant = 0; variant < 4; variant++) {
            int64_t n_rows = row_counts[(i + (size_t)variant) % N_ROW_COUNTS];
            float *x = random_values(tested, &rnd, n_rows * dims[i], 1.0f);
            for (int64_t j = 0; variant & 1 && j < n_rows * dims[i]; j++)
                x[j] += 5.0f;
            yoco_layer_norm_args args = {.n_rows = n_rows,
                                         .dim = dims[i],
                                         .eps = 1e-5f,
                                         .x = x,
                                         .weight = random_values(tested, &rnd, dims[i], 2.0f),
                                         .bias = random_values(tested, &rnd, dims[i], 1.0f),
                                         .out_dtype = variant & 2 ? YOCO_BF16 : YOCO_F32};
            check_rounded(tested, "layer_norm", run_layer_norm(tested, args),
                          run_layer_norm(reference, args), n_rows * dims[i],
                          variant & 1 ? 2e-5 : 4e-6, args.out_dtype);
            reset(tested, reference);
        }
    }
}

static void combine(rig *tested, rig *reference)
{
    static const int dims[] = {2, 36, 61, 128, 256};
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        for (int bf16 = 0; bf16 <= 1; bf16++) {
            int64_t n_rows = row_counts[i], n = n_rows * 3 * dims[i];
            yoco_differential_args args = {.n_rows = n_rows,
                                           .n_pairs = 3,
                                           .dim = dims[i],
                                           .lambda = 0.3f,
                                           .scale = 0.7f,
                                           .eps = 1e-5f,
                                           .x = random_values(tested, &rnd, 2 * n, 1.0f),
                                           .weight = random_values(tested, &rnd, dims[i], 2.0f),
                                           .out_dtype = bf16 ? YOCO_BF16 : YOCO_F32};
            check_rounded(tested, "combine", run_combine(tested, args),
                          run_combine(reference, args), n, 2e-6, args.out_dtype);
            reset(tested, reference);
        }
    }
}

static void linear_case(rig *tested, rig *reference, const yoco_matrix *weight, int64_t n_rows,
                        bool accumulate)
{
    int64_t n = n_rows * weight->n_out;
    yoco_linear_args args = {.n_rows = n_rows,
                             .x = random_values(tested, &rnd, n_rows * weight->n_in, 1.0f),
                             .y = accumulate ? random_values(tested, &rnd, n, 1.0f) : NULL};
    double tolerance = 4e-7 * sqrt((double)weight->n_in) + 2e-7;
    float *want = run_linear(reference, true, weight, args);
    check_close(tested, "linear_slabs", run_linear(tested, true, weight, args), want, n, tolerance);
    check_close(tested, "linear_rows", run_linear(tested, false, weight, args), want, n, tolerance);
}

static void linear(rig *tested, rig *reference)
{
    static const struct {
        int n_in, n_out;
        yoco_dtype stored;
    } shapes[] = {{36, 60, YOCO_F32},   {60, 36, YOCO_BF16},  {96, 344, YOCO_F16},
                  {344, 96, YOCO_F32},  {100, 176, YOCO_F32}, {176, 100, YOCO_BF16},
                  {256, 16, YOCO_F32},  {2, 6, YOCO_F32},     {96, 259, YOCO_BF16},
                  {64, 1000, YOCO_F32}, {36, 3, YOCO_F16}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (size_t j = i % 2; j < N_ROW_COUNTS; j += 2) {
            int64_t n = (int64_t)shapes[i].n_in * shapes[i].n_out;
            yoco_matrix weight = {.dtype = shapes[i].stored,
                                  .n_out = shapes[i].n_out,
                                  .n_in = shapes[i].n_in,
                                  .data = stored_values(tested, n, shapes[i].stored)};
            linear_case(tested, reference, &weight, row_counts[j], (i + j) % 4 < 2);
            reset(tested, reference);
        }
    }
}

/* Products of the same x in one call, of other widths and one of them added to what is there: the
 * bits of calls of their own. */
static void linear_chain(rig *tested, rig *reference)
{
    enum { IN = 96, N = 4 };
    static const int n_out[N] = {60, 16, 259, 3};
    static const int64_t counts[] = {1, 9, 65};
    (void)reference;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (int slabs = 0; slabs <= 1; slabs++) {
            int64_t n_rows = counts[i];
            void (*op)(yoco_device *, const yoco_linear_args *) =
                slabs ? tested->ops->dense->linear_slabs : tested->ops->dense->linear_rows;
            float *x = random_values(tested, &rnd, n_rows * IN, 1.0f);
            yoco_linear_args alone[N], chain[N];
            for (int j = 0; j < N; j++) {
                size_t bytes = (size_t)(n_rows * n_out[j]) * sizeof(float);
                float *y = random_values(tested, &rnd, n_rows * n_out[j], 1.0f);
                yoco_matrix weight = {.n_out = n_out[j],
                                      .n_in = IN,
                                      .data = random_values(tested, &rnd, IN * n_out[j], 1.0f)};
                alone[j] = (yoco_linear_args){
                    .n_rows = n_rows,
                    .weight = rig_weight(tested, &weight, YOCO_WEIGHT_LINEAR),
                    .x = rig_upload(tested, x, n_rows * IN, tested->options.dtype),
                    .y = rig_device(tested, y, bytes),
                    .accumulate = j == 1};
                chain[j] = alone[j];
                chain[j].x = alone[0].x;
                chain[j].y = rig_device(tested, y, bytes);
                chain[j].next = j + 1 < N ? &chain[j + 1] : NULL;
                op(tested->device, &alone[j]);
            }
            op(tested->device, chain);
            for (int j = 0; j < N; j++)
                check_equal(tested, "a chain of products", rig_fetch(tested, chain[j].y),
                            rig_fetch(tested, alone[j].y),
                            (size_t)(n_rows * n_out[j]) * sizeof(float));
            rig_reset(tested);
        }
    }
}

/* A LINEAR weight is the backend's own: its source may go away, and need not be aligned. */
static void linear_owns_its_weight(rig *tested, rig *reference)
{
    enum { IN = 36, OUT = 60 };
    (void)reference;
    float *x = rig_upload(tested, random_values(tested, &rnd, IN, 1.0f), IN, tested->options.dtype);
    char *source = (char *)rig_host(tested, IN * OUT * sizeof(float) + 1) + 1;
    memcpy(source, random_values(tested, &rnd, IN * OUT, 1.0f), IN * OUT * sizeof(float));
    yoco_matrix matrix = {.dtype = YOCO_F32, .n_out = OUT, .n_in = IN, .data = source};
    yoco_linear_args args = {.n_rows = 1,
                             .weight = rig_weight(tested, &matrix, YOCO_WEIGHT_LINEAR),
                             .x = x,
                             .y = rig_device(tested, NULL, OUT * sizeof(float))};
    tested->ops->dense->linear_rows(tested->device, &args);
    float *before = rig_fetch(tested, args.y);
    memset(source, 0, IN * OUT * sizeof(float));
    tested->ops->dense->linear_rows(tested->device, &args);
    check_equal(tested, "linear_rows", rig_fetch(tested, args.y), before, OUT * sizeof(float));
}

static void rope_table(rig *tested, rig *reference)
{
    int64_t positions[200];
    for (int i = 0; i < 200; i++)
        positions[i] = i < 100 ? i : (int64_t)(random_bits(&rnd) >> 43); /* below 2^21 */
    for (int n_freqs = 1; n_freqs <= 64; n_freqs = 2 * n_freqs + 1) {
        double frequencies[64];
        for (int i = 0; i < n_freqs; i++)
            frequencies[i] = pow(10000, -(double)i / fmax(1, n_freqs - 1));
        yoco_rope_table_args args = {.n_rows = 200,
                                     .n_freqs = n_freqs,
                                     .positions = positions,
                                     .frequencies = frequencies,
                                     .scale = n_freqs > 8 ? 1.3 : 1.0};
        float *c, *s, *want_c, *want_s;
        run_rope_table(tested, args, &c, &s);
        run_rope_table(reference, args, &want_c, &want_s);
        check_close(tested, "cos", c, want_c, 200 * n_freqs, 1.6e-7);
        check_close(tested, "sin", s, want_s, 200 * n_freqs, 1.6e-7);
        reset(tested, reference);
    }
}

static void rope_style(rig *tested, rig *reference, bool halves)
{
    static const int head_dims[] = {2, 6, 10, 16, 64, 80, 128, 256, 12, 27, 80, 256, 512};
    static const int widths[] = {2, 6, 10, 16, 64, 80, 128, 256, 6, 10, 20, 64, 128};
    for (size_t i = 0; i < sizeof head_dims / sizeof head_dims[0]; i++) {
        for (int bf16 = 0; bf16 <= 1; bf16++) {
            int64_t n_rows = row_counts[i % N_ROW_COUNTS];
            int n_heads = 1 + (int)i % 3;
            int64_t n = n_rows * n_heads * head_dims[i];
            yoco_rope_args args = {.n_rows = n_rows,
                                   .n_heads = n_heads,
                                   .head_dim = head_dims[i],
                                   .width = widths[i],
                                   .scale = bf16 ? 0.125f : 1.0f,
                                   .halves = halves,
                                   .cos = random_values(tested, &rnd, n_rows * widths[i] / 2, 1.0f),
                                   .sin = random_values(tested, &rnd, n_rows * widths[i] / 2, 1.0f),
                                   .x = random_values(tested, &rnd, n, 2.0f),
                                   .out_dtype = bf16 ? YOCO_BF16 : YOCO_F32};
            check_rounded(tested, "rope", run_rope(tested, args), run_rope(reference, args), n,
                          4e-7, args.out_dtype);
            reset(tested, reference);
        }
    }
}

static void rope(rig *tested, rig *reference)
{
    rope_style(tested, reference, false);
}

static void rope_halves(rig *tested, rig *reference)
{
    rope_style(tested, reference, true);
}

static void add_bias(rig *tested, rig *reference)
{
    static const int widths[] = {1, 3, 8, 17, 64, 1000};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        int64_t n_rows = row_counts[i % N_ROW_COUNTS], n = n_rows * widths[i];
        yoco_bias_args args = {.n_rows = n_rows,
                               .n = widths[i],
                               .bias = random_values(tested, &rnd, widths[i], 1.0f),
                               .x = random_values(tested, &rnd, n, 2.0f)};
        check_equal(tested, "add_bias", run_add_bias(tested, args), run_add_bias(reference, args),
                    (size_t)n * sizeof(float));
        reset(tested, reference);
    }
}

/* Tensors of other widths in one call, the last only rounded: the bits of calls of their own. */
static void rope_chain(rig *tested, rig *reference)
{
    enum { ROWS = 37, DIM = 10, N = 3 };
    static const int n_heads[N] = {3, 1, 2};
    (void)reference;
    float *cos = rig_upload(tested, random_values(tested, &rnd, ROWS * DIM / 2, 1.0f),
                            ROWS * DIM / 2, YOCO_F32);
    float *sin = rig_upload(tested, random_values(tested, &rnd, ROWS * DIM / 2, 1.0f),
                            ROWS * DIM / 2, YOCO_F32);
    yoco_rope_args alone[N], chain[N];
    for (int i = 0; i < N; i++) {
        int64_t n = ROWS * n_heads[i] * DIM;
        yoco_dtype dtype = i == 0 ? YOCO_F32 : YOCO_BF16;
        size_t bytes = (size_t)n * yoco_dtype_bytes(dtype);
        alone[i] = (yoco_rope_args){
            .n_rows = ROWS,
            .n_heads = n_heads[i],
            .head_dim = DIM,
            .width = DIM,
            .scale = 0.5f,
            .halves = i == 1,
            .cos = cos,
            .sin = sin,
            .x = rig_upload(tested, random_values(tested, &rnd, n, 2.0f), n, YOCO_F32),
            .out_dtype = dtype,
            .out = rig_device(tested, NULL, bytes)};
        chain[i] = alone[i];
        chain[i].out = rig_device(tested, NULL, bytes);
        chain[i].next = i + 1 < N ? &chain[i + 1] : NULL;
        if (i + 1 < N) {
            tested->ops->dense->rope(tested->device, &alone[i]);
            continue;
        }
        chain[i].cos = chain[i].sin = NULL;
        tested->ops->dense->cast(
            tested->device,
            &(yoco_cast_args){.n = n, .x = alone[i].x, .out_dtype = dtype, .out = alone[i].out});
    }
    tested->ops->dense->rope(tested->device, chain);
    for (int i = 0; i < N; i++)
        check_equal(tested, "a chain of rotations", rig_fetch(tested, chain[i].out),
                    rig_fetch(tested, alone[i].out),
                    (size_t)(ROWS * n_heads[i] * DIM) * yoco_dtype_bytes(chain[i].out_dtype));
    rig_reset(tested);
}

static void cast(rig *tested, rig *reference)
{
    static const int64_t sizes[] = {1, 15, 16, 17, 1000};
    static const float special[] = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f, -0.0f,
                                    0x1p-130f,   3.4e38f,         INFINITY};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        float *x = random_values(tested, &rnd, sizes[i], 100.0f);
        for (size_t j = 0; j < sizeof special / sizeof special[0] && (int64_t)j < sizes[i]; j++)
            x[sizes[i] - 1 - (int64_t)j] = special[j];
        yoco_cast_args args = {.n = sizes[i], .x = x, .out_dtype = YOCO_BF16};
        check_equal(tested, "cast", run_cast(tested, args), run_cast(reference, args),
                    (size_t)sizes[i] * sizeof(float));
        args.out_dtype = YOCO_F32;
        check_equal(tested, "cast", run_cast(tested, args), x, (size_t)sizes[i] * sizeof(float));
        reset(tested, reference);
    }
}

static void cast_keeps_nan(rig *tested, rig *reference)
{
    (void)reference;
    float x[20];
    for (int i = 0; i < 20; i++)
        x[i] = NAN;
    float *out = run_cast(tested, (yoco_cast_args){.n = 20, .x = x, .out_dtype = YOCO_BF16});
    for (int i = 0; i < 20; i++)
        assert_true(isnan(out[i]));
}

typedef float *(*gated_run)(rig *r, yoco_swiglu_args args);

/* tolerance: relative. */
static void gated(rig *tested, rig *reference, const char *name, gated_run run, double tolerance)
{
    static const int64_t sizes[] = {1, 7, 16, 33, 344 * 3};
    static const float extremes[] = {0, 100, -100, 1e4f, -1e4f, -88, 88, -87.4f, 1e-20f, 3e38f};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int bf16 = 0; bf16 <= 1; bf16++) {
            yoco_swiglu_args args = {.n = sizes[i],
                                     .a = random_values(tested, &rnd, sizes[i], 8.0f),
                                     .b = random_values(tested, &rnd, sizes[i], 2.0f),
                                     .out_dtype = bf16 ? YOCO_BF16 : YOCO_F32};
            check_rounded(tested, name, run(tested, args), run(reference, args), sizes[i],
                          tolerance, args.out_dtype);
            reset(tested, reference);
        }
    }
    for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++) {
        float a[20], b[20]; /* one extreme at a time, so that it sets the scale */
        for (int j = 0; j < 20; j++) {
            a[j] = extremes[i];
            b[j] = 0.5f;
        }
        yoco_swiglu_args args = {.n = 20, .a = a, .b = b};
        float *got = run(tested, args), *want = run(reference, args);
        for (int j = 0; j < 20; j++) /* denormals may be lost */
            assert_true(fabs((double)got[j] - want[j]) <=
                        tolerance * fabs((double)want[j]) + 2e-38);
        reset(tested, reference);
    }
}

static void swiglu(rig *tested, rig *reference)
{
    gated(tested, reference, "swiglu", run_swiglu, 1e-6);
}

static void glu(rig *tested, rig *reference)
{
    gated(tested, reference, "glu", run_glu, 1e-6);
}

static void geglu(rig *tested, rig *reference)
{
    /* the exponent is far from 0 sooner */
    gated(tested, reference, "geglu", run_geglu, 4e-6);
}

static void soft_cap(rig *tested, rig *reference)
{
    enum { N = 4003 };
    float x[N];
    for (int i = 0; i < N; i++) /* from far above the cap to far below it, both signs */
        x[i] = (i % 2 ? 1 : -1) * 1000.0f * powf(0.995f, (float)i);
    x[N - 1] = 0;
    yoco_soft_cap_args args = {.n = N, .cap = 30, .x = x};
    float *got = run_soft_cap(tested, args), *want = run_soft_cap(reference, args);
    for (int i = 0; i < N; i++)
        assert_true(fabs((double)got[i] - want[i]) <= 6e-7 * fabs((double)want[i]));
    x[7] = NAN;
    assert_true(isnan(run_soft_cap(tested, args)[7]));
    reset(tested, reference);
}

/* Wide rows, too: more than a GPU's backend stages at once. */
static void gather(rig *tested, rig *reference)
{
    static const struct {
        yoco_dtype dtype;
        int n_rows, n_slices, width;
    } cases[] = {{YOCO_F32, 1, 3, 16},
                 {YOCO_BF16, 65, 2, 7},
                 {YOCO_F16, 3, 5, 40},
                 {YOCO_BF16, 700, 3, 1024}};
    enum { VOCAB = 9 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t row_width = (int64_t)(cases[i].n_slices + 1) * cases[i].width;
        int32_t ids[700];
        for (int row = 0; row < 700; row++)
            ids[row] = row == 0 ? VOCAB - 1 : random_below(&rnd, VOCAB);
        yoco_gather_args args = {.n_rows = cases[i].n_rows,
                                 .ids = ids,
                                 .table_dtype = cases[i].dtype,
                                 .table = stored_values(tested, VOCAB * row_width, cases[i].dtype),
                                 .row_width = row_width,
                                 .n_slices = cases[i].n_slices,
                                 .width = cases[i].width,
                                 .scale = 3};
        int64_t n = (int64_t)cases[i].n_rows * cases[i].n_slices * cases[i].width;
        check_equal(tested, "gather", run_gather(tested, args), run_gather(reference, args),
                    (size_t)n * sizeof(float));
        reset(tested, reference);
    }
}

static void test_embed(void **state)
{
    (void)state;
    each_rig(embed);
    each_rig(gather);
}

static void test_layer_norm(void **state)
{
    (void)state;
    each_rig(layer_norm);
}

static void test_combine(void **state)
{
    (void)state;
    each_rig(combine);
}

static void test_rms_norm(void **state)
{
    (void)state;
    each_rig(rms_norm);
    each_rig(rms_norm_accumulates);
    each_rig(norms_of_large_rows);
}

static void test_linear(void **state)
{
    (void)state;
    each_rig(linear);
    each_rig(linear_chain);
    each_rig(linear_owns_its_weight);
}

static void test_rope(void **state)
{
    (void)state;
    each_rig(rope_table);
    each_rig(rope);
    each_rig(rope_halves);
    each_rig(add_bias);
    each_rig(rope_chain);
}

static void test_cast(void **state)
{
    (void)state;
    each_rig(cast);
    each_rig(cast_keeps_nan);
}

static void test_swiglu(void **state)
{
    (void)state;
    each_rig(swiglu);
    each_rig(geglu);
    each_rig(glu);
}

static void test_soft_cap(void **state)
{
    (void)state;
    each_rig(soft_cap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_layer_norm, seed), cmocka_unit_test_setup(test_combine, seed),
        cmocka_unit_test_setup(test_embed, seed),      cmocka_unit_test_setup(test_rms_norm, seed),
        cmocka_unit_test_setup(test_linear, seed),     cmocka_unit_test_setup(test_rope, seed),
        cmocka_unit_test_setup(test_cast, seed),       cmocka_unit_test_setup(test_swiglu, seed),
        cmocka_unit_test_setup(test_soft_cap, seed),
    };
    return cmocka_run_group_tests_name("kernels_ops_rows", tests, NULL, NULL);
}
