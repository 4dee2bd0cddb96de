/* The reference's row ops against the formulas, written out in f64 or better. */
#include "tests/kernels/dense_ops.h"
#include "tests/kernels/differential_ops.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static rig r;
static test_random rnd;

static int open_f32(void **state)
{
    (void)state;
    rnd.state = 1;
    rig_open(&r, &yoco_reference_ops, (yoco_device_options){.n_threads = 1, .dtype = YOCO_F32});
    return 0;
}

static int open_bf16(void **state)
{
    (void)state;
    rnd.state = 2;
    rig_open(&r, &yoco_reference_ops, (yoco_device_options){.n_threads = 1, .dtype = YOCO_BF16});
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

static void check_embed(yoco_dtype dtype, const void *stored, const float *want)
{
    const int32_t ids[] = {2, 0, 2};
    /* Tensors of a file lie at any address. */
    char *data = (char *)rig_host(&r, 6 * yoco_dtype_bytes(dtype) + 1) + 1;
    memcpy(data, stored, 6 * yoco_dtype_bytes(dtype));
    yoco_matrix table = {.dtype = dtype, .n_out = 3, .n_in = 2, .data = data};
    float *x = run_embed(&r, &table, (yoco_embed_args){.n_rows = 3, .scale = 4.0f, .ids = ids});
    for (int row = 0; row < 3; row++) {
        for (int i = 0; i < 2; i++)
            assert_true(x[row * 2 + i] == 4.0f * want[ids[row] * 2 + i]);
    }
}

static void test_embed(void **state)
{
    (void)state;
    const float f32[] = {0.1f, -2.5f, 1e-3f, 7.0f, 1e30f, -0.3f};
    check_embed(YOCO_F32, f32, f32);
    const uint16_t bf16[] = {0x3f80, 0xc020, 0x0001, 0x4049, 0x7f00, 0x3eab};
    const float bf16_values[] = {1.0f, -2.5f, 0x1p-133f, 3.140625f, 0x1p127f, 0.333984375f};
    check_embed(YOCO_BF16, bf16, bf16_values);
    const uint16_t f16[] = {0x3c00, 0xc100, 0x0001, 0x83ff, 0x7bff, 0x3555};
    const float f16_values[] = {1.0f, -2.5f, 0x1p-24f, -1023 * 0x1p-24f, 65504.0f, 0.333251953125f};
    check_embed(YOCO_F16, f16, f16_values);
}

static void test_rms_norm(void **state)
{
    (void)state;
    enum { ROWS = 3, DIM = 37 };
    float *x = random_values(&r, &rnd, ROWS * DIM, 3.0f);
    float *weight = random_values(&r, &rnd, DIM, 2.0f), want[ROWS * DIM], plain[ROWS * DIM];
    memset(x + DIM, 0, DIM * sizeof *x); /* a row of zeros stays zeros */
    for (int row = 0; row < ROWS; row++) {
        double squares = 0;
        for (int i = 0; i < DIM; i++)
            squares += pow(x[row * DIM + i], 2);
        for (int i = 0; i < DIM; i++) {
            double norm = x[row * DIM + i] * pow(squares / DIM + 1e-5, -0.5);
            plain[row * DIM + i] = (float)norm;
            want[row * DIM + i] = (float)(norm * weight[i]);
        }
    }
    yoco_rms_norm_args args = {.n_rows = ROWS, .dim = DIM, .eps = 1e-5f, .x = x};
    check_close(&r, "rms_norm", run_rms_norm(&r, args), plain, ROWS * DIM, 2e-7);
    args.weight = weight;
    check_close(&r, "rms_norm", run_rms_norm(&r, args), want, ROWS * DIM, 2e-7);
    float *sum = random_values(&r, &rnd, ROWS * DIM, 3.0f);
    for (int i = 0; i < ROWS * DIM; i++)
        plain[i] = want[i] + sum[i];
    args.out = sum;
    args.accumulate = true;
    check_close(&r, "rms_norm", run_rms_norm(&r, args), plain, ROWS * DIM, 2e-7);
    args.out = NULL;
    args.accumulate = false;
    args.out_dtype = YOCO_BF16;
    check_rounded(&r, "rms_norm", run_rms_norm(&r, args), rounded(&r, want, ROWS * DIM, YOCO_BF16),
                  ROWS * DIM, 0, YOCO_BF16);
}

static void test_layer_norm(void **state)
{
    (void)state;
    enum { ROWS = 3, DIM = 37 };
    float *x = random_values(&r, &rnd, ROWS * DIM, 3.0f), want[ROWS * DIM];
    float *weight = random_values(&r, &rnd, DIM, 2.0f), *bias = random_values(&r, &rnd, DIM, 1.0f);
    for (int row = 0; row < ROWS; row++) {
        double mean = 0, variance = 0;
        for (int i = 0; i < DIM; i++)
            mean += (double)x[row * DIM + i] / DIM;
        for (int i = 0; i < DIM; i++)
            variance += pow(x[row * DIM + i], 2) / DIM;
        variance -= mean * mean;
        for (int i = 0; i < DIM; i++)
            want[row * DIM + i] =
                (float)((x[row * DIM + i] - mean) * pow(variance + 1e-5, -0.5) * weight[i] +
                        bias[i]);
    }
    yoco_layer_norm_args args = {
        .n_rows = ROWS, .dim = DIM, .eps = 1e-5f, .x = x, .weight = weight, .bias = bias};
    check_close(&r, "layer_norm", run_layer_norm(&r, args), want, ROWS * DIM, 2e-7);
}

/* Of heads 2p and 2p + 1: the released code's sub-norm of the difference, times 1 - lambda_init. */
static void test_combine(void **state)
{
    (void)state;
    enum { ROWS = 2, PAIRS = 3, DIM = 10 };
    float *x = random_values(&r, &rnd, ROWS * PAIRS * 2 * DIM, 1.0f);
    float *weight = random_values(&r, &rnd, DIM, 2.0f), want[ROWS * PAIRS * DIM];
    for (int pair = 0; pair < ROWS * PAIRS; pair++) {
        const float *heads = x + 2 * pair * DIM;
        double squares = 0;
        for (int i = 0; i < DIM; i++)
            squares += pow(heads[i] - 0.625 * heads[DIM + i], 2);
        for (int i = 0; i < DIM; i++)
            want[pair * DIM + i] = (float)(0.75 * (heads[i] - 0.625 * heads[DIM + i]) *
                                           pow(squares / DIM + 1e-5, -0.5) * weight[i]);
    }
    yoco_differential_args args = {.n_rows = ROWS,
                                   .n_pairs = PAIRS,
                                   .dim = DIM,
                                   .lambda = 0.625f,
                                   .scale = 0.75f,
                                   .eps = 1e-5f,
                                   .x = x,
                                   .weight = weight};
    check_close(&r, "combine", run_combine(&r, args), want, ROWS * PAIRS * DIM, 2e-7);
}

static void test_linear(void **state)
{
    (void)state;
    enum { ROWS = 5, IN = 36, OUT = 7 };
    float *x = random_values(&r, &rnd, ROWS * IN, 1.0f),
          *w = random_values(&r, &rnd, OUT * IN, 1.0f);
    float *y = random_values(&r, &rnd, ROWS * OUT, 1.0f), product[ROWS * OUT], sum[ROWS * OUT];
    yoco_dtype dtype = r.options.dtype;
    float *x_rounded = rounded(&r, x, ROWS * IN, dtype),
          *w_rounded = rounded(&r, w, OUT * IN, dtype);
    for (int row = 0; row < ROWS; row++) {
        for (int j = 0; j < OUT; j++) {
            double dot = 0;
            for (int i = 0; i < IN; i++)
                dot += (double)x_rounded[row * IN + i] * w_rounded[j * IN + i];
            product[row * OUT + j] = (float)dot;
            sum[row * OUT + j] = (float)(dot + y[row * OUT + j]);
        }
    }
    yoco_matrix weight = {.dtype = YOCO_F32, .n_out = OUT, .n_in = IN, .data = w};
    for (int slabs = 0; slabs <= 1; slabs++) {
        yoco_linear_args args = {.n_rows = ROWS, .x = x};
        check_close(&r, "linear", run_linear(&r, slabs, &weight, args), product, ROWS * OUT, 2e-7);
        args.y = y;
        check_close(&r, "linear", run_linear(&r, slabs, &weight, args), sum, ROWS * OUT, 2e-7);
    }
}

/* A 1 x 1 product shows a weight as the backend holds it. */
static float held(yoco_dtype dtype, const void *stored)
{
    const float one = 1.0f;
    yoco_matrix weight = {.dtype = dtype, .n_out = 1, .n_in = 1, .data = stored};
    return *run_linear(&r, false, &weight, (yoco_linear_args){.n_rows = 1, .x = &one});
}

static void test_weight_rounding(void **state)
{
    (void)state;
    const float even_below = 1 + 0x1p-8f, even_above = 1 + 0x1p-7f + 0x1p-8f;
    const float past_tie = even_below + FLT_EPSILON;
    assert_true(held(YOCO_F32, &even_below) == 1.0f);
    assert_true(held(YOCO_F32, &even_above) == 1 + 0x1p-6f);
    assert_true(held(YOCO_F32, &past_tie) == 1 + 0x1p-7f);
    const uint16_t bf16 = 0x3eab, f16 = 0x3c01; /* 1 + 2^-10 */
    assert_true(held(YOCO_BF16, &bf16) == 0.333984375f);
    assert_true(held(YOCO_F16, &f16) == 1.0f);
}

static void test_weight_is_kept_exactly_in_f32(void **state)
{
    (void)state;
    const float third = 1.0f / 3;
    const uint16_t bf16 = 0x3eab, f16 = 0x3c01;
    assert_true(held(YOCO_F32, &third) == third);
    assert_true(held(YOCO_BF16, &bf16) == 0.333984375f);
    assert_true(held(YOCO_F16, &f16) == 1 + 0x1p-10f);
}

static void test_cast(void **state)
{
    (void)state;
    const float x[] = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f, -1 - 3 * 0x1p-8f, FLT_MAX, 0x1p-130f, -0.0f,
                       0.1f};
    const float want[] = {1.0f,      1 + 0x1p-6f, -1 - 0x1p-6f,  INFINITY,
                          0x1p-130f, -0.0f,       0.10009765625f};
    enum { N = sizeof x / sizeof x[0] };
    yoco_cast_args args = {.n = N, .x = x, .out_dtype = YOCO_BF16};
    check_equal(&r, "cast", run_cast(&r, args), want, sizeof want);
    args.out_dtype = YOCO_F32;
    check_equal(&r, "cast", run_cast(&r, args), x, sizeof x);
}

