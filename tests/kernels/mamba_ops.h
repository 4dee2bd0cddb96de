/* The selective scan in the tests: see ops_testing.h. */
#ifndef YOCO_TEST_MAMBA_OPS_H
#define YOCO_TEST_MAMBA_OPS_H

#include "kernels/ops_mamba.h"
#include "tests/kernels/ops_testing.h"

typedef struct mamba_shape {
    int64_t n_rows;
    int n_channels, n_states;
    float dt_scale; /* 2: deltas from 0.1 to 2; 60: some forget all, some keep all */
} mamba_shape;

yoco_mamba_args make_mamba(rig *r, test_random *random, const mamba_shape *shape);
/* The arguments for rows first .. first + n_rows - 1 alone. */
yoco_mamba_args mamba_piece(const yoco_mamba_args *args, int64_t first, int64_t n_rows);
int64_t mamba_state_size(const yoco_mamba_args *args);

typedef struct mamba_result {
    float *sum, *local_state, *local_out; /* after local */
    float *entering, *edge_out;           /* after scan */
    float *out;                           /* after correct */
} mamba_result;

/* in_place: out is x, and edge_out is edge_in. */
mamba_result run_mamba(rig *r, yoco_mamba_args args, bool in_place);
/* args->state: (n_rows) host states, updated on the host too; gives out. */
float *run_mamba_step(rig *r, const yoco_mamba_args *args, float *const *states);

#endif
