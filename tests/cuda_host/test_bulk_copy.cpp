/* The model of the bulk copy engine (bulk_copy.cpp) itself: where a tile's numbers come to lie,
 * phases in every order, and that what would hang a device, or come too late, ends the program with
 * a line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

extern "C" {
#include <cmocka.h>
}

#include "tests/cuda_host/include/bulk_host.h"
#include "tests/cuda_host/test_block.h"

enum { COLUMNS = 128, MATRIX_ROWS = 40, BOX_ROWS = 16, BOX_COLUMNS = 64, THREADS = 64 };
enum { TILE = BOX_ROWS * BOX_COLUMNS, TILE_BYTES = 2 * TILE, BARRIERS = 2 * TILE_BYTES };

static const block_of_test block = {THREADS, BARRIERS + 16};

alignas(16) static uint16_t matrix[MATRIX_ROWS * COLUMNS];
static CUtensorMap map;

static CUresult make_map(const void *first, uint64_t row_bytes, uint32_t box_columns)
{
    const cuuint64_t sizes[] = {COLUMNS, MATRIX_ROWS};
    const cuuint32_t box[] = {box_columns, BOX_ROWS}, steps[] = {1, 1};
    return cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, (void *)first, sizes,
                                  &row_bytes, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
                                  CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                                  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

static int make_matrix(void **)
{
    for (int i = 0; i < MATRIX_ROWS * COLUMNS; i++)
        matrix[i] = (uint16_t)(i + 1);
    return make_map(matrix, sizeof(uint16_t) * COLUMNS, BOX_COLUMNS) == CUDA_SUCCESS ? 0 : -1;
}

static uint16_t *tile(int i)
{
    return (uint16_t *)cuda_host_shared() + i * TILE;
}

static uint64_t *barrier(int i)
{
    return (uint64_t *)(cuda_host_shared() + BARRIERS) + i;
}

static void check_tile(int i, int first_row, int first_column)
{
    for (int row = 0; row < BOX_ROWS; row++)
        for (int column = 0; column < BOX_COLUMNS; column++) {
            int from = first_row + row, chunk = column / 8 ^ row % 8;
            int want = from < 0 || from >= MATRIX_ROWS
                           ? 0
                           : (uint16_t)(from * COLUMNS + first_column + column + 1);
            assert_int_equal(tile(i)[row * BOX_COLUMNS + chunk * 8 + column % 8], want);
        }
}

static void prepare()
{
    if (cuda_host_thread() == 0) {
        barrier_init(barrier(0));
        barrier_init(barrier(1));
        fence_barrier_init();
    }
    __syncthreads();
}

/* Rows before the first, of the middle, past the last; a stage is used again. */
static void copies_tiles(void **)
{
    static const int rows[] = {-3, 13, 29, 38};
    for (cuda_host_order order : orders) {
        run(block, order, [] {
            prepare();
            for (int i = 0; i < 5; i++) {
                int now = i - 1;
                if (cuda_host_thread() == 0 && i < 4) {
                    barrier_expect(barrier(i % 2), TILE_BYTES);
                    bulk_copy_tile(tile(i % 2), &map, rows[i], 64 * (i % 2), barrier(i % 2));
                }
                if (now >= 0) {
                    barrier_wait(barrier(now % 2), now / 2 % 2);
                    check_tile(now % 2, rows[now], 64 * (now % 2));
                }
                __syncthreads();
            }
        });
    }
}

static void copy_one(int expected, int waits)
{
    prepare();
    if (cuda_host_thread() == 0) {
        barrier_expect(barrier(0), expected);
        bulk_copy_tile(tile(0), &map, 0, 0, barrier(0));
    }
    if (waits)
        barrier_wait(barrier(0), 0);
}

static void refuses_what_is_wrong(void **)
{
    ends_with(block, "never ends", [] { copy_one(TILE_BYTES + 16, 1); });
    ends_with(block, "other bytes", [] { /* two copies where one was expected */
                                         copy_one(TILE_BYTES, 0);
                                         if (cuda_host_thread() == 0)
                                             bulk_copy_tile(tile(1), &map, 0, 0, barrier(0));
                                         barrier_wait(barrier(0), 0);
    });
    ends_with(block, "never ends", [] { copy_one(TILE_BYTES - 16, 1); });
    ends_with(block, "under way", [] { copy_one(TILE_BYTES, 0); });
    ends_with(block, "not initialised", [] { barrier_wait(barrier(0), 0); });
    ends_with(block, "no fence", [] {
        barrier_init(barrier(0));
        barrier_expect(barrier(0), TILE_BYTES);
    });
    ends_with(block, "twice in a phase", [] {
        prepare();
        barrier_expect(barrier(0), TILE_BYTES);
    });
    ends_with(block, "not on 128 bytes", [] {
        prepare();
        bulk_copy_tile(tile(0) + 8, &map, 0, 0, barrier(0));
    });
    ends_with(block, "past the block's shared memory", [] {
        prepare();
        bulk_copy_tile(tile(1) + 64, &map, 0, 0, barrier(0));
    });
}

/* In global memory a map may be that of an earlier kernel, unless the thread acquires it. */
static void acquires_maps(void **)
{
    static CUtensorMap *sent;
    assert_int_equal(cudaMalloc((void **)&sent, sizeof *sent), cudaSuccess);
    *sent = map;
    auto copy = [](bool acquires, int by) {
        prepare();
        if (acquires && cuda_host_thread() == by)
            acquire_map(sent);
        __syncthreads();
        if (cuda_host_thread() == 0) {
            barrier_expect(barrier(0), TILE_BYTES);
            bulk_copy_tile(tile(0), sent, 13, 0, barrier(0));
        }
        barrier_wait(barrier(0), 0);
        check_tile(0, 13, 0);
    };
    for (cuda_host_order order : orders)
        run(block, order, [&] { copy(true, 0); });
    ends_with(block, "did not acquire", [&] { copy(false, 0); });
    ends_with(block, "did not acquire", [&] { copy(true, 1); });
    ends_with(block, "not in global memory", [] { acquire_map(&map); });
    assert_int_equal(cudaFree(sent), cudaSuccess);
}

static void refuses_maps(void **)
{
    assert_int_equal(make_map((char *)matrix + 2, 2 * COLUMNS, 64), CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(make_map(matrix, 2 * COLUMNS + 8, 64), CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(make_map(matrix, 2 * COLUMNS, 128), CUDA_ERROR_INVALID_VALUE);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(copies_tiles, make_matrix),
        cmocka_unit_test_setup(refuses_what_is_wrong, make_matrix),
        cmocka_unit_test_setup(acquires_maps, make_matrix),
        cmocka_unit_test(refuses_maps),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