static void check_rope_table(double scale)
{
    enum { FREQS = 64 };
    const int64_t positions[] = {0, 1, 1048575, (1 << 20) + 12345, ((int64_t)1 << 40) + 1};
    enum { ROWS = sizeof positions / sizeof positions[0] };
    double frequencies[FREQS];
    for (int i = 0; i < FREQS; i++)
        frequencies[i] = pow(10000, -(double)i / (FREQS - 1));
    float *c, *s;
    run_rope_table(&r,
                   (yoco_rope_table_args){.n_rows = ROWS,
                                          .n_freqs = FREQS,
                                          .positions = positions,
                                          .frequencies = frequencies,
                                          .scale = scale},
                   &c, &s);
    for (int row = 0; row < ROWS; row++) {
        /* The f64 angle is off by its last bit. */
        double allowed = scale * (FLT_EPSILON / 2 + (double)positions[row] * DBL_EPSILON);
        for (int i = 0; i < FREQS; i++) {
            long double angle = (long double)positions[row] * (long double)frequencies[i];
            assert_true(fabsl(c[row * FREQS + i] - scale * cosl(angle)) <= allowed);
            assert_true(fabsl(s[row * FREQS + i] - scale * sinl(angle)) <= allowed);
        }
    }
}

static void test_rope_table(void **state)
{
    (void)state;
    check_rope_table(1);
    check_rope_table(1.25);
}

