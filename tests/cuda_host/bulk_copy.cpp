/* The bulk copy engine and its barriers (kernels/cuda/bulk_copy.cuh). A copy arrives when its
 * barrier is waited for, or at once, by the block's order. What would hang a device, or let a phase
 * end before its bytes have come, ends the program. */
#include <string.h>

#include <map>
#include <set>
#include <vector>

#include "tests/cuda_host/fibers.h"
#include "tests/cuda_host/include/bulk_host.h"
#include "tests/cuda_host/include/wgmma_host.h"
#include "tests/cuda_host/races.h"

enum { BYTES_AT_ONCE = 16, SWIZZLED_ROW = 128, MOST_BOX_ROWS = 256, MOST_TURNS = 100000 };

struct phases {
    int64_t bytes; /* expected and not come; below 0: come and not expected yet */
    bool said;     /* how many are expected */
    int phase;
    bool fenced;
};

struct bulk_copy {
    unsigned char *tile;
    CUtensorMap map;
    int row, column;
    uint64_t *barrier;
};

/* Of the running block. */
static std::map<uint64_t *, phases> barriers;
static std::set<std::pair<const CUtensorMap *, int>> acquired; /* and by which thread */
static std::vector<bulk_copy> pending;

void cuda_host_bulk_begin()
{
    races_ignored own_work;
    barriers.clear();
    acquired.clear();
    pending.clear();
}

void cuda_host_bulk_end()
{
    races_ignored own_work;
    if (!pending.empty())
        cuda_host_fail("ends with bulk copies under way");
    for (auto &barrier : barriers) {
        if (barrier.second.bytes != 0 || barrier.second.said)
            cuda_host_fail("a barrier expects other bytes than bulk copies brought");
    }
}

static phases *find(uint64_t *barrier)
{
    auto found = barriers.find(barrier);
    if (found == barriers.end())
        cuda_host_fail("a barrier that was not initialised");
    if (!found->second.fenced)
        cuda_host_fail("a barrier that no fence followed when it was initialised");
    return &found->second;
}

void barrier_init(uint64_t *barrier)
{
    races_ignored own_work;
    if (shared_address(barrier) % sizeof *barrier != 0)
        cuda_host_fail("a barrier that is not on 8 bytes");
    barriers[barrier] = {};
}

void fence_barrier_init()
{
    for (auto &barrier : barriers)
        barrier.second.fenced = true;
}

static void end_phase(phases *p)
{
    if (!p->said || p->bytes != 0)
        return;
    p->said = false;
    p->phase ^= 1;
}

void barrier_expect(uint64_t *barrier, int bytes)
{
    phases *p = find(barrier);
    if (p->said)
        cuda_host_fail("a barrier that expects bytes twice in a phase");
    RACES_RELEASE(barrier);
    p->said = true;
    p->bytes += bytes;
    end_phase(p);
}

/* Sixteen bytes of a tile: zeros outside of the matrix. */
static void copy_chunk(const bulk_copy &copy, int row, int column)
{
    const CUtensorMap &map = copy.map;
    uint32_t address = shared_address(copy.tile) + (uint32_t)(row * SWIZZLED_ROW + column * 2);
    uint32_t place = (address ^ (address >> 7 & 7) << 4) - shared_address(copy.tile);
    int64_t from_row = (int64_t)copy.row + row, from_column = (int64_t)copy.column + column;
    bool inside = from_row >= 0 && from_row < (int64_t)map.n_rows && from_column >= 0 &&
                  from_column < (int64_t)map.n_columns;
    if (inside)
        memcpy(copy.tile + place,
               map.first + (uint64_t)from_row * map.row_bytes + (uint64_t)from_column * 2,
               BYTES_AT_ONCE);
    else
        memset(copy.tile + place, 0, BYTES_AT_ONCE);
}

static void arrive(const bulk_copy &copy)
{
    phases *p = find(copy.barrier);
    for (int row = 0; row < (int)copy.map.box_rows; row++)
        for (int column = 0; column < (int)copy.map.box_columns; column += BYTES_AT_ONCE / 2)
            copy_chunk(copy, row, column);
    p->bytes -= (int64_t)(copy.map.box_rows * copy.map.box_columns * 2);
    end_phase(p);
}

