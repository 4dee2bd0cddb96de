/* Ops of short causal convolutions, which several kinds of layers put before a recurrence. Each
 * channel is convolved alone, with a few taps, then silu:
 *
 *     y_t = silu(bias + sum over i < n_taps of taps_i x_(t - n_taps + 1 + i))
 *
 * so that the last tap is of the row itself; rows before the text's first are zeros. Inputs are
 * rounded to `dtype` wherever they come from: what a past keeps and what a piece sees are the same.
 * Sums begin with the bias, or 0, and take the taps in ascending order.
 *
 * Rows of x may lie side by side with those of others in wider rows, `stride` elements apart; a
 * chain of runs of channels that belong to the same rows may come in one call.
 * Source: Mamba (arXiv 2312.00752), section 3.4; Gated DeltaNet (arXiv 2412.06464), section 3.4. */
#ifndef YOCO_OPS_CONV_H
#define YOCO_OPS_CONV_H

#include "kernels/ops_window.h"

/* A piece, in two ops, since the first rows wait for the edge that enters:
 * - conv_round: rows n_edge .. of `rows` = x, rounded
 * - conv: out, from all of `rows` */
typedef struct yoco_conv_args yoco_conv_args;
struct yoco_conv_args {
    int64_t n_rows, n_edge; /* n_edge: rows before the piece, at most n_taps - 1; fewer only at the
                               text's beginning */
    int n_channels, n_taps;
    const float *taps; /* (n_channels, n_taps) */
    const float *bias; /* (n_channels) or NULL for none */
    const float *x;    /* (n_rows, n_channels) */
    yoco_dtype dtype;
    int64_t stride;             /* elements from one row of `rows` to the next */
    void *rows;                 /* (n_edge + n_rows, n_channels) dtype */
    float *out;                 /* (n_rows, n_channels), may be x */
    const yoco_conv_args *next; /* the same n_rows, n_edge and dtype; NULL: the last */
};

/* A step: the last n_taps rows that each row's branch sees, itself included; fewer at the text's
 * beginning. */
typedef struct yoco_conv_step_args yoco_conv_step_args;
struct yoco_conv_step_args {
    int64_t n_rows;
    int n_channels, n_taps;
    const float *taps, *bias; /* as above */
    yoco_dtype dtype;
    const yoco_window_view *views; /* (n_rows), host memory */
    bool in_v;                     /* the channels are in the views' v, not in k */
    int64_t stride, first;         /* elements: from one row to the next, before the run in a row */
    float *out;                    /* (n_rows, n_channels) */
    const yoco_conv_step_args *next; /* the same n_rows, dtype and views; NULL: the last */
};

struct yoco_conv_ops {
    void (*round)(yoco_device *device, const yoco_conv_args *args);
    void (*piece)(yoco_device *device, const yoco_conv_args *args);
    void (*step)(yoco_device *device, const yoco_conv_step_args *args);
};

#endif
