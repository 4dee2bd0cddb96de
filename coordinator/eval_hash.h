/* What tells one model or haystack from another: xxh3-128 in 32 lower-case hex digits. */
#ifndef YOCO_EVAL_HASH_H
#define YOCO_EVAL_HASH_H

#include "base.h"

enum { YOCO_EVAL_HASH_SIZE = 33 }; /* with the NUL */

void yoco_eval_hash_bytes(const void *data, size_t size, char out[YOCO_EVAL_HASH_SIZE]);

/* Of the names and contents of everything in a model folder that ends in .json, .safetensors or
 * .tiktoken: shape, weights, tokenizer. */
yoco_status yoco_eval_hash_model(const char *folder, char out[YOCO_EVAL_HASH_SIZE]);

#endif
