/* The model of a warpgroup's products (warpgroup_ops.cpp) itself: swizzled operands, results in
 * every order, and that what a device would take otherwise ends the program with a line. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

extern "C" {
#include <cmocka.h>

#include "base.h"
}

#include "tests/cuda_host/include/wgmma_host.h"
#include "tests/cuda_host/test_block.h"

enum { ROWS = 64, TILE_COLUMNS = 64, THREADS = 128, TILE = ROWS * TILE_COLUMNS, N_TILES = 4 };
static const block_of_test block = {THREADS, N_TILES *TILE * 2};

static uint16_t *tile(int i)
{
    return (uint16_t *)cuda_host_shared() + i * TILE;
}

/* Where a tile has a number: chunk c of 16 bytes of row r at place c ^ r % 8. */
static int swizzled(int row, int column)
{
    return row * TILE_COLUMNS + ((column / 8 ^ row % 8) * 8) + column % 8;
}

/* PTX's matrix descriptor: address, leading and stride offsets in units of 16 bytes, the swizzle of
 * 128 bytes. */
static uint64_t matrix_descriptor(const void *first, int next_tile)
{
    return shared_address(first) / 16 | (uint64_t)(next_tile / 16) << 16 |
           (uint64_t)(1024 / 16) << 32 | (uint64_t)1 << 62;
}

/* Small integers, so that sums are exact: of matrix `which`, at (row, column). */
static float number(int which, int row, int column)
{
    return (float)((row * 7 + column * 3 + which * 5) % 11 - 5);
}

/* Fills `n_tiles` tiles side by side. */
static void fill(int first, int n_tiles, int which)
{
    for (int i = cuda_host_thread(); i < n_tiles * TILE; i += THREADS) {
        int row = i / TILE_COLUMNS % ROWS, column = i % TILE_COLUMNS;
        tile(first + i / TILE)[swizzled(row, column)] =
            yoco_f32_to_bf16(number(which, row, i / TILE * TILE_COLUMNS + column));
    }
}

/* What a thread's accumulators ought to hold. */
template <int N> static void check(const float (&d)[N][4], const std::function<float(int, int)> &at)
{
    int thread = cuda_host_thread(), g = thread % 32 / 4, t = thread % 4;
    for (int i = 0; i < 4 * N; i++)
        assert_true(d[i / 4][i % 4] ==
                    at(thread / 32 * 16 + g + i % 4 / 2 * 8, i / 4 * 8 + 2 * t + i % 2));
}

/* The warp's rows of matrix 0, 16 columns from `column` on. */
static void load_fragments(int column, uint32_t (&a)[4])
{
    int thread = cuda_host_thread(), g = thread % 32 / 4, t = thread % 4;
    for (int i = 0; i < 4; i++) {
        int row = thread / 32 * 16 + g + i % 2 * 8, k = column + 2 * t + i / 2 * 8;
        a[i] = f32_to_bf16_pair(number(0, row, k), number(0, row, k + 1));
    }
}

static void multiply_rows()
{
    float d[8][4];
    for (auto &four : d)
        for (float &one : four)
            one = 3.0f;
    fill(0, 1, 1);
    __syncthreads();
    wgmma_fence(d);
    for (int depth = 0; depth < TILE_COLUMNS; depth += 16) {
        uint32_t a[4];
        load_fragments(depth, a);
        wgmma_rows(d, a, matrix_descriptor(tile(0) + depth, 0));
    }
    wgmma_commit();
    wgmma_wait(d);
    check(d, [](int row, int column) {
        float sum = 3.0f;
        for (int k = 0; k < TILE_COLUMNS; k++)
            sum += number(0, row, k) * number(1, column, k);
        return sum;
    });
}

template <int N> static void multiply_columns()
{
    float d[N][4] = {};
    fill(0, N / 8, 1);
    __syncthreads();
    wgmma_fence(d);
    for (int depth = 0; depth < ROWS; depth += 16) {
        uint32_t a[4];
        load_fragments(depth, a);
        wgmma_columns(d, a, matrix_descriptor(tile(0) + depth * TILE_COLUMNS, TILE * 2));
    }
    wgmma_commit();
    wgmma_wait(d);
    check(d, [](int row, int column) {
        float sum = 0.0f;
        for (int k = 0; k < ROWS; k++)
            sum += number(0, row, k) * number(1, k, column);
        return sum;
    });
}

static void multiplies(void **)
{
    for (cuda_host_order order : orders) {
        run(block, order, multiply_rows);
        run(block, order, multiply_columns<8>);
        run(block, order, multiply_columns<16>);
    }
}

static const uint32_t zeros[4] = {};

static uint64_t good()
{
    return matrix_descriptor(tile(0), 0);
}

static void hides_accumulators_until_the_wait(void **)
{
    for (cuda_host_order order : orders) {
        run(block, order, [] {
            float d[8][4] = {};
            fill(0, 1, 0);
            __syncthreads();
            wgmma_fence(d);
            wgmma_rows(d, zeros, good());
            wgmma_commit();
            assert_true(isnan(d[0][0]));
            wgmma_wait(d);
            assert_false(isnan(d[0][0]));
        });
    }
}

static void refuses_what_is_wrong(void **)
{
    ends_with(block, "without wgmma.fence", [] {
        float d[8][4] = {};
        wgmma_rows(d, zeros, good());
    });
    ends_with(block, "without wgmma.fence", [] {
        float d[8][4] = {};
        wgmma_fence(d);
        for (int i = 0; i < 2; i++) { /* touched after the wait, and no fence again */
            wgmma_rows(d, zeros, good());
            wgmma_commit();
            wgmma_wait(d);
        }
    });
    ends_with(block, "in no group", [] {
        float d[8][4] = {};
        wgmma_fence(d);
        wgmma_rows(d, zeros, good());
        wgmma_wait(d);
    });
    ends_with(block, "written before", [] {
        float d[8][4] = {};
        wgmma_fence(d);
        wgmma_rows(d, zeros, good());
        d[3][1] = 0.0f;
        wgmma_commit();
        wgmma_wait(d);
    });
    ends_with(block, "does not begin at the first of eight rows", [] {
        float d[8][4] = {};
        wgmma_fence(d);
        wgmma_rows(d, zeros, matrix_descriptor(tile(0) + TILE_COLUMNS, 0));
    });
    ends_with(block, "past the block's shared memory", [] {
        float d[16][4] = {};
        wgmma_fence(d);
        wgmma_columns(d, zeros, matrix_descriptor(tile(N_TILES - 1), TILE * 2));
    });
    ends_with(block, "not modelled", [] {
        float d[8][4] = {};
        wgmma_fence(d);
        wgmma_rows(d, zeros, good() & ~((uint64_t)3 << 62));
    });
    ends_with(block, "different products", [] {
        float d[8][4] = {};
        wgmma_fence(d);
        for (int i = 0; i < 1 + cuda_host_thread() / 96; i++)
            wgmma_rows(d, zeros, good());
        wgmma_commit();
        wgmma_wait(d);
    });
    ends_with(block, "under way", [] {
        float d[8][4] = {};
        wgmma_fence(d);
        wgmma_rows(d, zeros, good());
        wgmma_commit();
    });
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiplies),
        cmocka_unit_test(hides_accumulators_until_the_wait),
        cmocka_unit_test(refuses_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