static bool is_in_memory(const CUtensorMap *map)
{
    cudaPointerAttributes attributes;
    return cudaPointerGetAttributes(&attributes, map) == cudaSuccess &&
           attributes.type == cudaMemoryTypeDevice;
}

void acquire_map(const CUtensorMap *map)
{
    races_ignored own_work;
    if (!is_in_memory(map))
        cuda_host_fail("a map that is not in global memory is acquired");
    acquired.insert({map, cuda_host_thread()});
}

void bulk_copy_tile(void *tile, const CUtensorMap *map, int row, int column, uint64_t *barrier)
{
    if (is_in_memory(map) && !acquired.count({map, cuda_host_thread()}))
        cuda_host_fail("a map in global memory that the thread did not acquire");
    bulk_copy copy = {static_cast<unsigned char *>(tile), *map, row, column, barrier};
    size_t bytes = map->box_rows * map->box_columns * 2;
    if (shared_address(tile) % SWIZZLED_ROW != 0)
        cuda_host_fail("a bulk copy to what is not on 128 bytes");
    if (copy.tile + bytes > cuda_host_shared() + cuda_host_shared_bytes())
        cuda_host_fail("a bulk copy past the block's shared memory");
    find(barrier);
    for (size_t i = 0; i < bytes; i += BYTES_AT_ONCE)
        RACES_WRITE_16(copy.tile + i);
    RACES_RELEASE(barrier);
    races_ignored own_work;
    if (cuda_host_arrives_early())
        arrive(copy);
    else
        pending.push_back(copy);
}

/* All copies of the barrier arrive, those that come later too. */
static void arrive_at(uint64_t *barrier)
{
    races_ignored own_work;
    std::vector<bulk_copy> others;
    for (const bulk_copy &copy : pending) {
        if (copy.barrier == barrier)
            arrive(copy);
        else
            others.push_back(copy);
    }
    pending = others;
}

void barrier_wait(uint64_t *barrier, int phase)
{
    phases *p = find(barrier);
    for (int turn = 0; p->phase == phase; turn++) {
        arrive_at(barrier);
        if (p->phase != phase)
            break;
        if (turn == MOST_TURNS)
            cuda_host_fail("a phase of a barrier that never ends: its bytes do not come");
        cuda_host_give_way();
    }
    RACES_ACQUIRE(barrier);
}

CUresult cuTensorMapEncodeTiled(CUtensorMap *out, CUtensorMapDataType, cuuint32_t n_dimensions,
                                void *first, const cuuint64_t *sizes, const cuuint64_t *row_bytes,
                                const cuuint32_t *box, const cuuint32_t *steps,
                                CUtensorMapInterleave, CUtensorMapSwizzle, CUtensorMapL2promotion,
                                CUtensorMapFloatOOBfill)
{
    bool takes = n_dimensions == 2 && (uintptr_t)first % 16 == 0 && row_bytes[0] % 16 == 0 &&
                 row_bytes[0] >= sizes[0] * 2 && sizes[0] > 0 && sizes[1] > 0 &&
                 sizes[0] <= UINT32_MAX && sizes[1] <= UINT32_MAX && box[0] * 2 <= SWIZZLED_ROW &&
                 box[0] * 2 % 16 == 0 && box[0] > 0 && box[1] > 0 && box[1] <= MOST_BOX_ROWS &&
                 steps[0] == 1 && steps[1] == 1;
    if (!takes)
        return CUDA_ERROR_INVALID_VALUE;
    *out = {static_cast<const char *>(first), sizes[0], sizes[1], row_bytes[0], box[0], box[1], {}};
    return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPoint(const char *name, void **out, unsigned long long,
                                    cudaDriverEntryPointQueryResult *result)
{
    bool known = strcmp(name, "cuTensorMapEncodeTiled") == 0;
    *out = known ? (void *)cuTensorMapEncodeTiled : nullptr;
    *result = cudaDriverEntryPointSuccess;
    return cudaSuccess;
}
