#include "partition/grid.h"

int64_t yoco_grid_rank_chunks(const yoco_grid *g, int rank)
{
    int64_t n_chunks = yoco_grid_n_chunks(g);
    return n_chunks / g->n_ranks + (rank < n_chunks % g->n_ranks);
}

int64_t yoco_grid_rank_rows(const yoco_grid *g, int rank)
{
    int64_t n_chunks = yoco_grid_n_chunks(g), mine = yoco_grid_rank_chunks(g, rank);
    if (mine == 0)
        return 0;
    int64_t last = rank + (mine - 1) * g->n_ranks;
    int64_t missing = last == n_chunks - 1 ? n_chunks * g->chunk_rows - g->n_tokens : 0;
    return mine * g->chunk_rows - missing;
}

/* Rank 0 has as many chunks as any other; it is second only where its last chunk is the short one.
 */
int64_t yoco_grid_max_rank_rows(const yoco_grid *g)
{
    int64_t first = yoco_grid_rank_rows(g, 0);
    return g->n_ranks > 1 ? yoco_i64_max(first, yoco_grid_rank_rows(g, 1)) : first;
}

double yoco_grid_balance(const yoco_grid *g)
{
    if (g->n_tokens == 0)
        return 1.0;
    return (double)g->n_tokens / ((double)yoco_grid_max_rank_rows(g) * g->n_ranks);
}

int64_t yoco_branch_rank_rows(int branch, int64_t n_rows, int rank, int n_ranks)
{
    int64_t n_blocks = yoco_div_up(n_rows, YOCO_BLOCK_ROWS);
    int64_t first = ((rank - branch) % n_ranks + n_ranks) % n_ranks;
    if (first >= n_blocks)
        return 0;
    int64_t mine = (n_blocks - 1 - first) / n_ranks + 1;
    bool has_last = first + (mine - 1) * n_ranks == n_blocks - 1;
    return mine * YOCO_BLOCK_ROWS - (has_last ? n_blocks * YOCO_BLOCK_ROWS - n_rows : 0);
}

int64_t yoco_branch_shard_row(int64_t row, int n_ranks)
{
    return row / YOCO_BLOCK_ROWS / n_ranks * YOCO_BLOCK_ROWS + row % YOCO_BLOCK_ROWS;
}
