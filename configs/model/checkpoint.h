/* A model folder: config.json or params.json, and weights, either model.safetensors or, where that
 * is absent, model.safetensors.index.json with its shards. Every tensor that the config asks for
 * must be there, with the right shape and dtype F32, BF16 or F16; a tensor that the config does not
 * ask for is an error too, but for an output projection beside tied embeddings and what the model's
 * family ignores by name.
 * The data of every tensor is aligned to its dtype: mapped where the file has it so, else copied.
 * The checkpoint owns all tensors until it is closed. */
#ifndef YOCO_CHECKPOINT_H
#define YOCO_CHECKPOINT_H

#include "configs/files/hash.h"
#include "configs/files/safetensors.h"
#include "configs/model/shape.h"

/* The weights of one layer; NULL where its shape asks for none (yoco_layer_tensor_rules). */
typedef struct yoco_layer_tensors {
    const yoco_tensor *role[YOCO_N_ROLES];
} yoco_layer_tensors;

typedef struct yoco_checkpoint {
    yoco_model_shape *shape;
    bool is_shape;                        /* borrowed: its values mean nothing */
    yoco_dtype dtype;                     /* F32 if any tensor is, else BF16 if any is, else F16 */
    const yoco_tensor *embed_tokens;      /* (vocab_size, dim) */
    const yoco_tensor *output_projection; /* (vocab_size, dim); embed_tokens where tied */
    const yoco_tensor *final_norm;        /* (dim) */
    const yoco_tensor *final_norm_bias;   /* (dim) or NULL */
    const yoco_tensor *layer_table;       /* (vocab_size, n_layers * embed_dim) or NULL */
    const yoco_tensor *layer_norm;        /* (embed_dim) or NULL */
    yoco_layer_tensors *layers;           /* (n_layers) */
    struct checkpoint_store *store;       /* what the tensors live in */
} yoco_checkpoint;

yoco_status yoco_checkpoint_open(const char *folder, yoco_checkpoint **out);
/* The weights alone. */
yoco_status yoco_checkpoint_open_shape(const yoco_model_shape *shape, const char *folder,
                                       yoco_checkpoint **out);
/* Random weights of that shape, F32 or BF16, made here and seeded: the same on every machine, with
 * activations and logits around rms 1. For benchmarks and tests. */
yoco_status yoco_checkpoint_random(const yoco_model_shape *shape, yoco_dtype dtype, uint64_t seed,
                                   yoco_checkpoint **out);
/* A checkpoint whose tensors all have the same data, as long as the longest of them, the caller's:
 * a shape for the simulation, at no cost. */
yoco_status yoco_checkpoint_borrow(const yoco_model_shape *shape, yoco_dtype dtype,
                                   const void *data, yoco_checkpoint **out);
/* Writes model.safetensors, then the config, into an existing or new folder. */
yoco_status yoco_checkpoint_save(const yoco_checkpoint *checkpoint, const char *folder);
/* Of the config and every tensor: equal hashes, equal models. Reads all weights. */
yoco_status yoco_checkpoint_hash(const yoco_checkpoint *checkpoint, yoco_hash *out);
/* At no cost: of the config alone, and of the ids of the files that hold the weights. On one
 * machine, both equal are equal models. Weights that were made here have no file. */
yoco_status yoco_checkpoint_ids(const yoco_checkpoint *checkpoint, yoco_hash *config,
                                yoco_hash *files);
/* Tells the system to read the tensor's file pages ahead. Nothing happens to one that is not
 * mapped. */
void yoco_tensor_expect(const yoco_checkpoint *checkpoint, const yoco_tensor *tensor);
/* Tells the system that the tensor's file pages are not needed any more; its data stays readable.
 * Nothing happens to a tensor that is not mapped. */
void yoco_tensor_release(const yoco_checkpoint *checkpoint, const yoco_tensor *tensor);
/* How many rows of a tensor lie side by side from `row` on, and where. */
static inline int64_t yoco_tensor_run(const yoco_tensor *tensor, int64_t row, const void **data)
{
    const size_t row_bytes = tensor->bytes / (size_t)tensor->shape[0];
    const int64_t group = tensor->group_rows > 0 ? tensor->group_rows : tensor->shape[0];
    int64_t at = row / group * tensor->group_stride + row % group;
    *data = (const char *)tensor->data + (size_t)at * row_bytes;
    return group - row % group;
}
/* Its rows side by side; `out` takes tensor->bytes. */
void yoco_tensor_gather(const yoco_tensor *tensor, void *out);
/* An element of a tensor of F32, BF16 or F16, whose rows all lie side by side. */
static inline float yoco_tensor_element(const yoco_tensor *tensor, int64_t index)
{
    switch (tensor->dtype) {
    case YOCO_BF16:
        return yoco_bf16_to_f32(((const uint16_t *)tensor->data)[index]);
    case YOCO_F16:
        return yoco_f16_to_f32(((const uint16_t *)tensor->data)[index]);
    default:
        return ((const float *)tensor->data)[index];
    }
}
void yoco_checkpoint_close(yoco_checkpoint *checkpoint);

#endif
