/* Kinds of layers: what each computes. A kind takes the norm of the stream in NORM (n_rows, dim)
 * and leaves there what its output product takes, (n_rows, n_heads v_dim); norm, output product,
 * residual and feed-forward part are the caller's. */
#ifndef YOCO_LAYERS_H
#define YOCO_LAYERS_H

#include "worker/past/past.h"

/* A family of ops, by its place in yoco_ops. */
typedef struct yoco_op_family {
    const char *name;
    size_t at;
} yoco_op_family;

#define YOCO_OP_FAMILY(member) .name = #member, .at = offsetof(yoco_ops, member)

enum { YOCO_MAX_NEEDS = 3 };

/* What a layer computes of its tensors once, in f64. table: as large as the tensor of derived_role,
 * whose place it takes; NULL where there is none. */
typedef struct yoco_derived {
    float *table;
    float lambda; /* DIFFERENTIAL */
} yoco_derived;

struct yoco_layer_ops {
    /* The families whose ops it calls, beside those that every model needs (worker/model.c) and
     * those of a trait (differential.h); the rest of the list is empty. A backend that lacks one
     * does not run such a model. */
    yoco_op_family needs[YOCO_MAX_NEEDS];
    /* A piece: what needs no past. K and V that the layer keeps; an edge may leave here. NULL:
     * nothing. */
    yoco_status (*keep)(yoco_pass *p);
    /* A piece, after keep: takes the edges that enter, mixes. NULL: it adds nothing to the stream.
     */
    yoco_status (*mix)(yoco_pass *p);
    /* Of a kind that keeps nothing, where a prefill runs all layers (yoco_worker_run_all_layers): a
     * chunk, on one rank. NULL: it cannot. */
    yoco_status (*mix_all)(yoco_pass *p);
    /* One row of each of several branches. */
    yoco_status (*step)(yoco_pass *p);
    /* Of a kind that keeps rows: bounds of |v_j|, for the exact merge: (v_width). entering: of the
     * length of a row of the stream; it counts without a norm of the layer's own. YOCO_ERR_DATA,
     * logged, where a weight is not finite. NULL: it keeps none. */
    yoco_status (*value_bounds)(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                                double entering, double *bounds);
    /* YOCO_ERR_DATA, logged, where a weight makes no sense. NULL: nothing. */
    yoco_status (*derive)(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                          yoco_derived *out);
    yoco_role derived_role; /* YOCO_ROLE_MIXER_NORM, the first: none */
};

/* Bounds of what a layer's own norm and product of V give. */
yoco_status yoco_value_bounds(const yoco_layer_shape *shape, const yoco_layer_tensors *tensors,
                              double entering, double *bounds);

/* The registry. */
const yoco_layer_ops *yoco_layer_ops_of(yoco_layer_kind kind);

extern const yoco_layer_ops yoco_window_layer, yoco_retention_layer, yoco_keep_layer,
    yoco_cross_layer, yoco_attention_layer, yoco_delta_layer, yoco_mamba_layer, yoco_gmu_layer;
extern const yoco_layer_ops yoco_cross_window_layer;

#endif
