/* Ops of the selective scan (Mamba-1). Every channel has a state of n_states numbers:
 *
 *     delta_t = softplus(dt_t + dt_bias)
 *     S_t = e^(delta_t a) S_(t-1) + delta_t x_t b_t
 *     y_t = c_t S_t + d x_t
 *
 * with a < 0 for every state and channel, and b_t, c_t of n_states numbers for all channels.
 * Source: Mamba (arXiv 2312.00752), section 3.2, algorithm 2 with the zero-order hold of `a` and
 * Euler's step of `b`, as its released code has it. */
#ifndef YOCO_OPS_MAMBA_H
#define YOCO_OPS_MAMBA_H

#include "kernels/kernels.h"

enum { YOCO_MAMBA_MAX_STATES = 32 };

/* A piece, in three ops, so that only the small middle one waits for the state that enters:
 * - local: from no state, over the piece's rows; out = y, state = S of the last row, and dt becomes
 *   the sum of delta from the piece's first row to this one
 * - scan: with sum = dt of the last row: edge_out = e^(sum a) edge_in + state; state = edge_in
 * - correct: out += c_t (e^(dt_t a) state)
 *
 * Every exponent is <= 0. */
typedef struct yoco_mamba_args {
    int64_t n_rows; /* >= 1 */
    int n_channels, n_states;
    const float *a;           /* (n_states, n_channels) */
    const float *dt_bias, *d; /* (n_channels) */
    const float *b, *c;       /* (n_rows, n_states) */
    const float *x;           /* (n_rows, n_channels) */
    float *dt;                /* (n_rows, n_channels) */
    float *state;             /* (n_states, n_channels) */
    const float *edge_in;     /* (n_states, n_channels) */
    float *edge_out;          /* (n_states, n_channels), may be edge_in */
    float *out;               /* (n_rows, n_channels), may be x */
} yoco_mamba_args;

/* Decode: one step for each row with a state of its own, updated in place. */
typedef struct yoco_mamba_step_args {
    int64_t n_rows;
    int n_channels, n_states;
    const float *a, *dt_bias, *d, *b, *c, *x; /* as above */
    const float *dt;                          /* (n_rows, n_channels) */
    float *const *state; /* (n_rows) pointers in host memory, each to (n_states, n_channels) */
    float *out;          /* (n_rows, n_channels), may be x */
} yoco_mamba_step_args;

struct yoco_mamba_ops {
    void (*local)(yoco_device *device, const yoco_mamba_args *args);
    void (*scan)(yoco_device *device, const yoco_mamba_args *args);
    void (*correct)(yoco_device *device, const yoco_mamba_args *args);
    void (*step)(yoco_device *device, const yoco_mamba_step_args *args);
};

#endif
