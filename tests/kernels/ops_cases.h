/* Arguments with random inputs for the ops that need many. All of it is host memory of the rig. */
#ifndef YOCO_OPS_CASES_H
#define YOCO_OPS_CASES_H

#include "tests/kernels/ops_testing.h"

typedef struct window_shape {
    int64_t n_rows, n_edge;
    int window, n_heads, head_dim;
} window_shape;

/* All rows of the piece are queries; K,V and the output in the rig's dtype. */
yoco_window_args make_window(rig *r, test_random *random, const window_shape *shape);
/* Every row of the piece as a query of its own, its window cut into up to three runs at random. */
yoco_window_step_args make_window_steps(rig *r, test_random *random, int64_t n_rows,
                                        const yoco_window_args *window);

typedef struct retention_shape {
    int64_t n_rows;
    int n_heads, head_dim;
    float gate_scale;
} retention_shape;

yoco_retention_args make_retention(rig *r, test_random *random, const retention_shape *shape);
/* The arguments for rows first .. first + n_rows - 1 alone. */
yoco_retention_args retention_piece(const yoco_retention_args *args, int64_t first, int64_t n_rows);
int64_t retention_state_size(const yoco_retention_args *args); /* of all heads */

enum { ATTEND_MAX_SEGMENTS = 4, ATTEND_L_EXPONENT = 42 };

typedef struct attend_shape {
    int64_t n_queries;
    int n_heads, n_kv_heads, head_dim;
    float q_scale; /* 1: flat scores, 30: one key takes nearly all */
    struct {
        int64_t first_query, n_queries, n_rows, chunk_rows;
    } segments[ATTEND_MAX_SEGMENTS]; /* n_queries 0 ends the list */
} attend_shape;

/* The channels of V differ in size, and o_exponent with them. No segment is longer than 2^20. */
yoco_attend_args make_attend(rig *r, test_random *random, const attend_shape *shape);

#endif
