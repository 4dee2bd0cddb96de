/* What a GPU does for a thread or a warp at once: matrix products, loads, copies, roundings. */
#include "tests/cuda_host/fibers.h"
#include "tests/cuda_host/races.h"
#include "tests/cuda_host/tensor_core.h"

#include <vector>

extern "C" {
#include "base.h"
}

struct mma_lane {
    float *d;
    const uint32_t *a;
    uint32_t b[2];
};

static float low(uint32_t pair)
{
    return yoco_bf16_to_f32((uint16_t)pair);
}

static float high(uint32_t pair)
{
    return yoco_bf16_to_f32((uint16_t)(pair >> 16));
}

static void mma_all(void *(&arguments)[32])
{
    float a[16][16], b[16][8], d[16][8];
    for (int lane = 0; lane < 32; lane++) {
        auto *m = static_cast<mma_lane *>(arguments[lane]);
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++) {
            int row = g + i % 2 * 8, column = 2 * t + i / 2 * 8;
            a[row][column] = low(m->a[i]);
            a[row][column + 1] = high(m->a[i]);
        }
        for (int i = 0; i < 2; i++) {
            b[2 * t + 8 * i][g] = low(m->b[i]);
            b[2 * t + 8 * i + 1][g] = high(m->b[i]);
        }
        for (int i = 0; i < 4; i++)
            d[g + i / 2 * 8][2 * t + i % 2] = m->d[i];
    }
    cuda_host_multiply(d, a, b);
    for (int lane = 0; lane < 32; lane++) {
        auto *m = static_cast<mma_lane *>(arguments[lane]);
        for (int i = 0; i < 4; i++)
            m->d[i] = d[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
    }
}

void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    mma_lane lane = {d, a, {b0, b1}};
    cuda_host_warp(mma_all, &lane);
}

struct ldmatrix_lane {
    uint32_t *r;
    const uint16_t *row;
};

static const uint16_t *matrix_row(void *(&arguments)[32], int matrix, int row)
{
    return static_cast<ldmatrix_lane *>(arguments[8 * matrix + row])->row;
}

static void ldmatrix_all(void *(&arguments)[32])
{
    for (int lane = 0; lane < 32; lane++) {
        for (int i = 0; i < 4; i++) {
            const uint16_t *row = matrix_row(arguments, i, lane / 4) + lane % 4 * 2;
            static_cast<ldmatrix_lane *>(arguments[lane])->r[i] = row[0] | (uint32_t)row[1] << 16;
        }
    }
}

static void ldmatrix_trans_all(void *(&arguments)[32])
{
    for (int lane = 0; lane < 32; lane++) {
        for (int i = 0; i < 4; i++) {
            uint32_t first = matrix_row(arguments, i, lane % 4 * 2)[lane / 4];
            uint32_t second = matrix_row(arguments, i, lane % 4 * 2 + 1)[lane / 4];
            static_cast<ldmatrix_lane *>(arguments[lane])->r[i] = first | second << 16;
        }
    }
}

static void check_aligned(const void *ptr)
{
    if ((uintptr_t)ptr % 16 != 0)
        cuda_host_fail("an address is not a multiple of 16");
}

void ldmatrix_x4(uint32_t (&r)[4], const uint16_t *row)
{
    check_aligned(row);
    RACES_READ_16(row);
    ldmatrix_lane lane = {r, row};
    cuda_host_warp(ldmatrix_all, &lane);
}

void ldmatrix_x4_trans(uint32_t (&r)[4], const uint16_t *row)
{
    check_aligned(row);
    RACES_READ_16(row);
    ldmatrix_lane lane = {r, row};
    cuda_host_warp(ldmatrix_trans_all, &lane);
}

static void any_all(void *(&arguments)[32])
{
    int any = 0;
    for (int i = 0; i < 32; i++)
        any |= *static_cast<int *>(arguments[i]);
    for (int i = 0; i < 32; i++)
        *static_cast<int *>(arguments[i]) = any;
}

int __any_sync(unsigned, int predicate)
{
    int mine = predicate != 0;
    cuda_host_warp(any_all, &mine);
    return mine;
}

/* Copies that have begun, oldest first, and how many groups were committed since each. */
struct pending_copy {
    void *to;
    const void *from; /* NULL: zeros */
    int group;
    bool arrived;
};

static std::vector<pending_copy> copies[1024];
static int n_groups[1024];

void cuda_host_copies_begin(int n_threads)
{
    for (int i = 0; i < n_threads; i++) {
        copies[i].clear();
        n_groups[i] = 0;
    }
}

bool cuda_host_copies_done(int thread)
{
    return copies[thread].empty();
}

static void arrive(pending_copy *copy)
{
    if (copy->arrived)
        return;
    if (copy->from)
        memcpy(copy->to, copy->from, 16);
    else
        memset(copy->to, 0, 16);
    copy->arrived = true;
}

bool cuda_host_arrives_early()
{
    cuda_host_order order = cuda_host_running_order();
    return order == CUDA_HOST_DESCENDING || (order == CUDA_HOST_SHUFFLED && cuda_host_coin());
}

void cp_async_16(void *shared, const void *global, bool valid)
{
    check_aligned(shared);
    check_aligned(global);
    int thread = cuda_host_thread();
    if (valid)
        RACES_READ_16(global);
    RACES_WRITE_16(shared);
    races_ignored own_work;
    copies[thread].push_back({shared, valid ? global : nullptr, n_groups[thread], false});
    if (cuda_host_arrives_early())
        arrive(&copies[thread].back());
}

void cp_async_commit()
{
    n_groups[cuda_host_thread()]++;
}

void cuda_host_cp_async_wait(int n_under_way)
{
    int thread = cuda_host_thread();
    auto &mine = copies[thread];
    size_t n = 0;
    for (; n < mine.size() && mine[n].group < n_groups[thread] - n_under_way; n++) {
        RACES_WRITE_16(mine[n].to);
        arrive(&mine[n]);
    }
    mine.erase(mine.begin(), mine.begin() + (long)n);
}

uint16_t f32_to_bf16(float x)
{
    return x != x ? 0x7fff : yoco_f32_to_bf16(x);
}

uint32_t f32_to_bf16_pair(float low, float high)
{
    return f32_to_bf16(low) | (uint32_t)f32_to_bf16(high) << 16;
}

float f16_to_f32(uint16_t bits)
{
    return yoco_f16_to_f32(bits);
}