/* Pairs as complex numbers, turned by given angles; channels past `width` stay. */
static void check_rope(int n_heads, int head_dim, int width, bool halves)
{
    enum { ROWS = 3 };
    int n_pairs = width / 2;
    int64_t n = ROWS * n_heads * head_dim;
    float *x = random_values(&r, &rnd, n, 1.0f),
          *angles = random_values(&r, &rnd, ROWS * n_pairs, 3.0f);
    float *c = rig_host(&r, ROWS * (size_t)n_pairs * sizeof *c);
    float *s = rig_host(&r, ROWS * (size_t)n_pairs * sizeof *s);
    float *want = rig_host(&r, (size_t)n * sizeof *want);
    for (int64_t i = 0; i < n; i++)
        want[i] = 0.25f * x[i];
    for (int row = 0; row < ROWS; row++) {
        for (int i = 0; i < n_pairs; i++) {
            double angle = angles[row * n_pairs + i];
            c[row * n_pairs + i] = cosf((float)angle);
            s[row * n_pairs + i] = sinf((float)angle);
            for (int head = 0; head < n_heads; head++) {
                int64_t at = (row * n_heads + head) * head_dim + (halves ? i : 2 * i);
                int64_t other = at + (halves ? n_pairs : 1);
                double length = hypot(x[at], x[other]), turned = atan2(x[other], x[at]) + angle;
                want[at] = (float)(0.25 * length * cos(turned));
                want[other] = (float)(0.25 * length * sin(turned));
            }
        }
    }
    yoco_rope_args args = {.n_rows = ROWS,
                           .n_heads = n_heads,
                           .head_dim = head_dim,
                           .width = width,
                           .scale = 0.25f,
                           .halves = halves,
                           .cos = c,
                           .sin = s,
                           .x = x};
    check_close(&r, "rope", run_rope(&r, args), want, n, 1e-6);
    args.out_dtype = YOCO_BF16;
    check_rounded(&r, "rope", run_rope(&r, args), rounded(&r, want, n, YOCO_BF16), n, 1e-6,
                  YOCO_BF16);
}

