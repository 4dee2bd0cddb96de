/* The choice of a token, row by row. */
#include "kernels/argmax.h"
#include "kernels/cpu/device.h"
#include "kernels/draw.h"

static void argmax(yoco_device *device, const yoco_argmax_args *args)
{
    int n_threads = yoco_cpu_threads(device, args->n_rows * args->n);
#pragma omp parallel for num_threads(n_threads)
    for (int64_t row = 0; row < args->n_rows; row++)
        args->out[row] = yoco_argmax_row(args, row);
}

/* One row after the other: they share the scratch. */
static void draw(yoco_device *device, const yoco_draw_args *args)
{
    (void)device;
    for (int64_t row = 0; row < args->n_rows; row++)
        args->out[row] = yoco_draw_row(args, row);
}

const yoco_choose_ops yoco_cpu_choose = {
    .argmax = argmax,
    .draw = draw,
};
