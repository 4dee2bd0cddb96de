/* Softmax attention of one query's head over a run of rows, by one block, for heads of any size and
 * both dtypes: decode windows, and what the kernels on tensor cores do not take. */
#ifndef YOCO_CUDA_RUN_CUH
#define YOCO_CUDA_RUN_CUH

#include "kernels/cuda/values.cuh"
#include "kernels/ops_window.h"

constexpr int RUN_THREADS = 128;
constexpr int RUN_KEYS = 128;
constexpr int RUN_WARPS = RUN_THREADS / WARP;

struct kv_run {
    yoco_window_view view; /* of whole rows */
    yoco_dtype dtype;
    int64_t k_size, k_first, v_size,
        v_first; /* elements of a row, and where the head begins in it */
    int head_dim, v_dim;
    float scale_log2;
};

/* What query head `head` of an op reads; the rows are the caller's to add. */
template <typename Args> __device__ inline kv_run run_of(const Args &args, int head)
{
    int v_head = head / (args.n_heads / args.n_v_heads), shared = args.n_kv_heads / args.n_v_heads;
    kv_run run = {};
    run.dtype = args.kv_dtype;
    run.k_size = (int64_t)args.n_kv_heads * args.head_dim;
    run.k_first = (int64_t)(v_head * shared + head % shared) * args.head_dim;
    run.v_size = (int64_t)args.n_v_heads * args.v_dim;
    run.v_first = (int64_t)v_head * args.v_dim;
    run.head_dim = args.head_dim;
    run.v_dim = args.v_dim;
    run.scale_log2 = args.scale_log2;
    return run;
}

struct run_memory {
    float *q;      /* (head_dim, rounded up to 8) */
    float *values; /* (v_dim): sum of 2^(score - max) v */
    float *scores; /* (RUN_KEYS) */
    float *warps;  /* (2, RUN_WARPS) */
};

static inline size_t run_bytes(int head_dim, int v_dim)
{
    return sizeof(float) * (size_t)(yoco_round_up(head_dim, 8) + v_dim + RUN_KEYS + 2 * RUN_WARPS);
}

__device__ inline run_memory run_cut(unsigned char *shared, int head_dim, int v_dim)
{
    run_memory m;
    m.q = (float *)shared;
    m.values = m.q + (head_dim + 7) / 8 * 8;
    m.scores = m.values + v_dim;
    m.warps = m.scores + RUN_KEYS;
    return m;
}

/* The head's part of row `row`, `first` elements from its begin; parts: the view's k or v. No index
 * into arrays: registers have none. */
__device__ inline const char *run_row(const kv_run &run, const void *const (&parts)[3],
                                      int64_t row_size, int64_t head_first, int64_t row)
{
    int64_t first = run.view.n_rows[0], second = first + run.view.n_rows[1];
    const void *part = row < first ? parts[0] : row < second ? parts[1] : parts[2];
    row -= row < first ? 0 : row < second ? first : second;
    int64_t element = run.dtype == YOCO_BF16 ? 2 : 4;
    return in_global((const char *)part + (row * row_size + head_first) * element);
}

/* Eight lanes per key. */
__device__ inline void run_scores(const kv_run &run, const run_memory &m, int64_t first, int n)
{
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    for (int base = 0; base < n; base += RUN_WARPS * 4) {
        int key = base + warp * 4 + lane / 8;
        float sum = 0.0f, k[8];
        if (key < n) {
            const char *row = run_row(run, run.view.k, run.k_size, run.k_first, first + key);
            for (int i = lane % 8 * 8; i < run.head_dim; i += 64) {
                load_8(run.dtype, row, i, run.head_dim, k);
                for (int j = 0; j < 8; j++)
                    sum = fmaf(m.q[i + j], k[j], sum);
            }
        }
        for (int mask = 4; mask > 0; mask /= 2)
            sum += __shfl_xor_sync(ALL_LANES, sum, mask);
        if (lane % 8 == 0 && key < n)
            m.scores[key] = sum;
    }
}

/* Scores become weights; *max rises, *sum follows. Gives the factor for the values so far. A NaN
 * does not raise the maximum, but it reaches the sum. */
__device__ inline float run_weights(const run_memory &m, int n, float *max, float *sum)
{
    int key = threadIdx.x, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    float score = key < n ? m.scores[key] : -INFINITY;
    float warp_top = warp_max(score);
    if (lane == 0)
        m.warps[warp] = warp_top;
    __syncthreads();
    float top = *max;
    for (int i = 0; i < RUN_WARPS; i++)
        top = fmaxf(top, ceilf(m.warps[i]) + 0.0f); /* + 0: -0 becomes 0 */
    float factor = top > *max ? power_of_two(*max - top) : 1.0f;
    float weight = key < n ? exp2f(score - top) : 0.0f;
    float total = warp_sum(weight);
    if (lane == 0)
        m.warps[RUN_WARPS + warp] = total;
    m.scores[key] = weight;
    __syncthreads();
    *max = top;
    *sum *= factor;
    for (int i = 0; i < RUN_WARPS; i++)
        *sum += m.warps[RUN_WARPS + i];
    return factor;
}

__device__ inline void run_values(const kv_run &run, const run_memory &m, int64_t first, int n,
                                  float factor)
{
    for (int j = threadIdx.x; j < run.v_dim; j += RUN_THREADS) {
        float sum = m.values[j] * factor;
#pragma unroll 8
        for (int key = 0; key < n; key++)
            sum =
                fmaf(m.scores[key],
                     load_value(run.dtype,
                                run_row(run, run.view.v, run.v_size, run.v_first, first + key), j),
                     sum);
        m.values[j] = sum;
    }
}

__device__ inline void run_load_query(const kv_run &run, const float *q, const run_memory &m)
{
    for (int i = threadIdx.x; i < (run.head_dim + 7) / 8 * 8; i += RUN_THREADS)
        m.q[i] = i < run.head_dim ? q[i] * run.scale_log2 : 0.0f;
}

/* On top of *max, *sum and m.values, of which each thread has made channels threadIdx.x +
 * i * RUN_THREADS, and may read them afterwards. By all RUN_THREADS threads, with the query loaded.
 */
__device__ inline void run_walk(const kv_run &run, const run_memory &m, float *max, float *sum)
{
    int64_t n_rows = run.view.n_rows[0] + run.view.n_rows[1] + run.view.n_rows[2];
    for (int64_t first = 0; first < n_rows; first += RUN_KEYS) {
        int n = n_rows - first < RUN_KEYS ? (int)(n_rows - first) : RUN_KEYS;
        __syncthreads();
        run_scores(run, m, first, n);
        __syncthreads();
        float factor = run_weights(m, n, max, sum);
        run_values(run, m, first, n, factor);
    }
}

/* Of the rows alone. */
__device__ inline void run_attend(const kv_run &run, const float *q, const run_memory &m,
                                  float *max, float *sum)
{
    run_load_query(run, q, m);
    for (int i = threadIdx.x; i < run.v_dim; i += RUN_THREADS)
        m.values[i] = 0.0f;
    *max = -INFINITY;
    *sum = 0.0f;
    run_walk(run, m, max, sum);
}

__device__ inline void store_head(const kv_run &run, const run_memory &m, float sum,
                                  yoco_dtype out_dtype, void *out, int64_t at)
{
    for (int j = threadIdx.x; j < run.v_dim; j += RUN_THREADS)
        store_value(out_dtype, out, at + j, m.values[j] / sum);
}

#endif
