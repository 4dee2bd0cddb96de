/* Attention of a chunk over the rows of all positions, for layers that read another one's. */
#ifndef YOCO_LAYER_ATTENTION_H
#define YOCO_LAYER_ATTENTION_H

#include "worker/pass.h"

/* See mix_all of yoco_layer_ops. */
yoco_status yoco_attention_mix_shared(yoco_pass *p);

#endif
