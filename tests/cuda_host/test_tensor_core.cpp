/* The model of an H100's tensor cores (tensor_core.cpp) itself: the tolerances of the op suite and
 * what docs/GPU.md says of the kernels' precision rest on it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

extern "C" {
#include <cmocka.h>

#include "base.h"
}

#include "tests/cuda_host/tensor_core.h"

static float a[16][CUDA_HOST_DEPTH], b[CUDA_HOST_DEPTH][CUDA_HOST_COLUMNS];
static float d[16][CUDA_HOST_COLUMNS];

static void set_all(float sum, float product)
{
    for (int row = 0; row < 16; row++)
        for (int k = 0; k < CUDA_HOST_DEPTH; k++)
            a[row][k] = product;
    for (auto &factors : b)
        for (float &factor : factors)
            factor = 1.0f;
    for (auto &sums : d)
        for (float &one : sums)
            one = sum;
}

static void multiply(float sum, float product, float want)
{
    set_all(sum, product);
    cuda_host_multiply(d, a, b);
    for (auto &sums : d)
        for (float one : sums)
            assert_true(one == want);
}

/* Each product is cut two bits below the sum's last one, before they are added. */
static void cuts_products_off(void **)
{
    multiply(1.0f, 0x1p-25f, 1.0f + 0x1p-21f);
    multiply(1.0f, 0x1p-26f, 1.0f); /* exactly: 1 + 2^-22 */
    multiply(-1.0f, -0x1p-26f, -1.0f);
    multiply(1.0f, -0x1p-26f, 1.0f);
    multiply(0.0f, 0x1p-26f, 0x1p-22f);
}

static void cuts_sums_off(void **)
{
    multiply(1.0f, 0x1.8p-25f,
             1.0f + 0x1p-21f); /* exactly 1 + 1.5 2^-21: each product loses a bit */
    multiply(1.0f - 0x1p-24f, 0x1p-4f, 2.0f - 0x1p-23f); /* to even it would be 2 */
}

static void keeps_what_is_not_finite(void **)
{
    set_all(1.0f, INFINITY);
    cuda_host_multiply(d, a, b);
    assert_true(d[0][0] == INFINITY);
    set_all(NAN, 1.0f);
    cuda_host_multiply(d, a, b);
    assert_true(isnan(d[15][7]));
}

/* Between 1 and 2, with as many bits. */
static float next_factor(uint64_t *state, int bits)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return 1.0f + ldexpf((float)(*state >> (64 - bits)), -bits);
}

/* What docs/GPU.md says of scores: too small by some 6 x 2^-24 of themselves. Queries of f32 in
 * three parts, the smallest first, keys of bf16, all of one sign. */
static void loses_towards_zero_in_a_chain(void **)
{
    enum { PARTS = 3, DIM = 128 };
    double exact[16][CUDA_HOST_COLUMNS] = {}, lost = 0;
    float rest[16][CUDA_HOST_DEPTH], parts[PARTS][16][CUDA_HOST_DEPTH];
    uint64_t state = 1;
    set_all(0.0f, 0.0f);
    for (int first = 0; first < DIM; first += CUDA_HOST_DEPTH) {
        for (auto &row : rest)
            for (float &value : row)
                value = next_factor(&state, 23);
        for (auto &row : b)
            for (float &value : row)
                value = next_factor(&state, 7);
        for (int row = 0; row < 16; row++)
            for (int column = 0; column < CUDA_HOST_COLUMNS; column++)
                for (int k = 0; k < CUDA_HOST_DEPTH; k++)
                    exact[row][column] += (double)rest[row][k] * b[k][column];
        for (auto &part : parts)
            for (int row = 0; row < 16; row++)
                for (int k = 0; k < CUDA_HOST_DEPTH; k++) {
                    part[row][k] = yoco_bf16_to_f32(yoco_f32_to_bf16(rest[row][k]));
                    rest[row][k] -= part[row][k];
                }
        for (int i = PARTS - 1; i >= 0; i--)
            cuda_host_multiply(d, parts[i], b);
    }
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < CUDA_HOST_COLUMNS; column++)
            lost += (exact[row][column] - d[row][column]) / exact[row][column] * 0x1p24 /
                    (16 * CUDA_HOST_COLUMNS);
    print_message("too small on average by %.1f 2^-24\n", lost);
    assert_true(lost > 3 && lost < 12);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_products_off),
        cmocka_unit_test(cuts_sums_off),
        cmocka_unit_test(keeps_what_is_not_finite),
        cmocka_unit_test(loses_towards_zero_in_a_chain),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
