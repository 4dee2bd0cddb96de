/* The draw op on one row of host memory; see ops_choose.h. */
#ifndef YOCO_DRAW_H
#define YOCO_DRAW_H

#include "kernels/ops_choose.h"

int32_t yoco_draw_row(const yoco_draw_args *args, int64_t row);

#endif
