/* The check that all ranks have opened the same model, wherever it lies on each machine. */
#ifndef YOCO_SAME_MODEL_H
#define YOCO_SAME_MODEL_H

#include "comm/comm.h"
#include "configs/model/checkpoint.h"

/* Collective: YOCO_ERR_DATA, in one line, where a rank's config, tokenizer (0: none) or weights are
 * not rank 0's. Weights are read only where their files are not known to be the same, by one rank
 * for each file; *weights is then yoco_checkpoint_hash, on every rank, and *hashed true. */
yoco_status yoco_same_model(yoco_comm *comm, const char *model, const yoco_checkpoint *checkpoint,
                            yoco_hash tokenizer, yoco_hash *weights, bool *hashed);

#endif
