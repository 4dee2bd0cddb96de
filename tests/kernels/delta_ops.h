/* Arguments with random inputs for the ops of ops_conv.h and ops_delta.h, and the functions that
 * run them: host arguments in, host results out, all of it until rig_reset (ops_testing.h). */
#ifndef YOCO_DELTA_OPS_TESTING_H
#define YOCO_DELTA_OPS_TESTING_H

#include "kernels/ops_conv.h"
#include "kernels/ops_delta.h"
#include "tests/kernels/ops_testing.h"

typedef struct conv_shape {
    int64_t n_rows, n_edge;
    int n_taps, n_channels, n_others; /* n_others: channels beside them in the rows */
    bool bias;
} conv_shape;

/* rows: (n_edge + n_rows, n_channels + n_others), of which the op writes its own and reads the
 * edge; stride and next are set. */
yoco_conv_args make_conv(rig *r, test_random *random, const conv_shape *shape);
/* conv_round, then conv, in a chain with one that equals it. *rows: what the op made of the rows;
 * may be NULL. */
float *run_conv(rig *r, yoco_conv_args args, float **rows);
/* Rows first .. first + n_rows - 1 of a piece, each as the row of a branch that sees the same rows
 * as there, cut into up to three runs at random. `rows`: as run_conv gave them. */
float *run_conv_steps(rig *r, test_random *random, const yoco_conv_args *args, const float *rows,
                      bool in_v, int64_t first, int64_t n_rows);

typedef struct delta_shape {
    int64_t n_rows;
    int n_qk_heads, n_heads, k_dim, v_dim;
    float decay; /* g is in -decay .. 0, of four rows in five in -0.1 .. 0 */
} delta_shape;

yoco_delta_args make_delta(rig *r, test_random *random, const delta_shape *shape);
/* The arguments for rows first .. first + n_rows - 1 alone. */
yoco_delta_args delta_piece(const yoco_delta_args *args, int64_t first, int64_t n_rows);
int64_t delta_state_size(const yoco_delta_args *args); /* of all heads */

typedef struct delta_result {
    float *local_u, *minus_w;   /* after local */
    float *entering, *edge_out; /* after scan */
    float *u;
    float *out; /* after out */
} delta_result;

/* args.u is v; args.edge_in is the entering state; edge_out is written in its place when in_place.
 */
delta_result run_delta(rig *r, yoco_delta_args args, bool in_place);
/* args.state: (n_rows) host states, updated on the host too. Runs with `out` apart and in v's
 * place, which must not differ. */
float *run_delta_step(rig *r, yoco_delta_step_args args);

yoco_delta_prepare_args make_delta_prepare(rig *r, test_random *random, const delta_shape *shape);
/* Gives what became of q, k, a_g and b_beta. */
yoco_delta_prepare_args run_delta_prepare(rig *r, yoco_delta_prepare_args args);

#endif
