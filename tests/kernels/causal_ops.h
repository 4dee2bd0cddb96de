/* Attention over all rows before, in the tests: see ops_testing.h. */
#ifndef YOCO_TEST_CAUSAL_OPS_H
#define YOCO_TEST_CAUSAL_OPS_H

#include "kernels/ops_causal.h"
#include "tests/kernels/ops_testing.h"

enum { CAUSAL_MAX_RUNS = 4 };

typedef struct causal_shape {
    int64_t n_queries;             /* the last rows of the last run */
    int64_t runs[CAUSAL_MAX_RUNS]; /* rows of each, in order; 0 after the last */
    int n_heads, head_dim;
    int n_kv_heads, n_v_heads, v_dim; /* 0: as n_heads and head_dim */
} causal_shape;

/* Queries, and the rows of all runs, one run after the other. */
typedef struct causal_case {
    causal_shape shape;
    yoco_causal_args args; /* of the first run */
} causal_case;

causal_case make_causal(rig *r, test_random *random, const causal_shape *shape);

typedef struct causal_result {
    float *max, *sum, *partial; /* after the run before the last, NULL where there is but one */
    float *out;
} causal_result;

/* Queries first .. first + n - 1 alone. */
causal_result run_causal(rig *r, const causal_case *c, int64_t first, int64_t n);

#endif
