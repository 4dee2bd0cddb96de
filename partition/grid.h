/* The chunk grid and who owns what. Positions [0, n_tokens) of a context are cut into chunks of
 * chunk_rows; only the last may be shorter. The grid depends on positions only; rank c mod n_ranks
 * computes and stores chunk c, one after another in its shard. A branch's own rows are cut into
 * blocks of YOCO_BLOCK_ROWS from its first row; block j of branch b is stored on rank (b + j) mod
 * n_ranks. Pure integers: no I/O, no MPI, no device. */
#ifndef YOCO_GRID_H
#define YOCO_GRID_H

#include "base.h"

typedef struct yoco_grid {
    int64_t n_tokens; /* rows of the context; 0 is legal */
    int64_t chunk_rows;
    int n_ranks;
} yoco_grid;

static inline int64_t yoco_grid_n_chunks(const yoco_grid *g)
{
    return yoco_div_up(g->n_tokens, g->chunk_rows);
}

static inline int yoco_grid_owner(const yoco_grid *g, int64_t chunk)
{
    return (int)(chunk % g->n_ranks);
}

static inline int64_t yoco_grid_chunk_rows(const yoco_grid *g, int64_t chunk)
{
    return yoco_i64_min(g->chunk_rows, g->n_tokens - chunk * g->chunk_rows);
}

/* First row of chunk `chunk` in its owner's shard. */
static inline int64_t yoco_grid_shard_row(const yoco_grid *g, int64_t chunk)
{
    return chunk / g->n_ranks * g->chunk_rows;
}

/* The first chunk from `begin` on that a rank owns. */
static inline int64_t yoco_grid_first_chunk(const yoco_grid *g, int rank, int64_t begin)
{
    return begin + ((rank - begin) % g->n_ranks + g->n_ranks) % g->n_ranks;
}

int64_t yoco_grid_rank_chunks(const yoco_grid *g, int rank); /* chunks that a rank owns */
int64_t yoco_grid_rank_rows(const yoco_grid *g, int rank);   /* rows of its shard */
int64_t yoco_grid_max_rank_rows(const yoco_grid *g);         /* the largest shard */

/* Share of the ranks' time that a prefill keeps busy, 0..1: chunks are the unit of work, so the
 * ranks wait for the one with the most rows. */
double yoco_grid_balance(const yoco_grid *g);

/* Blocks 0..n_blocks-1 of a branch that a rank stores, in order. */
static inline int yoco_branch_owner(int branch, int64_t block, int n_ranks)
{
    return (int)((branch + block) % n_ranks);
}

/* Rows of a branch with n_rows rows that a rank stores. */
int64_t yoco_branch_rank_rows(int branch, int64_t n_rows, int rank, int n_ranks);
/* Where row `row` of a branch lies in its owner's buffer. */
int64_t yoco_branch_shard_row(int64_t row, int n_ranks);

#endif
