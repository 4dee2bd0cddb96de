/* What the kernels of partials on tensor cores share: rows of a product are (query, head of the
 * group), all that read one K,V head, and a block of threads takes some of them for one block of
 * K,V rows. Blocks that share K,V are neighbours in the grid, so that the rest of them finds it in
 * the cache. */
#ifndef YOCO_CUDA_ATTEND_TASK_CUH
#define YOCO_CUDA_ATTEND_TASK_CUH

#include "kernels/cuda/attend.cuh"

/* What one block of threads does. */
struct attend_task {
    const yoco_kv_segment *segment;
    int in_list;                           /* the segment's place */
    int block, kv_head, first_row, n_rows; /* rows of the segment's (queries, heads of the group) */
    int n_keys;
};

__device__ inline attend_task find_task(const yoco_attend_args &args, const segment_list &list,
                                        int tile_rows, int64_t *key_row)
{
    const device_segment *s = find_segment(list, blockIdx.x);
    /* 32 bits: a GPU divides 64 in a function of its own. */
    unsigned task = blockIdx.x - (unsigned)s->first_task, n_kv_heads = (unsigned)args.n_kv_heads;
    unsigned rows = (unsigned)s->segment.n_queries * ((unsigned)args.n_heads / n_kv_heads);
    unsigned n_tiles = (rows + tile_rows - 1) / tile_rows;
    int64_t n_keys;
    attend_task t;
    t.segment = &s->segment;
    t.in_list = (int)(s - list.segments);
    t.first_row = (int)(task % n_tiles) * tile_rows;
    t.kv_head = (int)(task / n_tiles % n_kv_heads);
    t.block = (int)(task / n_tiles / n_kv_heads);
    t.n_rows = (int)rows;
    *key_row = kv_block(s->segment, t.block, &n_keys);
    t.n_keys = (int)n_keys;
    return t;
}

/* A task's row: its query, counted in the segment, and its head. */
__device__ inline void row_of(const yoco_attend_args &args, const attend_task &t, int64_t row,
                              int64_t *query, int64_t *head)
{
    unsigned group = (unsigned)(args.n_heads / args.n_kv_heads);
    *query = (unsigned)row / group;
    *head = t.kv_head * group + (unsigned)row % group;
}

static inline bool tiles_take(const yoco_attend_args *args)
{
    for (int i = 0; i < args->n_segments; i++) {
        if (!is_aligned(args->segments[i].k, 16) || !is_aligned(args->segments[i].v, 16))
            return false;
    }
    return args->kv_dtype == YOCO_BF16 && args->n_v_heads == args->n_kv_heads &&
           args->v_dim == args->head_dim;
}

#endif
