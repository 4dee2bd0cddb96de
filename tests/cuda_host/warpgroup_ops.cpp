/* Products of a warpgroup (kernels/cuda/hopper.cuh). Each warp computes its own 16 rows when its
 * lanes have come; that the four warps of a group issue the same is seen at the block's end.
 *
 * Results arrive when they are waited for, or at once, by the block's order, as copies do. Until
 * then accumulators hold a NaN of their own: who reads them early computes NaN, and who writes them
 * ends the program. */
#include <stdio.h>

#include <vector>

#include "tests/cuda_host/fibers.h"
#include "tests/cuda_host/include/wgmma_host.h"
#include "tests/cuda_host/races.h"
#include "tests/cuda_host/tensor_core.h"

extern "C" {
#include "base.h"
}

enum {
    MAX_THREADS = 1024,
    LANES = 32,
    GROUP_WARPS = 4,
    MOST_ACCUMULATORS = 64,
    SHARED_BEGIN = 1024,
    ATOM_COLUMNS = 64,
    ATOM_ROW_BYTES = 128,
    POISON = 0x7fb15bad /* a NaN that no sum makes */
};

/* What one thread has under way. */
struct accumulators {
    float *d; /* NULL: nothing */
    int n;
    float value[MOST_ACCUMULATORS];
    bool fenced, committed;
};

/* A lane's arguments. */
struct product {
    const uint32_t *a;
    uint64_t b;
    bool b_has_rows;
    int thread;
};

/* A warp's, with the fragments as they were when it was issued. */
struct queued_product {
    float a[16][CUDA_HOST_DEPTH];
    uint64_t b;
    bool b_has_rows;
};

static accumulators under_way[MAX_THREADS];
static std::vector<queued_product> queues[MAX_THREADS / LANES];
static int64_t n_products[MAX_THREADS / LANES];
static int block_threads;

void cuda_host_products_begin(int n_threads)
{
    races_ignored own_work;
    block_threads = n_threads;
    for (int i = 0; i < n_threads; i++)
        under_way[i] = {};
    for (int i = 0; i < n_threads / LANES; i++) {
        queues[i].clear();
        n_products[i] = 0;
    }
}

void cuda_host_products_end()
{
    races_ignored own_work;
    for (int i = 0; i < block_threads / LANES; i++) {
        if (under_way[i * LANES].d)
            cuda_host_fail("ends with products of wgmma under way");
        if (n_products[i] != n_products[i / GROUP_WARPS * GROUP_WARPS])
            cuda_host_fail("the warps of a group issued different products of wgmma");
    }
}

uint32_t shared_address(const void *ptr)
{
    ptrdiff_t at = static_cast<const unsigned char *>(ptr) - cuda_host_shared();
    if (at < 0 || (size_t)at >= cuda_host_shared_bytes())
        cuda_host_fail("a descriptor of what is not shared memory");
    return SHARED_BEGIN + (uint32_t)at;
}

/* The 18 bits of an address or an offset that 14 bits of a descriptor hold. */
static uint32_t field(uint64_t descriptor, int bit)
{
    return (uint32_t)(descriptor >> bit & 0x3fff) << 4;
}

static void check_descriptor(uint64_t descriptor)
{
    if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0)
        cuda_host_fail("a descriptor of wgmma without the swizzle of 128 bytes: not modelled");
    if (field(descriptor, 0) % 1024 >= ATOM_ROW_BYTES)
        cuda_host_fail("a descriptor of wgmma that does not begin at the first of eight rows, on "
                       "1024 bytes");
}

/* The number at an address before swizzling. */
static const uint16_t *element(uint32_t address)
{
    address ^= (address >> 7 & 7) << 4;
    if (address < SHARED_BEGIN || address - SHARED_BEGIN + 2 > cuda_host_shared_bytes())
        cuda_host_fail("a descriptor of wgmma that goes past the block's shared memory");
    return (const uint16_t *)(cuda_host_shared() + (address - SHARED_BEGIN));
}

/* Depth k of a column of b. */
static const uint16_t *in_matrix(uint64_t b, bool has_rows, int column, int k)
{
    uint32_t at = field(b, 0), i = (uint32_t)column, depth = (uint32_t)k;
    if (has_rows)
        return element(at + i / 8 * field(b, 32) + i % 8 * ATOM_ROW_BYTES + depth * 2);
    return element(at + i / ATOM_COLUMNS * field(b, 16) + i % ATOM_COLUMNS * 2 +
                   depth / 8 * field(b, 32) + depth % 8 * ATOM_ROW_BYTES);
}

static float low(uint32_t pair)
{
    return yoco_bf16_to_f32((uint16_t)pair);
}

