/* What the sources of a checkpoint share: the list of its tensors and what they live in. Private to
 * this folder. */
#ifndef YOCO_CHECKPOINT_PARTS_H
#define YOCO_CHECKPOINT_PARTS_H

#include "configs/files/path.h"
#include "configs/model/checkpoint.h"

/* One safetensors file of a model folder. */
typedef struct checkpoint_file {
    char *path;
    yoco_safetensors *tensors;
} checkpoint_file;

typedef struct checkpoint_store {
    int n_specs;
    yoco_tensor_spec *specs; /* yoco_model_tensors */
    int n_files;
    checkpoint_file *files;
    int n_own, n_views;
    yoco_tensor
        *own; /* (n_specs); tensors with data of their own: random, or unaligned in a file */
    yoco_tensor *views; /* (n_specs); rows of a file's tensor */
    bool is_borrowed;   /* the data of `own` belongs to the caller */
} checkpoint_store;

/* A checkpoint of a copy of the shape, with its specs and every slot NULL. */
yoco_status yoco_checkpoint_create(const yoco_model_shape *shape, yoco_checkpoint **out);
/* The place of a tensor in the checkpoint. */
const yoco_tensor **yoco_checkpoint_slot(const yoco_checkpoint *checkpoint,
                                         const yoco_tensor_spec *spec);
/* A tensor without data. */
yoco_tensor yoco_checkpoint_tensor(const yoco_tensor_spec *spec, yoco_dtype dtype);
/* A tensor like `like`, with uninitialised data of its own to be written through *data. */
yoco_status yoco_checkpoint_own(yoco_checkpoint *checkpoint, const yoco_tensor *like,
                                const yoco_tensor **out, void **data);

/* Opens the safetensors files of a folder and checks them against their index, if they have one. */
yoco_status yoco_checkpoint_files_open(const char *folder, checkpoint_file **files, int *n_files);
void yoco_checkpoint_files_close(checkpoint_file *files, int n_files);

/* The first spec of the rows of tensor `name` from first_row on: layers may share them. */
int yoco_checkpoint_find(const yoco_checkpoint *checkpoint, const char *name, int64_t first_row);

#endif
