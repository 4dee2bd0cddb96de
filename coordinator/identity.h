/* Hashes (XXH3, 128 bits, as 32 hexadecimal digits) by which runs know their inputs again: what is
 * the same gives the same, on any machine. No protection against who means harm. */
#ifndef YOCO_IDENTITY_H
#define YOCO_IDENTITY_H

#include "configs/checkpoint.h"

enum { YOCO_IDENTITY_BYTES = 33 };

void yoco_identity_of(const void *data, size_t size, char out[YOCO_IDENTITY_BYTES]);

/* Of a model: shape, and name, type and values of every tensor. Reads all weights. */
void yoco_identity_of_model(const yoco_checkpoint *checkpoint, char out[YOCO_IDENTITY_BYTES]);

/* Of a model folder's tokenizer: ranks, pattern, special tokens. */
yoco_status yoco_identity_of_tokenizer(const char *folder, char out[YOCO_IDENTITY_BYTES]);

#endif
