/* Segments of K,V on their way to a kernel. A launch's work is a list of tasks, segment after
 * segment; how many tasks a segment has, the op says. */
#ifndef YOCO_CUDA_SEGMENTS_CUH
#define YOCO_CUDA_SEGMENTS_CUH

#include <functional>

#include "kernels/cuda/device.cuh"
#include "kernels/ops_attend.h"

struct device_segment {
    yoco_kv_segment segment;
    int64_t n_blocks;
    int64_t first_task;
};

struct segment_maps; /* bulk_copy.cuh */

struct segment_list {
    const device_segment *segments; /* device memory */
    const segment_maps *maps;       /* device memory, of each segment; NULL: none */
    int n_segments;
    int64_t n_tasks;
};

/* Tasks of n_blocks blocks for n_queries queries. */
typedef std::function<int64_t(int64_t n_blocks, int64_t n_queries)> segment_tasks;

/* With maps for tiles of map_rows rows; 0: without. False where there is nothing to do, or the ring
 * or a map failed. */
bool yoco_cuda_send_segments(yoco_device *device, segment_use use, const yoco_attend_args *args,
                             const segment_tasks &n_tasks, int map_rows, segment_list *out);

/* The segment of a task: the last that begins at or before it. */
__device__ inline const device_segment *find_segment(const segment_list &list, int64_t task)
{
    int low = 0, high = list.n_segments - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (list.segments[middle].first_task <= task)
            low = middle;
        else
            high = middle - 1;
    }
    return &list.segments[low];
}

#endif
