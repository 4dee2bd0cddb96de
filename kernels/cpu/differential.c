#include "kernels/cpu/ops_simd.h"
#include "kernels/cpu/tile.h"
#include "kernels/ops_differential.h"

/* Channels i and on of the difference. */
VF_INLINE vf difference(const yoco_differential_args *args, const float *first, int i)
{
    vf second = row_load(first + args->dim + i, args->dim - i);
    return vf_fma(vf_set(-args->lambda), second, row_load(first + i, args->dim - i));
}

/* Lane i sums the squares of channels i, i + VF_LANES, ...; then the lanes. */
static void combine_pair(const yoco_differential_args *args, int64_t pair)
{
    int dim = args->dim;
    const float *first = args->x + 2 * pair * dim;
    vf squares = vf_set(0.0f);
    for (int i = 0; i < dim; i += VF_LANES) {
        vf y = difference(args, first, i);
        squares = vf_fma(y, y, squares);
    }
    vf scale = vf_set(args->scale / norm_root(vf_sum(squares) / (float)dim + args->eps));
    for (int i = 0; i < dim; i += VF_LANES) {
        vf y = difference(args, first, i) * scale * row_load(args->weight + i, dim - i);
        row_store(args->out_dtype, args->out, pair * dim + i, y, dim - i);
    }
}

static void combine(yoco_device *device, const yoco_differential_args *args)
{
    int64_t n_pairs = args->n_rows * args->n_pairs;
#pragma omp parallel for num_threads(yoco_cpu_threads(device, 2 * n_pairs * args->dim))
    for (int64_t pair = 0; pair < n_pairs; pair++)
        combine_pair(args, pair);
}

const yoco_differential_ops YOCO_SIMD(yoco_cpu_differential) = {.combine = combine};
