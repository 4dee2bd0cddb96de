/* Attention over a window in a step, for layers that keep it and layers that read another one's. */
#ifndef YOCO_LAYER_WINDOW_H
#define YOCO_LAYER_WINDOW_H

#include "worker/pass.h"

/* NORM <- attention of q (n_rows, n_heads, k_dim) over what w->views tell. */
void yoco_window_attend_step(yoco_pass *p, const float *q);

#endif
