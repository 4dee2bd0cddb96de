/* Window attention in the tests: see ops_testing.h. */
#ifndef YOCO_TEST_WINDOW_OPS_H
#define YOCO_TEST_WINDOW_OPS_H

#include "kernels/ops_window.h"
#include "tests/kernels/ops_testing.h"

typedef struct window_shape {
    int64_t n_rows, n_edge;
    int window, n_heads, head_dim;
    int n_kv_heads, n_v_heads, v_dim; /* 0: as n_heads and head_dim */
} window_shape;

/* All rows of the piece are queries; K,V and the output in the rig's dtype. */
yoco_window_args make_window(rig *r, test_random *random, const window_shape *shape);
/* Every row of the piece as a query of its own, its window cut into up to three runs at random. */
yoco_window_step_args make_window_steps(rig *r, test_random *random, int64_t n_rows,
                                        const yoco_window_args *window);

float *run_window_attend(rig *r, int64_t n_rows, yoco_window_args args);
float *run_window_step(rig *r, yoco_window_step_args args);

#endif