static float high(uint32_t pair)
{
    return yoco_bf16_to_f32((uint16_t)(pair >> 16));
}

static void run(int warp, const queued_product &q)
{
    accumulators *lanes = under_way + warp * LANES;
    float b[CUDA_HOST_DEPTH][CUDA_HOST_COLUMNS], d[16][CUDA_HOST_COLUMNS];
    for (int i = 0; i < lanes->n / 4; i++) {
        for (int j = 0; j < CUDA_HOST_COLUMNS * CUDA_HOST_DEPTH; j++) {
            int k = j / CUDA_HOST_COLUMNS, column = j % CUDA_HOST_COLUMNS;
            b[k][column] =
                yoco_bf16_to_f32(*in_matrix(q.b, q.b_has_rows, CUDA_HOST_COLUMNS * i + column, k));
        }
        for (int j = 0; j < 4 * LANES; j++)
            d[j / 16 + j % 4 / 2 * 8][j / 4 % 4 * 2 + j % 2] = lanes[j / 4].value[4 * i + j % 4];
        cuda_host_multiply(d, q.a, b);
        for (int j = 0; j < 4 * LANES; j++)
            lanes[j / 4].value[4 * i + j % 4] = d[j / 16 + j % 4 / 2 * 8][j / 4 % 4 * 2 + j % 2];
    }
}

static void run_queue(int warp)
{
    for (const queued_product &q : queues[warp])
        run(warp, q);
    queues[warp].clear();
}

static void product_all(void *(&arguments)[32])
{
    const product *first = static_cast<product *>(arguments[0]);
    queued_product q = {{}, first->b, first->b_has_rows};
    for (int lane = 0; lane < LANES; lane++) {
        const product *own = static_cast<product *>(arguments[lane]);
        if (own->b != q.b)
            cuda_host_fail("lanes give wgmma different descriptors");
        for (int i = 0; i < 4; i++) {
            float *to = &q.a[lane / 4 + i % 2 * 8][lane % 4 * 2 + i / 2 * 8];
            to[0] = low(own->a[i]);
            to[1] = high(own->a[i]);
        }
    }
    int warp = first->thread / LANES;
    n_products[warp]++;
    queues[warp].push_back(q);
    if (cuda_host_arrives_early())
        run_queue(warp);
}

/* A lane's share of the reads. */
static void check_reads(const product &p, int n_columns)
{
    check_descriptor(p.b);
    for (int i = p.thread % LANES; i < 2 * n_columns; i += LANES)
        RACES_READ_16(p.b_has_rows ? in_matrix(p.b, true, i / 2, i % 2 * 8)
                                   : in_matrix(p.b, false, i / 16 * 8, i % 16));
}

void cuda_host_wgmma(float *d, int n, const uint32_t (&a)[4], uint64_t b, bool b_has_rows)
{
    product own = {a, b, b_has_rows, cuda_host_thread()};
    accumulators *mine = &under_way[own.thread];
    if (!mine->fenced)
        cuda_host_fail("wgmma without wgmma.fence since its accumulators were touched");
    if (mine->d && (mine->d != d || mine->n != n))
        cuda_host_fail("wgmma on two sets of accumulators at once: not modelled");
    check_reads(own, 2 * n);
    races_ignored own_work;
    mine->committed = false;
    if (!mine->d) {
        const uint32_t poison = POISON;
        mine->d = d;
        mine->n = n;
        memcpy(mine->value, d, (size_t)n * sizeof *d);
        for (int i = 0; i < n; i++)
            memcpy(&d[i], &poison, sizeof poison);
    }
    cuda_host_warp(product_all, &own);
}

void cuda_host_wgmma_fence()
{
    under_way[cuda_host_thread()].fenced = true;
}

void wgmma_commit()
{
    under_way[cuda_host_thread()].committed = true;
}

static void wait_all(void *(&arguments)[32])
{
    run_queue(*static_cast<int *>(arguments[0]) / LANES);
}

void cuda_host_wgmma_wait(float *d, int n)
{
    races_ignored own_work;
    int thread = cuda_host_thread();
    accumulators *mine = &under_way[thread];
    if (!mine->d || !mine->committed)
        cuda_host_fail("wgmma.wait_group for products that are in no group");
    if (mine->d != d || mine->n != n)
        cuda_host_fail("wgmma.wait_group for other accumulators than those under way");
    cuda_host_warp(wait_all, &thread);
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &d[i], sizeof bits);
        if (bits != POISON)
            cuda_host_fail("accumulators of wgmma were written before wgmma.wait_group");
    }
    memcpy(d, mine->value, (size_t)n * sizeof *d);
    mine->d = nullptr;
    mine->fenced = false;
}
