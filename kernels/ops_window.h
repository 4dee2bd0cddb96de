/* Attention over a window: the rows before a query, as far as the window reaches. */
#ifndef YOCO_OPS_WINDOW_H
#define YOCO_OPS_WINDOW_H

#include "kernels/kernels.h"

enum { YOCO_WINDOW_VIEW_PARTS = 3 }; /* shared edge, two halves of a branch's ring */

/* Prefill: attention of rows q_begin..q_end-1 of a piece over their windows. Query row i sees the
 * rows max(0, n_edge + i - window + 1) .. n_edge + i of k and v, whose first n_edge rows came
 * before the piece. */
typedef struct yoco_window_args {
    int64_t n_edge, q_begin, q_end;
    int window;
    int n_heads, n_kv_heads, n_v_heads, head_dim, v_dim; /* see yoco_k_head */
    float scale_log2;                                    /* head_dim^-1/2 * log2(e) */
    const float *q; /* (rows of the piece, n_heads, head_dim), rotated */
    yoco_dtype kv_dtype;
    const void *k; /* (n_edge + rows of the piece, n_kv_heads, head_dim), rotated */
    const void *v; /* (n_edge + rows of the piece, n_v_heads, v_dim) */
    yoco_dtype out_dtype;
    void *out; /* (rows of the piece, n_heads, v_dim); only rows q_begin..q_end-1 are written */
} yoco_window_args;

/* Decode: the rows one query sees, in position order, as up to three runs of rows. */
typedef struct yoco_window_view {
    const void *k[YOCO_WINDOW_VIEW_PARTS];  /* (n_rows[i], n_kv_heads, head_dim) */
    const void *v[YOCO_WINDOW_VIEW_PARTS];  /* (n_rows[i], n_v_heads, v_dim) */
    int64_t n_rows[YOCO_WINDOW_VIEW_PARTS]; /* 0 is legal; the sum is at least 1 */
} yoco_window_view;

typedef struct yoco_window_step_args {
    int64_t n_queries;
    int n_heads, n_kv_heads, n_v_heads, head_dim, v_dim; /* see yoco_k_head */
    int window;                                          /* bound on the rows of a view */
    float scale_log2;
    const float *q; /* (n_queries, n_heads, head_dim), rotated */
    yoco_dtype kv_dtype;
    const yoco_window_view *views; /* (n_queries), host memory */
    yoco_dtype out_dtype;
    void *out; /* (n_queries, n_heads, v_dim) */
} yoco_window_step_args;

struct yoco_window_ops {
    void (*attend)(yoco_device *device, const yoco_window_args *args);    /* prefill */
    void (*step)(yoco_device *device, const yoco_window_step_args *args); /* decode */
};

#endif
