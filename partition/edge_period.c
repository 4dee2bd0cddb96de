#include "partition/edge_period.h"

enum { EDGES_SHARE = 4 }; /* bytes of K and V for each byte of edges, at least */

int64_t yoco_edge_period(int64_t n_chunks, size_t edge_bytes, size_t kv_bytes)
{
    int64_t by_bytes = yoco_div_up(EDGES_SHARE * (int64_t)edge_bytes, (int64_t)kv_bytes);
    int64_t by_count = yoco_div_up(n_chunks, YOCO_EDGES_PER_CONTEXT + 1);
    return yoco_i64_max(1, yoco_i64_max(by_bytes, by_count));
}
