/* What the sources of a checkpoint share: the list of its tensors and what they live in. Private to
 * this folder. */
#ifndef YOCO_CHECKPOINT_PARTS_H
#define YOCO_CHECKPOINT_PARTS_H

#include "configs/files/path.h"
#include "configs/model/checkpoint.h"

#define YOCO_OUTPUT_PROJECTION "output_projection.weight"

enum { YOCO_TENSOR_NAME_BYTES = 80 };

/* A tensor that the config asks for. */
typedef struct checkpoint_spec {
    char name[YOCO_TENSOR_NAME_BYTES];
    int n_dims; /* 1: a norm's weight; 2: a matrix (n_out, n_in) */
    int64_t shape[2];
    const yoco_tensor **slot; /* its place in the checkpoint */
} checkpoint_spec;

/* One safetensors file of a model folder. */
typedef struct checkpoint_file {
    char *path;
    yoco_safetensors *tensors;
} checkpoint_file;

typedef struct checkpoint_store {
    int n_specs;
    checkpoint_spec *specs;
    int n_files;
    checkpoint_file *files;
    int n_own;
    yoco_tensor
        *own; /* (n_specs); tensors with data of their own: random, or unaligned in a file */
    bool is_borrowed; /* the data of `own` belongs to the caller */
} checkpoint_store;

/* A checkpoint with its specs and every slot NULL. */
yoco_status yoco_checkpoint_create(const yoco_model_config *config, yoco_checkpoint **out);
/* A tensor like `like`, with uninitialised data of its own to be written through *data. */
yoco_status yoco_checkpoint_own(yoco_checkpoint *checkpoint, const yoco_tensor *like,
                                const yoco_tensor **out, void **data);

/* Lists the tensors of checkpoint->config: those of the model, then layer by layer. The caller
 * frees *specs. */
yoco_status yoco_checkpoint_specs(yoco_checkpoint *checkpoint, checkpoint_spec **specs,
                                  int *n_specs);

/* Opens the safetensors files of a folder and checks them against their index, if they have one. */
yoco_status yoco_checkpoint_files_open(const char *folder, checkpoint_file **files, int *n_files);
void yoco_checkpoint_files_close(checkpoint_file *files, int n_files);

#endif
