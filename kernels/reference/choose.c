/* The choice of a token, row by row. */
#include "kernels/argmax.h"
#include "kernels/draw.h"
#include "kernels/reference/reference.h"

static void argmax(yoco_device *device, const yoco_argmax_args *args)
{
    (void)device;
    for (int64_t row = 0; row < args->n_rows; row++)
        args->out[row] = yoco_argmax_row(args, row);
}

static void draw(yoco_device *device, const yoco_draw_args *args)
{
    (void)device;
    for (int64_t row = 0; row < args->n_rows; row++)
        args->out[row] = yoco_draw_row(args, row);
}

const yoco_choose_ops yoco_reference_choose = {
    .argmax = argmax,
    .draw = draw,
};
