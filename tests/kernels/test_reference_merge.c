/* The reference's merge on partials made by hand: which integers, which roundings, what is bad. */
#include "tests/kernels/attend_ops.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static rig r;

static int open_rig(void **state)
{
    (void)state;
    rig_open(&r, &yoco_reference_ops, (yoco_device_options){.n_threads = 1, .dtype = YOCO_F32});
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

enum { N_PARTIALS = 3, L_EXPONENT = 4 };

/* Three partials of one query and one head of two channels, whose exponents are 4, and 4 and 6. */
typedef struct hand_made {
    float max[N_PARTIALS], sum[N_PARTIALS], partial[N_PARTIALS][2];
    int bad;
    yoco_kv_segment segment;
    yoco_attend_args args;
} hand_made;

static const int o_exponent[] = {4, 6};

static void make(hand_made *m, int n_partials)
{
    m->segment = (yoco_kv_segment){.n_queries = 1, .n_rows = n_partials, .chunk_rows = 1};
    m->args = (yoco_attend_args){.n_queries = 1,
                                 .n_heads = 1,
                                 .n_kv_heads = 1,
                                 .n_v_heads = 1,
                                 .head_dim = 2,
                                 .v_dim = 2,
                                 .n_segments = 1,
                                 .segments = &m->segment,
                                 .max = m->max,
                                 .sum = m->sum,
                                 .partial = m->partial[0],
                                 .l_exponent = L_EXPONENT,
                                 .o_exponent = o_exponent,
                                 .bad = &m->bad};
}

static void test_sums(void **state)
{
    (void)state;
    hand_made m = {
        .max = {3, 5, -200}, .sum = {1.5f, 2, 1}, .partial = {{-1, 0.5f}, {0.25f, 3}, {9, 9}}};
    make(&m, N_PARTIALS);
    m.args.global_max = &(float){5};
    run_merge_sum(&r, &m.args);
    /* 1.5/4 * 16 + 2 * 16; -1/4 * 16 + 0.25 * 16; 0.5/4 * 64 + 3 * 64 */
    const int64_t want[] = {6 + 32, -4 + 4, 8 + 192};
    check_equal(&r, "merge_sum", m.args.fixed, want, sizeof want);
    float *out = run_merge_finish(&r, m.args);
    assert_true(out[0] == 0);
    assert_true(out[1] == (float)((200.0 / 64) / (38.0 / 16)));
    m.args.out_dtype = YOCO_BF16;
    out = run_merge_finish(&r, m.args);
    assert_true(out[1] == yoco_bf16_to_f32(yoco_f32_to_bf16((float)((200.0 / 64) / (38.0 / 16)))));
}

static int64_t fixed_of(float value, float max, float global_max)
{
    hand_made m = {.max = {max}, .sum = {value}};
    make(&m, 1);
    m.args.global_max = &global_max;
    run_merge_sum(&r, &m.args);
    return m.args.fixed[0];
}

static void test_rounding(void **state)
{
    (void)state;
    const float unit = 1.0f / (1 << L_EXPONENT);
    const struct {
        float value;
        int64_t want;
    } cases[] = {{0.5f, 0},   {1.5f, 2},   {2.5f, 2},        {3.5f, 4},        {-0.5f, 0},
                 {-1.5f, -2}, {-2.5f, -2}, {0.49999997f, 0}, {0.50000006f, 1}, {-0.50000006f, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(fixed_of(cases[i].value * unit, 7, 7), cases[i].want);
        assert_int_equal(fixed_of(cases[i].value * unit, 7, 17), 0);
        assert_int_equal(fixed_of(ldexpf(cases[i].value, 10) * unit, 7, 17), cases[i].want);
    }
    assert_int_equal(fixed_of(1024, -1e30f, 1e30f), 0);
    assert_int_equal(fixed_of(1024, 1e30f, 1e30f), 1024 << L_EXPONENT);
    assert_int_equal(fixed_of(0x1p58f, 0, 0), (int64_t)1 << 62);
    assert_int_equal(fixed_of(-0x1p58f, 0, 0), -((int64_t)1 << 62));
}

static void test_nothing_to_merge(void **state)
{
    (void)state;
    hand_made m = {.bad = 1};
    make(&m, 0);
    m.args.q = (float[]){1, 1};
    run_attend(&r, &m.args);
    assert_int_equal(m.bad, 0);
    assert_true(*m.args.global_max == -INFINITY);
    run_merge_sum(&r, &m.args);
    const int64_t zeros[3] = {0};
    check_equal(&r, "merge_sum", m.args.fixed, zeros, sizeof zeros);
    float *out = run_merge_finish(&r, m.args);
    assert_true(out[0] == 0 && out[1] == 0);
}

/* One query over three rows, each a block, with `value` at the front of q, K or V. */
static int bad_with(int where, float value)
{
    float q[] = {1, -1}, k[] = {1, 2, 3, 4, 5, 6}, v[] = {1, 1, 1, 1, 1, 1};
    float *at[] = {q, k, v};
    hand_made m;
    make(&m, N_PARTIALS);
    m.segment.k = k;
    m.segment.v = v;
    m.args.q = q;
    m.args.scale_log2 = 1;
    *at[where] = value;
    run_attend(&r, &m.args);
    return m.bad;
}

static void test_bad(void **state)
{
    (void)state;
    assert_int_equal(bad_with(2, FLT_MAX), 0);
    for (int where = 0; where < 3; where++) {
        assert_int_equal(bad_with(where, 1.0f), 0);
        assert_int_equal(bad_with(where, NAN), 1);
        assert_int_equal(bad_with(where, INFINITY), 1);
        assert_int_equal(bad_with(where, -INFINITY), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sums, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_rounding, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_nothing_to_merge, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(test_bad, open_rig, close_rig),
    };
    return cmocka_run_group_tests_name("kernels_reference_merge", tests, NULL, NULL);
}
