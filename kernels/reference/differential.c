#include "kernels/ops_differential.h"
#include "kernels/reference/reference.h"

#include <math.h>

static void combine(yoco_device *device, const yoco_differential_args *args)
{
    (void)device;
    for (int64_t pair = 0; pair < args->n_rows * args->n_pairs; pair++) {
        const float *first = args->x + 2 * pair * args->dim, *second = first + args->dim;
        double squares = 0;
        for (int i = 0; i < args->dim; i++) {
            double y = first[i] - (double)args->lambda * second[i];
            squares += y * y;
        }
        double root = sqrt(squares / args->dim + args->eps);
        for (int i = 0; i < args->dim; i++) {
            double y = first[i] - (double)args->lambda * second[i];
            reference_store(args->out_dtype, args->out, pair * args->dim + i,
                            (float)(args->scale * y / root * args->weight[i]));
        }
    }
}

const yoco_differential_ops yoco_reference_differential = {.combine = combine};
