/* Gated retention: a state instead of a window. */
#ifndef YOCO_OPS_RETENTION_H
#define YOCO_OPS_RETENTION_H

#include "kernels/kernels.h"

/* Gated retention over a piece, in blocks of YOCO_RETENTION_ROWS rows from the piece's first row:
 * - g_t = gate_scale logsigmoid(gate_t)
 * - S_t = e^g_t S_(t-1) + k_t^T v_t, of shape (head_dim of k, head_dim of v)
 * - o_t = q_t S_t
 *
 * in three ops, so that only the small middle one waits for the state that enters the piece:
 * - local: decay and out within each block alone; state[b] = what block b adds to the
 *   state
 * - scan: walks the blocks; state[b] becomes the state that enters block b, edge_out the
 *   one that leaves the last
 * - correct: out += e^decay_t q_t state[b]
 *
 * Decay sums stay in log space: every exponent is <= 0.
 * Source: YOCO (arXiv 2405.05254), section 3.2, chunkwise form. */
typedef struct yoco_retention_args {
    int64_t n_rows;
    int n_heads, head_dim;
    const float *q, *k,
        *v;            /* (n_rows, n_heads, head_dim), q and k rotated, k scaled by head_dim^-1/2 */
    const float *gate; /* (n_rows, n_heads), as its product left it */
    double gate_scale; /* 1/16 in the paper */
    float *decay;      /* (n_rows, n_heads), sum of g from the block's first row to this one */
    float *state;      /* (n_blocks, n_heads, head_dim, head_dim) */
    const float *edge_in; /* (n_heads, head_dim, head_dim) */
    float *edge_out;      /* (n_heads, head_dim, head_dim), may be edge_in */
    float *out;           /* (n_rows, n_heads, head_dim) */
} yoco_retention_args;

/* Decode: one step of the recurrence for each row with a state of its own, updated in place. */
typedef struct yoco_retention_step_args {
    int64_t n_rows;
    int n_heads, head_dim;
    const float *q, *k, *v; /* (n_rows, n_heads, head_dim), as above */
    const float *gate;      /* (n_rows, n_heads) */
    double gate_scale;
    float *const
        *state; /* (n_rows) pointers in host memory, each to (n_heads, head_dim, head_dim) */
    float *out; /* (n_rows, n_heads, head_dim) */
} yoco_retention_step_args;

struct yoco_retention_ops {
    void (*local)(yoco_device *device, const yoco_retention_args *args);
    void (*scan)(yoco_device *device, const yoco_retention_args *args);
    void (*correct)(yoco_device *device, const yoco_retention_args *args);
    void (*step)(yoco_device *device, const yoco_retention_step_args *args);
};

#endif