static void test_rope(void **state)
{
    (void)state;
    for (int halves = 0; halves <= 1; halves++) {
        check_rope(1, 2, 2, halves);
        check_rope(3, 10, 10, halves);
        check_rope(2, 16, 16, halves);
        check_rope(2, 16, 4, halves);
        check_rope(3, 12, 6, halves);
        check_rope(1, 13, 2, halves);
    }
}

static void test_swiglu(void **state)
{
    (void)state;
    const float a[] = {0, 1, -1, 100, -100, 1e4f, -1e4f, -20}, b[] = {5, 2, 3, 0.5f, 2, -1, 7, 1};
    const float want[] = {0, 1.46211716f, -0.806824264f, 50, -7.44e-42f, -1e4f, 0, -4.12230724e-8f};
    float *out = run_swiglu(&r, (yoco_swiglu_args){.n = 8, .a = a, .b = b});
    for (int i = 0; i < 8; i++)
        assert_true(fabs((double)out[i] - want[i]) <= 2e-7 * fabs((double)want[i]) + 1e-44);
}

static void test_glu(void **state)
{
    (void)state;
    const float a[] = {0, 1, -1, 100, -100, 1e4f, -1e4f, -20}, b[] = {5, 2, 3, 0.5f, 2, -1, 7, 1};
    const float want[] = {2.5f, 1.46211716f, 0.806824264f, 0.5f, 7.44e-44f, -1, 0, 2.06115362e-9f};
    float *out = run_glu(&r, (yoco_swiglu_args){.n = 8, .a = a, .b = b});
    for (int i = 0; i < 8; i++)
        assert_true(fabs((double)out[i] - want[i]) <= 2e-7 * fabs((double)want[i]) + 1e-44);
}

static void test_geglu(void **state)
{
    (void)state;
    const float a[] = {0, 1, -1, 3, -3, 30, -30, 1e20f}, b[] = {5, 2, 3, 0.5f, 2, -1, 7, 1};
    const float want[] = {0,   1.68238398f, -0.476424031f, 1.49818131f, -0.00727478413f,
                          -30, 0,           1e20f};
    float *out = run_geglu(&r, (yoco_swiglu_args){.n = 8, .a = a, .b = b});
    for (int i = 0; i < 8; i++)
        assert_true(fabs((double)out[i] - want[i]) <= 1e-6 * fabs((double)want[i]));
}

static void test_soft_cap(void **state)
{
    (void)state;
    float x[] = {0, 1e-5f, -3, 30, -1e4f, INFINITY};
    const float want[] = {0, 1e-5f, -2.99003984f, 22.8478247f, -30, 30};
    float *out = run_soft_cap(&r, (yoco_soft_cap_args){.n = 6, .cap = 30, .x = x});
    for (int i = 0; i < 6; i++)
        assert_true(fabs((double)out[i] - want[i]) <= 2e-7 * fabs((double)want[i]));
}

/* Slice by slice, each of all rows; the last slice of the table is left out. */
static void test_gather(void **state)
{
    (void)state;
    float table[3 * 6];
    const int32_t ids[] = {2, 0};
    const float want[] = {24, 26, 0, 2, 28, 30, 4, 6};
    for (int i = 0; i < 18; i++)
        table[i] = (float)i;
    float *out = run_gather(&r, (yoco_gather_args){.n_rows = 2,
                                                   .ids = ids,
                                                   .table = table,
                                                   .row_width = 6,
                                                   .n_slices = 2,
                                                   .width = 2,
                                                   .scale = 2});
    assert_memory_equal(out, want, sizeof want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_embed, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_rms_norm, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_layer_norm, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_combine, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_linear, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_linear, open_bf16, close_rig),
        cmocka_unit_test_setup_teardown(test_weight_rounding, open_bf16, close_rig),
        cmocka_unit_test_setup_teardown(test_weight_is_kept_exactly_in_f32, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_cast, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_rope_table, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_rope, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_swiglu, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_glu, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_geglu, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_soft_cap, open_f32, close_rig),
        cmocka_unit_test_setup_teardown(test_gather, open_f32, close_rig),
    };
    return cmocka_run_group_tests_name("kernels_reference_rows", tests, NULL, NULL);
}
