/* A model as a list of layers, made from its config.json or params.json by the file of its family,
 * arch_*.c. Whatever computes, plans or measures reads this and asks for no model's name. */
#ifndef YOCO_SHAPE_H
#define YOCO_SHAPE_H

#include "configs/model/layer.h"
#include "configs/model/model_config.h"
#include "configs/model/rotation.h"

enum { YOCO_MAX_ROTATIONS = 4, YOCO_TENSOR_NAME_BYTES = 80, YOCO_MAX_ENDS = 16 };

typedef struct yoco_family yoco_family; /* family.h: for the files of this folder */

typedef struct yoco_model_shape {
    const yoco_family *family;
    size_t text_bytes; /* of the config's text, which stands behind the layers */
    int dim, vocab_size;
    int64_t max_seq_len;
    float norm_eps, embed_scale;
    float logit_cap; /* logits become logit_cap * tanh(logit / logit_cap); 0: they stay */
    /* What every layer has of a token besides: embed_dim elements of its row of a table, times
     * layer_embed_scale, and of the token's embedding. 0: nothing. */
    int embed_dim;
    float layer_embed_scale;
    bool rounds_scales;     /* both are rounded to the dtype of the embedding */
    bool tied;              /* the output projection is the embedding */
    bool final_norm_bias;   /* the final norm is LayerNorm */
    bool final_norm_less_1; /* as NORM_LESS_1 */
    int n_rotations;
    yoco_rotation rotations[YOCO_MAX_ROTATIONS];
    int n_ends; /* ids that end an answer, as far as the model's own files say so */
    int32_t ends[YOCO_MAX_ENDS];
    int n_layers; /* those that only keep included */
    yoco_layer_shape layers[];
} yoco_model_shape;

/* From a model folder, or from a config.json or params.json alone, whatever it is called. The
 * caller frees it with yoco_free. */
yoco_status yoco_model_shape_load(const char *path, yoco_model_shape **out);
/* From the text of one; `name` stands in error lines. */
yoco_status yoco_model_shape_parse(const char *name, const char *text, size_t size,
                                   yoco_model_shape **out);
yoco_status yoco_model_shape_make(const yoco_model_config *config, yoco_model_shape **out);
/* What its config is called in a folder: "params.json". */
const char *yoco_model_shape_file(const yoco_model_shape *shape);
/* Line `index` about the families that are supported, from 0; false past the last. */
bool yoco_model_families_line(int index, char *line, size_t size);
yoco_status yoco_model_shape_copy(const yoco_model_shape *shape, yoco_model_shape **out);

/* A tensor of a layer, or of the model itself: the rule's rows, which stand in a tensor of the
 * files from first_row on, all side by side or in groups. Several may share one, and the files' may
 * have dimensions of 1 besides. */
typedef struct yoco_tensor_spec {
    char name[YOCO_TENSOR_NAME_BYTES];
    int layer; /* < 0: see below */
    yoco_tensor_rule rule;
    int n_dims; /* of the tensor in the files */
    int64_t shape[3];
    int64_t first_row;
    int64_t group_rows, group_stride; /* as in yoco_tensor */
} yoco_tensor_spec;

enum {
    YOCO_TENSOR_EMBEDDING = -1,
    YOCO_TENSOR_OUTPUT = -2,
    YOCO_TENSOR_FINAL_NORM = -3,
    YOCO_TENSOR_FINAL_NORM_BIAS = -4,
    YOCO_TENSOR_LAYER_TABLE = -5, /* (vocab_size, n_layers * embed_dim) */
    YOCO_TENSOR_LAYER_NORM = -6   /* (embed_dim) */
};

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
/* Whether prefill attends there over the rows of all earlier chunks, which go from rank to rank. */
bool yoco_shape_passes_rows(const yoco_model_shape *shape, int layer);
/* Elements of the rows of all positions that all layers keep, K and V together, for each token. */
int64_t yoco_shape_kept_width(const yoco_model_shape *shape);
/* Those that a step reads, of rows that several layers read as often as they do. */
int64_t yoco_shape_read_width(const yoco_model_shape *shape);
/* Work of a step for each row of its context, without products of weights. */
double yoco_shape_read_flops(const yoco_model_shape *shape);
/* How many layers from `first` on have the same shape, but for what they read. */
int yoco_shape_run(const yoco_model_shape *shape, int first);
/* Rows of the widest window, 0: there is none. */
int64_t yoco_shape_longest_window(const yoco_model_shape *shape);
/* Chunks are a multiple of this many rows. */
int64_t yoco_shape_chunk_multiple(const yoco_model_shape *shape);

/* The model_type of its config.json, by which a chat finds its template; NULL: it has params.json.
 */
const char *yoco_shape_model_type(const yoco_model_shape *shape);

#endif
