/* Angles of RoPE: from libm, compiled once, so that all instruction sets have the same. */
#include "kernels/cpu/device.h"
#include "kernels/ops_dense.h"

#include <math.h>

void yoco_cpu_rope_table(yoco_device *device, const yoco_rope_table_args *args)
{
    int64_t n = args->n_rows * args->n_freqs;
#pragma omp parallel for num_threads(yoco_cpu_threads(device, n * 64))
    for (int64_t i = 0; i < n; i++) {
        int64_t row = i / args->n_freqs;
        double angle = (double)args->positions[row] * args->frequencies[i % args->n_freqs];
        args->cos[i] = (float)(cos(angle) * args->scale);
        args->sin[i] = (float)(sin(angle) * args->scale);
    }
}
