/* Ops of the gated delta rule. A value head h has a state S (k_dim, v_dim) and reads the q,k head
 * h / (n_heads / n_qk_heads):
 *
 *     S <- e^g_t S
 *     S <- S + k_t (beta_t (v_t - S^T k_t))^T
 *     o_t = S^T q_t
 *
 * Source: Gated Delta Networks (arXiv 2412.06464), equation 10; the form in blocks is that of
 * Parallelizing Linear Transformers with the Delta Rule (arXiv 2406.06484), section 3. */
#ifndef YOCO_OPS_DELTA_H
#define YOCO_OPS_DELTA_H

#include "kernels/kernels.h"

/* What projections and convolution leave becomes the rule's inputs:
 * - q = q / sqrt(sum q^2 + 1e-6) / sqrt(k_dim), k = k / sqrt(sum k^2 + 1e-6), per head
 * - g = -e^a_log softplus(a + dt_bias), in place of a
 * - beta = beta_scale sigmoid(b), in place of b */
typedef struct yoco_delta_prepare_args {
    int64_t n_rows;
    int n_qk_heads, n_heads, k_dim;
    float beta_scale;             /* 1; 2 where a state's eigenvalues may be negative */
    const float *a_log, *dt_bias; /* (n_heads) */
    float *q, *k;                 /* (n_rows, n_qk_heads, k_dim), in place */
    float *a_g, *b_beta;          /* (n_rows, n_heads), in place */
} yoco_delta_prepare_args;

/* A piece, in blocks of YOCO_DELTA_ROWS rows from its first row. With G_t the sum of g from the
 * block's first row to row t, and S the state that enters the block, every row adds k_t u_t^T:
 *
 *     u_t = beta_t (v_t - e^G_t S^T k_t - sum over s < t of e^(G_t - G_s) (k_t k_s) u_s)
 *
 * a triangular system, whose solution is u = U - W S. In three ops, so that only the small middle
 * one waits for the state that enters the piece:
 * - delta_local: u = U; minus_w = -W
 * - delta_scan: walks the blocks; state[b] = the state that enters block b, u = U - W S, edge_out =
 *   the state that leaves the last
 * - delta_out: u = o, o_t = e^G_t S^T q_t + sum over s <= t of e^(G_t - G_s) (q_t k_s) u_s
 *
 * Every exponent is <= 0; the differences of G are taken in f64. */
typedef struct yoco_delta_args {
    int64_t n_rows;
    int n_qk_heads, n_heads, k_dim, v_dim;
    const float *q, *k;    /* (n_rows, n_qk_heads, k_dim) */
    const float *g, *beta; /* (n_rows, n_heads) */
    float *u;              /* (n_rows, n_heads, v_dim): v, then as above */
    float *minus_w;        /* (n_rows, n_heads, k_dim) */
    float *state;          /* (n_blocks, n_heads, k_dim, v_dim) */
    const float *edge_in;  /* (n_heads, k_dim, v_dim) */
    float *edge_out;       /* (n_heads, k_dim, v_dim), may be edge_in */
} yoco_delta_args;

/* Decode: one step of the recurrence for each row with a state of its own, updated in place. */
typedef struct yoco_delta_step_args {
    int64_t n_rows;
    int n_qk_heads, n_heads, k_dim, v_dim;
    const float *q, *k;    /* (n_rows, n_qk_heads, k_dim) */
    const float *g, *beta; /* (n_rows, n_heads) */
    const float *v;        /* (n_rows, n_heads, v_dim) */
    float *const *state;   /* (n_rows) pointers in host memory, each to (n_heads, k_dim, v_dim) */
    float *out;            /* (n_rows, n_heads, v_dim), may be v */
} yoco_delta_step_args;

struct yoco_delta_ops {
    void (*prepare)(yoco_device *device, const yoco_delta_prepare_args *args);
    void (*local)(yoco_device *device, const yoco_delta_args *args);
    void (*scan)(yoco_device *device, const yoco_delta_args *args);
    void (*out)(yoco_device *device, const yoco_delta_args *args);
    void (*step)(yoco_device *device, const yoco_delta_step_args *args);
};

#endif
