/* The exact merge of attend's partials: integers, so the same bits as every other backend's. */
#include "kernels/cpu/simd.h"

#include <math.h>
#include <string.h>

/* Partials of one query in one segment: index first + block * stride, for n_blocks blocks. */
typedef struct partial_run {
    int64_t first, stride, n_blocks;
} partial_run;

static partial_run segment_run(const yoco_kv_segment *segment, int64_t query)
{
    int64_t in_segment = query - segment->first_query;
    if (in_segment < 0 || in_segment >= segment->n_queries)
        return (partial_run){0};
    return (partial_run){segment->first_partial + in_segment, segment->n_queries,
                         yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows)};
}

/* The partial of block `block` of a run, for one head; asks for one that is AHEAD blocks away,
 * since they lie too far apart for the processor to foresee. */
static int64_t partial_at(const yoco_attend_args *args, const partial_run *run, int64_t block,
                          int64_t head)
{
    enum { AHEAD = 4, LINE = 64 };
    int64_t at = (run->first + block * run->stride) * args->n_heads + head;
    if (block + AHEAD < run->n_blocks) {
        int64_t next = at + AHEAD * run->stride * args->n_heads;
        const char *o = (const char *)(args->partial + next * args->v_dim);
        __builtin_prefetch(args->max + next);
        __builtin_prefetch(args->sum + next);
        for (size_t i = 0; i < (size_t)args->v_dim * sizeof(float); i += LINE)
            __builtin_prefetch(o + i);
    }
    return at;
}

/* Over all partials, in multiplications or so. */
static int64_t merge_work(const yoco_attend_args *args)
{
    int64_t n = 0;
    for (int i = 0; i < args->n_segments; i++) {
        const yoco_kv_segment *segment = &args->segments[i];
        n += yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows) * segment->n_queries;
    }
    return n * args->n_heads * args->v_dim;
}

static bool all_finite(const float *x, int64_t n)
{
    const uint32_t exponent = 0x7f800000u;
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return !bad;
}

/* The maximum over a (query, head)'s partials; false if one of them is not finite. */
static bool max_of(const yoco_attend_args *args, int64_t query, int64_t head, float *out)
{
    bool finite = true;
    float max = -INFINITY;
    for (int i = 0; i < args->n_segments; i++) {
        partial_run run = segment_run(&args->segments[i], query);
        for (int64_t b = 0; b < run.n_blocks; b++) {
            int64_t at = partial_at(args, &run, b, head);
            finite = finite && all_finite(args->max + at, 1) && all_finite(args->sum + at, 1) &&
                     all_finite(args->partial + at * args->v_dim, args->v_dim);
            max = fmaxf(max, args->max[at]);
        }
    }
    *out = max;
    return finite;
}

static void partials(yoco_device *device, const yoco_attend_args *args)
{
    int bad = 0;
    device->simd->attend_partials(device, args);
    int n_threads = yoco_cpu_threads(device, merge_work(args));
#pragma omp parallel for num_threads(n_threads) reduction(| : bad)
    for (int64_t i = 0; i < args->n_queries * args->n_heads; i++)
        bad |= !max_of(args, i / args->n_heads, i % args->n_heads, &args->global_max[i]);
    *args->bad |= bad;
}

/* 2^exponent for -1022 <= exponent <= 1023. */
static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void add_partial(const yoco_device *device, const yoco_attend_args *args, int64_t at,
                        int64_t head, float global_max, int64_t *fixed)
{
    int group = args->n_heads / args->n_v_heads;
    const int *o_exponent = args->o_exponent + head / group * args->v_dim;
    /* A shift below this bound leaves nothing of any partial. */
    int shift = (int)fmaxf(args->max[at] - global_max, -800.0f);
    device->simd->add_fixed(&args->sum[at], &args->l_exponent, shift, 1, fixed);
    device->simd->add_fixed(args->partial + at * args->v_dim, o_exponent, shift, args->v_dim,
                            fixed + 1);
}

static void merge_sum(yoco_device *device, const yoco_attend_args *args)
{
    int n_threads = yoco_cpu_threads(device, merge_work(args));
    int64_t n_fixed = 1 + args->v_dim;
#pragma omp parallel for num_threads(n_threads)
    for (int64_t i = 0; i < args->n_queries * args->n_heads; i++) {
        int64_t *fixed = args->fixed + i * n_fixed;
        int64_t query = i / args->n_heads, head = i % args->n_heads;
        memset(fixed, 0, (size_t)n_fixed * sizeof *fixed);
        for (int s = 0; s < args->n_segments; s++) {
            partial_run run = segment_run(&args->segments[s], query);
            for (int64_t b = 0; b < run.n_blocks; b++) {
                int64_t at = partial_at(args, &run, b, head);
                add_partial(device, args, at, head, args->global_max[i], fixed);
            }
        }
    }
}

static void finish_head(const yoco_attend_args *args, int64_t i)
{
    int group = args->n_heads / args->n_v_heads;
    const int64_t *fixed = args->fixed + i * (1 + args->v_dim);
    const int *exponent = args->o_exponent + i % args->n_heads / group * args->v_dim;
    double l = (double)fixed[0] * power_of_two(-args->l_exponent);
    for (int j = 0; j < args->v_dim; j++) {
        double o = (double)fixed[1 + j] * power_of_two(-exponent[j]);
        float value = fixed[0] == 0 ? 0.0f : (float)(o / l);
        int64_t at = i * args->v_dim + j;
        if (args->out_dtype == YOCO_F32)
            ((float *)args->out)[at] = value;
        else
            ((uint16_t *)args->out)[at] = yoco_f32_to_bf16(value);
    }
}

static void merge_finish(yoco_device *device, const yoco_attend_args *args)
{
    int64_t n = args->n_queries * args->n_heads;
    int n_threads = yoco_cpu_threads(device, n * args->v_dim);
#pragma omp parallel for num_threads(n_threads)
    for (int64_t i = 0; i < n; i++)
        finish_head(args, i);
}

const yoco_attend_ops yoco_cpu_attend = {
    .partials = partials,
    .merge_sum = merge_sum,
    .merge_finish = merge_finish,
};
