/* What a decoder-only Transformer of a model's shape would hold: as many layers, all with K and V
 * of their own. For comparisons of memory. */
#ifndef YOCO_TRANSFORMER_H
#define YOCO_TRANSFORMER_H

#include "partition/plan.h"

typedef struct yoco_transformer {
    size_t kv_token_bytes; /* K and V of one token in all layers */
    size_t kv_bytes, weight_bytes;
    size_t total_bytes; /* with the embedding, and the activations of the same plan */
} yoco_transformer;

/* For the plan's context on one rank; sizes saturate at SIZE_MAX. */
yoco_transformer yoco_transformer_make(const yoco_plan *plan);

/* K and V of one token, once for all layers. */
size_t yoco_plan_kv_token_bytes(const yoco_plan *plan);

#endif
