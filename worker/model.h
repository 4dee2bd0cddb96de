/* A model on one device: the checkpoint's matrices in the backend's layout, its vectors in f32.
 * Made once, read only. */
#ifndef YOCO_MODEL_H
#define YOCO_MODEL_H

#include "configs/model/checkpoint.h"
#include "kernels/kernels.h"

typedef struct yoco_layer {
    float *mixer_norm, *ffn_norm;                  /* (dim) */
    yoco_weight *q, *k, *v, *g, *gate_decay, *out; /* NULL where the kind of layer has none */
    yoco_weight *fc1, *gate, *fc2;
} yoco_layer;

typedef struct yoco_model {
    const yoco_ops *ops;
    yoco_device *device; /* the caller's */
    yoco_model_config config;
    yoco_dtype dtype;
    int n_self, n_cross;
    yoco_weight *embedding;
    yoco_dtype embedding_dtype;  /* as stored */
    yoco_weight *k, *v;          /* shared K,V: (kv_dim, dim) */
    float *kv_norm, *final_norm; /* (dim) */
    yoco_weight *output; /* (vocab_size, dim); NULL where this rank has computed no logits yet */
    yoco_layer *layers;  /* (n_self + n_cross) */
    double *self_frequencies, *frequencies; /* (self_head_dim / 2), (head_dim / 2) */
    int l_exponent;                         /* see merge_scale.h */
    int *o_exponent;                        /* (kv_dim) */
} yoco_model;

/* The checkpoint stays the caller's and must outlive the model: the embedding is read from it. */
yoco_status yoco_model_create(const yoco_ops *ops, yoco_device *device,
                              const yoco_checkpoint *checkpoint, yoco_dtype dtype, bool with_output,
                              yoco_model **out);
/* The output projection of a model made without; nothing happens to one that has it. */
yoco_status yoco_model_add_output(yoco_model *model, const yoco_checkpoint *checkpoint);
void yoco_model_free(yoco_model *model);

#endif
