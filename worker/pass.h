/* Rows on their way through the layers: a piece of consecutive rows in the prefill, or one row each
 * of several branches in a step. */
#ifndef YOCO_PASS_H
#define YOCO_PASS_H

#include "worker/internal.h"

/* Where a piece's edges come from and go to: the ring of ranks, or a branch's private memory.
 * Called once for each past of a layer that has an edge. The edge stands in the past's work memory.
 */
typedef struct yoco_edge_port {
    yoco_status (*take)(yoco_pass *p, const yoco_past *past); /* work memory <- edge */
    yoco_status (*give)(yoco_pass *p, const yoco_past *past); /* edge <- work memory */
    bool gives_first; /* an edge may leave before the one that enters was taken */
    bool waits;       /* an edge may come from another rank */
} yoco_edge_port;

typedef void (*yoco_linear)(yoco_device *device, const yoco_linear_args *args);

struct yoco_pass {
    yoco_worker *w;
    yoco_linear linear;      /* linear_slabs or linear_rows */
    const yoco_layer *layer; /* the one at work */
    int64_t n_rows;
    const int32_t *ids; /* (n_rows), host */
    /* a piece */
    const yoco_edge_port *port; /* NULL: a step */
    bool ends_here;             /* it needs no more of the layer than what is kept */
    int64_t position;           /* of its first row */
    int64_t chunk;              /* ring: which chunk this is; else -1 */
    int branch;                 /* branch: which branch */
    /* a step */
    const int *branches; /* (n_rows) */
};

/* A piece from the embedding to where its pasts are complete: prefill stops there. */
yoco_status yoco_piece_run(yoco_pass *p);

/* What the layers of all kinds use. Rows are those of the pass. */
void yoco_embed_rows(yoco_pass *p);
/* NORM <- norm of X: LayerNorm where it has a bias, else RMSNorm; X itself without a weight. */
void yoco_norm_rows(yoco_pass *p, const float *weight, const float *bias);
/* y <- W NORM, plus its bias where the layer has one, for several weights of the layer, at most
 * YOCO_MAX_CHAIN, in one call. */
typedef struct yoco_projection {
    yoco_role role;
    float *y; /* (n_rows, n_out) */
} yoco_projection;
void yoco_project(yoco_pass *p, const yoco_projection *projections, int n);
/* What turns heads of k_dim by the layer's rotation, unscaled; to be chained with others. */
yoco_rope_args yoco_rotation_args(const yoco_pass *p, int n_heads, const float *x, yoco_dtype dtype,
                                  void *out);
/* X += W_out NORM, plus its bias where the layer has one; normed before it is added, POST_NORM. */
void yoco_add_output(yoco_pass *p);
/* The same of W HIDDEN, of FC2 or EMBED_OUT; the last of a layer also multiplies X by the layer's
 * number. */
void yoco_add_hidden(yoco_pass *p, yoco_role role);
/* X += feed-forward part of the layer */
void yoco_feed_forward(yoco_pass *p);
/* EMBED <- what the first n layers have of the rows' tokens besides, once X holds their embedding.
 */
void yoco_embed_layers(yoco_pass *p, int n);
/* X += what the layer makes of its own. */
void yoco_add_embedding(yoco_pass *p);

/* Work memory beside X and NORM: f32, `before` elements of a row behind the beginning. */
static inline float *yoco_wide(const yoco_pass *p, yoco_buffer buffer, int64_t before)
{
    return yoco_f32(p->w, buffer) + before * p->w->plan.rows;
}

/* What products of Q and K are multiplied by, times log2(e): scores in base 2. */
static inline float yoco_scale_log2(const yoco_layer_shape *layer)
{
    double scale = layer->score_scale > 0 ? layer->score_scale : 1 / sqrt(layer->k_dim);
    return (float)(1.4426950408889634 * scale);
}

#endif
