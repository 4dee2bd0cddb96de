/* A model as a list of layers, made from its params.json by the file of its family, arch_*.c.
 * Whatever computes, plans or measures reads this and asks for no model's name. */
#ifndef YOCO_SHAPE_H
#define YOCO_SHAPE_H

#include "configs/model/layer.h"
#include "configs/model/model_config.h"

enum { YOCO_MAX_ROTATIONS = 4, YOCO_TENSOR_NAME_BYTES = 80 };

/* Pairs (2i, 2i+1) of a head turn by position * frequency i. */
typedef struct yoco_rotation {
    int head_dim;
    double theta;
} yoco_rotation;

typedef struct yoco_model_shape {
    yoco_model_config config; /* as read; for the files of configs/ only */
    int dim, vocab_size;
    int64_t max_seq_len;
    float norm_eps, embed_scale;
    bool tied; /* the output projection is the embedding */
    int n_rotations;
    yoco_rotation rotations[YOCO_MAX_ROTATIONS];
    int n_layers; /* those that only keep included */
    yoco_layer_shape layers[];
} yoco_model_shape;

/* The caller frees it with yoco_free. */
yoco_status yoco_model_shape_make(const yoco_model_config *config, yoco_model_shape **out);
yoco_status yoco_model_shape_load(const char *path, yoco_model_shape **out);
yoco_status yoco_model_shape_copy(const yoco_model_shape *shape, yoco_model_shape **out);

/* A tensor of a layer, or of the model itself. */
typedef struct yoco_tensor_spec {
    char name[YOCO_TENSOR_NAME_BYTES];
    int layer; /* < 0: see below */
    yoco_tensor_rule rule;
} yoco_tensor_spec;

enum { YOCO_TENSOR_EMBEDDING = -1, YOCO_TENSOR_OUTPUT = -2, YOCO_TENSOR_FINAL_NORM = -3 };

/* Every tensor that the model asks for, in the order in which they are saved and hashed. The caller
 * frees *specs with yoco_free. */
yoco_status yoco_model_tensors(const yoco_model_shape *shape, yoco_tensor_spec **specs,
                               int *n_specs);

static inline const yoco_layer_shape *yoco_shape_source(const yoco_model_shape *shape, int layer)
{
    return &shape->layers[shape->layers[layer].source];
}
/* The last layer with a past of its own; the prefill ends there. */
int yoco_shape_last_kept(const yoco_model_shape *shape);
/* Whether it reads rows of all positions: its output is merged over the ranks. */
bool yoco_shape_is_merged(const yoco_model_shape *shape, int layer);
int yoco_shape_n_merged(const yoco_model_shape *shape);
/* Elements of the rows of all positions that all layers keep, K and V together, for each token. */
int64_t yoco_shape_kept_width(const yoco_model_shape *shape);
/* How many layers from `first` on have the same shape, but for what they read. */
int yoco_shape_run(const yoco_model_shape *shape, int first);
/* Rows of the widest window, 0: there is none. */
int64_t yoco_shape_longest_window(const yoco_model_shape *shape);
/* Frequency i of a rotation. */
double yoco_rotation_frequency(const yoco_rotation *rotation, int i);
/* Chunks are a multiple of this many rows. */
int64_t yoco_shape_chunk_multiple(const yoco_model_shape *shape);

#endif
