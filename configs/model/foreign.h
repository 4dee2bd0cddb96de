/* Weights in formats of others, where a model folder has no safetensors. */
#ifndef YOCO_FOREIGN_H
#define YOCO_FOREIGN_H

#include "base.h"

enum { YOCO_FOREIGN_TEXT = 640 };

/* For the end of an error line about what `folder` lacks: which weights it holds in their place and
 * what to do, "; it holds model.gguf, weights in the GGUF format: ...", or which folder in it has a
 * model; else empty. */
void yoco_foreign_weights(const char *folder, char text[YOCO_FOREIGN_TEXT]);

#endif
