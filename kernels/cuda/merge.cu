/* The exact merge: integer sums are the same in any order, so atomics may make them. */
#include "kernels/cuda/attend.cuh"

constexpr int FINISH_THREADS = 128;
constexpr int SUM_BLOCKS = 32; /* blocks of K,V whose partials one thread adds up */

/* What a kernel reads and writes: `fixed` and `out` where it uses them, nothing in host memory. */
static yoco_attend_args merge_args(const yoco_attend_args *args, int64_t *fixed, void *out)
{
    yoco_attend_args own = *args;
    own.segments = NULL;
    own.q = NULL;
    own.bad = NULL;
    own.fixed = fixed;
    own.out = out;
    return own;
}

/* 2^exponent for -1022 <= exponent <= 1023. */
__device__ static double power_of_two_f64(int exponent)
{
    return __longlong_as_double((long long)(exponent + 1023) << 52);
}

/* Products by powers of two are exact in f64, so this rounds once, half to even. */
__device__ static int64_t fix(float x, int exponent)
{
    return __double2ll_rn((double)x * power_of_two_f64(exponent));
}

/* A block for SUM_BLOCKS partials of a (query, head); a thread for l, or for each channel of o. */
__global__ void merge_sum_kernel(yoco_attend_args args, segment_list list)
{
    const device_segment *s = find_segment(list, blockIdx.x);
    /* 32 bits: a GPU divides 64 in a function of its own. */
    unsigned task = blockIdx.x - (unsigned)s->first_task, n_heads = (unsigned)args.n_heads;
    unsigned head = task % n_heads, n_queries = (unsigned)s->segment.n_queries;
    unsigned in_segment = task / n_heads % n_queries;
    int first = (int)(task / n_heads / n_queries) * SUM_BLOCKS;
    int end = first + SUM_BLOCKS < s->n_blocks ? first + SUM_BLOCKS : (int)s->n_blocks;
    int64_t row = (s->segment.first_query + in_segment) * n_heads + head;
    int64_t partial = (s->segment.first_partial + in_segment) * n_heads + head;
    int64_t step = (int64_t)n_queries * n_heads; /* from block to block */
    float global_max = args.global_max[row];
    const int *o_exponent =
        args.o_exponent + head / (n_heads / (unsigned)args.n_v_heads) * args.v_dim;
    for (int j = threadIdx.x; j <= args.v_dim; j += blockDim.x) {
        int exponent = j == 0 ? args.l_exponent : o_exponent[j - 1];
        uint64_t sum = 0; /* wraps where values are not finite */
#pragma unroll 8
        for (int b = first; b < end; b++) {
            int64_t at = partial + b * step;
            /* A shift below this bound leaves nothing of any partial. */
            int shift = (int)fmaxf(args.max[at] - global_max, -800.0f);
            float x = j == 0 ? args.sum[at] : args.partial[at * args.v_dim + j - 1];
            sum += (uint64_t)fix(x, shift + exponent);
        }
        atomicAdd((unsigned long long *)&args.fixed[row * (1 + args.v_dim) + j],
                  (unsigned long long)sum);
    }
}

static void merge_sum(yoco_device *device, const yoco_attend_args *args)
{
    segment_list list;
    int64_t n = args->n_queries * args->n_heads * (1 + args->v_dim);
    yoco_cuda_zero(device, args->fixed, (size_t)n * sizeof(int64_t));
    auto n_tasks = [=](int64_t n_blocks, int64_t n_queries) {
        return yoco_div_up(n_blocks, SUM_BLOCKS) * n_queries * args->n_heads;
    };
    if (yoco_cuda_send_segments(device, SEGMENTS_SUM, args, n_tasks, 0, &list))
        YOCO_LAUNCH(merge_sum_kernel, (unsigned)list.n_tasks, 160, 0, device->stream,
                    merge_args(args, args->fixed, NULL), list);
}

/* A block for each (query, head). */
__global__ void merge_finish_kernel(yoco_attend_args args)
{
    int64_t row = blockIdx.x;
    unsigned group = (unsigned)(args.n_heads / args.n_v_heads);
    const int64_t *fixed = args.fixed + row * (1 + args.v_dim);
    const int *exponents =
        args.o_exponent + blockIdx.x % (unsigned)args.n_heads / group * args.v_dim;
    double l = (double)fixed[0] * power_of_two_f64(-args.l_exponent);
    for (int j = threadIdx.x; j < args.v_dim; j += blockDim.x) {
        double o = (double)fixed[1 + j] * power_of_two_f64(-exponents[j]);
        store_value(args.out_dtype, args.out, row * args.v_dim + j,
                    fixed[0] == 0 ? 0.0f : (float)(o / l));
    }
}

static void merge_finish(yoco_device *device, const yoco_attend_args *args)
{
    if (args->n_queries > 0)
        YOCO_LAUNCH(merge_finish_kernel, (unsigned)(args->n_queries * args->n_heads),
                    FINISH_THREADS, 0, device->stream, merge_args(args, args->fixed, args->out));
}

const yoco_attend_ops yoco_cuda_attend = {
    .partials = yoco_cuda_attend_partials,
    .merge_sum = merge_sum,
    .merge_finish = merge_finish,
};
