/* A model on one device: the checkpoint's matrices in the backend's layout, its vectors in f32.
 * Made once, read only. */
#ifndef YOCO_MODEL_H
#define YOCO_MODEL_H

#include "configs/model/checkpoint.h"
#include "kernels/kernels.h"

typedef struct yoco_layer_ops yoco_layer_ops;

/* The tensors that its shape asks for, by role; NULL elsewhere. vectors: those that rules call
 * tables, too. */
typedef struct yoco_layer {
    const yoco_layer_shape *shape;
    const yoco_layer_ops *ops;
    yoco_weight *weights[YOCO_N_ROLES];
    float *vectors[YOCO_N_ROLES];
    float lambda;             /* DIFFERENTIAL */
    float scale;              /* SCALE; else 1 */
    int *o_exponent;          /* (v_width) of a layer that keeps rows: see merge_scale.h */
    const int *read_exponent; /* of the rows that it reads */
    /* What it reads, its source's, in the order of all layers. */
    int first_past; /* the first of its WINDOW and STATE pasts */
    int store;      /* its ROWS past; -1: none */
} yoco_layer;

typedef struct yoco_model {
    const yoco_ops *ops;
    yoco_device *device; /* the caller's */
    const yoco_model_shape *shape;
    yoco_dtype dtype;
    yoco_weight *embedding;
    float *final_norm, *final_norm_bias; /* (dim); NULL: none */
    yoco_weight *output; /* (vocab_size, dim); NULL where this rank has computed no logits yet */
    yoco_layer *layers;  /* (n_layers) */
    double *frequencies[YOCO_MAX_ROTATIONS]; /* (head_dim / 2) */
    int l_exponent;                          /* see merge_scale.h */
    float embed_scale, layer_embed_scale;    /* the shape's, rounded where it says so */
    const yoco_tensor *layer_table;          /* the checkpoint's, where it lies; NULL: none */
    float *layer_norm;                       /* (embed_dim) or NULL */
    int last_kept, n_pasts, n_stores;        /* WINDOW and STATE; ROWS */
} yoco_model;

/* YOCO_ERR_USAGE, logged, where the backend lacks a family of ops that the model needs. */
yoco_status yoco_model_check_ops(const yoco_ops *ops, const yoco_model_shape *shape);

/* The checkpoint stays the caller's and must outlive the model: the embedding is read from it. */
yoco_status yoco_model_create(const yoco_ops *ops, yoco_device *device,
                              const yoco_checkpoint *checkpoint, yoco_dtype dtype, bool with_output,
                              yoco_model **out);
/* The output projection of a model made without; nothing happens to one that has it. */
yoco_status yoco_model_add_output(yoco_model *model, const yoco_checkpoint *checkpoint);
void yoco_model_free(yoco_model *model);

#endif
