/* Gated retention in the tests: see ops_testing.h. */
#ifndef YOCO_TEST_RETENTION_OPS_H
#define YOCO_TEST_RETENTION_OPS_H

#include "kernels/ops_retention.h"
#include "tests/kernels/ops_testing.h"

typedef struct retention_shape {
    int64_t n_rows;
    int n_heads, head_dim;
    float gate_scale;
} retention_shape;

yoco_retention_args make_retention(rig *r, test_random *random, const retention_shape *shape);
/* The arguments for rows first .. first + n_rows - 1 alone. */
yoco_retention_args retention_piece(const yoco_retention_args *args, int64_t first, int64_t n_rows);
int64_t retention_state_size(const yoco_retention_args *args); /* of all heads */

typedef struct retention_result {
    float *decay, *state, *local_out; /* after retention_local */
    float *entering, *edge_out;       /* after retention_scan */
    float *out;                       /* after retention_correct */
} retention_result;

/* args.edge_in is the entering state; edge_out is written in its place when in_place. */
retention_result run_retention(rig *r, yoco_retention_args args, bool in_place);
/* args.state: (n_rows) host states, updated on the host too. */
float *run_retention_step(rig *r, yoco_retention_step_args args);

#endif
