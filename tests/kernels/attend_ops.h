/* Partials and their merge in the tests: see ops_testing.h. */
#ifndef YOCO_TEST_ATTEND_OPS_H
#define YOCO_TEST_ATTEND_OPS_H

#include "kernels/ops_attend.h"
#include "tests/kernels/ops_testing.h"

enum { ATTEND_MAX_SEGMENTS = 4, ATTEND_L_EXPONENT = 42 };

typedef struct attend_shape {
    int64_t n_queries;
    int n_heads, n_kv_heads, head_dim;
    float q_scale; /* 1: flat scores, 30: one key takes nearly all */
    struct {
        int64_t first_query, n_queries, n_rows, chunk_rows;
    } segments[ATTEND_MAX_SEGMENTS]; /* n_queries 0 ends the list */
    int n_v_heads, v_dim;            /* 0: as n_kv_heads and head_dim */
} attend_shape;

/* The channels of V differ in size, and o_exponent with them. No segment is longer than 2^20. */
yoco_attend_args make_attend(rig *r, test_random *random, const attend_shape *shape);

int64_t attend_n_partials(const yoco_attend_args *args);
/* Fills the args' max, sum, partial and global_max, allocated here, and *bad, which may be NULL. */
void run_attend(rig *r, yoco_attend_args *args);
/* The same once `first` has begun, with one *bad for both. */
void run_attend_after(rig *r, const yoco_attend_args *first, yoco_attend_args *args);
/* These read the partials, global_max, fixed of args (host) and fill, allocated here: */
void run_merge_sum(rig *r, yoco_attend_args *args); /* fixed */
float *run_merge_finish(rig *r, yoco_attend_args args);
/* All three in order, as one rank. */
float *run_attention(rig *r, yoco_attend_args args);

#endif
