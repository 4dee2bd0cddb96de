/* The exact merge of attend's partials. Its results are integers, and their quotients: every
 * backend must give these bits. */
#include "kernels/reference/reference.h"

#include <math.h>

typedef void visit_fn(const yoco_attend_args *args, int64_t partial, int64_t query);

static void each_partial(const yoco_attend_args *args, visit_fn *visit)
{
    for (int i = 0; i < args->n_segments; i++) {
        const yoco_kv_segment *segment = &args->segments[i];
        int64_t n_blocks = yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows);
        for (int64_t p = 0; p < n_blocks * segment->n_queries; p++)
            visit(args, segment->first_partial + p, segment->first_query + p % segment->n_queries);
    }
}

static void visit_max(const yoco_attend_args *args, int64_t partial, int64_t query)
{
    for (int head = 0; head < args->n_heads; head++) {
        int64_t at = partial * args->n_heads + head;
        float *max = &args->global_max[query * args->n_heads + head];
        if (!isfinite(args->max[at]) || !isfinite(args->sum[at]))
            *args->bad = 1;
        for (int j = 0; j < args->v_dim; j++) {
            if (!isfinite(args->partial[at * args->v_dim + j]))
                *args->bad = 1;
        }
        *max = fmaxf(*max, args->max[at]);
    }
}

static void partials(yoco_device *device, const yoco_attend_args *args)
{
    (void)device;
    reference_attend_partials(args);
    for (int64_t i = 0; i < args->n_queries * args->n_heads; i++)
        args->global_max[i] = -INFINITY;
    each_partial(args, visit_max);
}

/* Exact but for the one rounding, half to even, of llrint in the default rounding mode. */
static int64_t fix(float value, int exponent)
{
    return llrint(ldexp(value, exponent));
}

/* Wraps where values are not finite. */
static void add_fixed(int64_t *fixed, int64_t value)
{
    *fixed = (int64_t)((uint64_t)*fixed + (uint64_t)value);
}

static void visit_sum(const yoco_attend_args *args, int64_t partial, int64_t query)
{
    int group = args->n_heads / args->n_v_heads;
    for (int head = 0; head < args->n_heads; head++) {
        int64_t at = partial * args->n_heads + head;
        int64_t out = query * args->n_heads + head;
        int64_t *fixed = args->fixed + out * (1 + args->v_dim);
        /* Where the bound holds, the partial is far below the last bit of the fixed point. */
        int shift = (int)fmaxf(args->max[at] - args->global_max[out], -1000.0f);
        add_fixed(fixed, fix(args->sum[at], shift + args->l_exponent));
        for (int j = 0; j < args->v_dim; j++)
            add_fixed(fixed + 1 + j, fix(args->partial[at * args->v_dim + j],
                                         shift + args->o_exponent[head / group * args->v_dim + j]));
    }
}

static void merge_sum(yoco_device *device, const yoco_attend_args *args)
{
    (void)device;
    for (int64_t i = 0; i < args->n_queries * args->n_heads * (1 + args->v_dim); i++)
        args->fixed[i] = 0;
    each_partial(args, visit_sum);
}

static void merge_finish(yoco_device *device, const yoco_attend_args *args)
{
    (void)device;
    int group = args->n_heads / args->n_v_heads;
    for (int64_t i = 0; i < args->n_queries * args->n_heads; i++) {
        const int64_t *fixed = args->fixed + i * (1 + args->v_dim);
        const int *exponent = args->o_exponent + i % args->n_heads / group * args->v_dim;
        double l = ldexp((double)fixed[0], -args->l_exponent);
        for (int j = 0; j < args->v_dim; j++) {
            double o = ldexp((double)fixed[1 + j], -exponent[j]);
            reference_store(args->out_dtype, args->out, i * args->v_dim + j,
                            fixed[0] == 0 ? 0.0f : (float)(o / l));
        }
    }
}

const yoco_attend_ops yoco_reference_attend = {
    .partials = partials,
    .merge_sum = merge_sum,
    .merge_finish = merge_finish,
};
