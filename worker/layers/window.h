/* Attention over a window, for layers that keep it and layers that read another one's. */
#ifndef YOCO_LAYER_WINDOW_H
#define YOCO_LAYER_WINDOW_H

#include "worker/pass.h"

/* NORM <- attention of rows begin .. end - 1 of a piece over the past's work memory. */
void yoco_window_attend_piece(yoco_pass *p, const float *q, int64_t begin, int64_t end);
/* NORM <- attention of q (n_rows, n_heads, k_dim) over what w->views tell. */
void yoco_window_attend_step(yoco_pass *p, const float *q);

#endif
