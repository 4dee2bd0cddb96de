/* The draw op on one row of host memory; see kernels.h. */
#ifndef YOCO_DRAW_H
#define YOCO_DRAW_H

#include "kernels/kernels.h"

int32_t yoco_draw_row(const yoco_draw_args *args, int64_t row);

#endif
