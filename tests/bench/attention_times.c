/* Attention over all rows before, timed on one thread, beside what the core's f32 multiply-adds can
 * do: attention_times HEADS KV_HEADS HEAD_DIM QUERIES HISTORY [bf16|f32 [ISA [RUNS]]].
 *
 * The queries are a chunk's; its history comes in runs of as many rows. Prints medians: seconds,
 * GFLOP/s, the peak's GFLOP/s, the part. 4 head_dim flops for each head, query and row it sees.
 * The peak is measured in turns with the op: multiply-adds on registers, as many chains as hide
 * their latency. attention_times.py does the same with PyTorch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "coordinator/timing/spread.h"
#include "kernels/ops_causal.h"

enum { MAX_RUNS = 101, PEAK_STEPS = 1 << 23, CHAINS = 16 };

typedef struct attention {
    int n_heads, n_kv_heads, head_dim;
    int64_t n_queries, history;
    yoco_device_options options;
    yoco_device *device;
    float *q, *max, *sum, *partial;
    void *k, *v, *out;
} attention;

/* Of this process: other programs may use the machine. */
static double processor_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Flops of `steps` multiply-adds of every chain. No two chains are equal, and what they made is
 * stored: else the compiler would leave some out. */
typedef double peak_fn(int64_t steps, float *made);

static double peak_portable(int64_t steps, float *made)
{
    typedef float vector __attribute__((vector_size(16)));
    vector sum[CHAINS], a = {1, 1, 1, 1}, b = {2, 2, 2, 2};
    for (int j = 0; j < CHAINS; j++)
        sum[j] = a * (float)j;
    for (int64_t i = 0; i < steps; i++)
        for (int j = 0; j < CHAINS; j++)
            sum[j] = sum[j] * a + b;
    for (int j = 0; j < CHAINS; j++)
        *made += sum[j][0];
    return 2.0 * 4 * CHAINS * (double)steps;
}

#ifdef __x86_64__
__attribute__((target("avx2,fma"))) static double peak_avx2(int64_t steps, float *made)
{
    __m256 sum[CHAINS], a = _mm256_set1_ps(*made), b = _mm256_set1_ps(2);
    for (int j = 0; j < CHAINS - 4; j++)
        sum[j] = _mm256_set1_ps((float)j);
    for (int64_t i = 0; i < steps; i++)
#pragma GCC unroll 16
        for (int j = 0; j < CHAINS - 4; j++)
            sum[j] = _mm256_fmadd_ps(sum[j], a, b);
    for (int j = 0; j < CHAINS - 4; j++)
        *made += sum[j][0];
    return 2.0 * 8 * (CHAINS - 4) * (double)steps;
}

__attribute__((target("avx512f"))) static double peak_avx512(int64_t steps, float *made)
{
    __m512 sum[CHAINS], a = _mm512_set1_ps(*made), b = _mm512_set1_ps(2);
    for (int j = 0; j < CHAINS; j++)
        sum[j] = _mm512_set1_ps((float)j);
    for (int64_t i = 0; i < steps; i++)
#pragma GCC unroll 16
        for (int j = 0; j < CHAINS; j++)
            sum[j] = _mm512_fmadd_ps(sum[j], a, b);
    for (int j = 0; j < CHAINS; j++)
        *made += sum[j][0];
    return 2.0 * 16 * CHAINS * (double)steps;
}
#endif

static peak_fn *choose_peak(yoco_isa isa)
{
#ifdef __x86_64__
    if (isa >= YOCO_ISA_AVX512)
        return peak_avx512;
    if (isa >= YOCO_ISA_AVX2)
        return peak_avx2;
#endif
    (void)isa;
    return peak_portable;
}

static double peak_flop_s(yoco_isa isa)
{
    volatile float stored = 0.5f;
    float made = stored;
    double start = processor_s(), flops = choose_peak(isa)(PEAK_STEPS, &made);
    double seconds = processor_s() - start;
    stored = made;
    return flops / seconds;
}

/* Uniform in +-scale, in the dtype. */
static void *random_rows(int64_t n, yoco_dtype dtype, float scale)
{
    static uint64_t state = 1;
    void *rows = malloc((size_t)n * yoco_dtype_bytes(dtype));
    if (!rows) {
        fprintf(stderr, "attention_times: no memory\n");
        exit(1);
    }
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        float x = scale * (float)((double)(state >> 40) / (1 << 23) - 1);
        if (dtype == YOCO_BF16)
            ((uint16_t *)rows)[i] = yoco_f32_to_bf16(x);
        else
            ((float *)rows)[i] = x;
    }
    return rows;
}

static void prepare(attention *a)
{
    int64_t n_heads = a->n_queries * a->n_heads, n_out = n_heads * a->head_dim;
    int64_t n_kv = (a->history + a->n_queries) * a->n_kv_heads * a->head_dim;
    a->q = random_rows(n_out, YOCO_F32, 3);
    a->max = random_rows(n_heads, YOCO_F32, 1);
    a->sum = random_rows(n_heads, YOCO_F32, 1);
    a->partial = random_rows(n_out, YOCO_F32, 1);
    a->out = random_rows(n_out, a->options.dtype, 1);
    a->k = random_rows(n_kv, a->options.dtype, 1);
    a->v = random_rows(n_kv, a->options.dtype, 1);
}

/* Seconds of one chunk over its history and itself. */
static double attend(const attention *a)
{
    size_t row = (size_t)(a->n_kv_heads * a->head_dim) * yoco_dtype_bytes(a->options.dtype);
    int64_t n_rows = a->history + a->n_queries;
    double start = processor_s();
    for (int64_t first = 0, n; first < n_rows; first += n) {
        n = yoco_i64_min(a->n_queries, first < a->history ? a->history - first : n_rows - first);
        yoco_causal_args args = {
            .n_queries = a->n_queries,
            .n_rows = n,
            .diagonal = first < a->history ? n : 0,
            .n_heads = a->n_heads,
            .n_kv_heads = a->n_kv_heads,
            .n_v_heads = a->n_kv_heads,
            .head_dim = a->head_dim,
            .v_dim = a->head_dim,
            .scale_log2 = 0.18f,
            .first = first == 0,
            .last = first == a->history,
            .q = a->q,
            .kv_dtype = a->options.dtype,
            .k = (const char *)a->k + (size_t)first * row,
            .v = (const char *)a->v + (size_t)first * row,
            .max = a->max,
            .sum = a->sum,
            .partial = a->partial,
            .out_dtype = a->options.dtype,
            .out = a->out,
        };
        yoco_cpu_ops.causal->attend(a->device, &args);
    }
    return processor_s() - start;
}

static void measure(const attention *a, int n_runs)
{
    double seconds[MAX_RUNS], peaks[MAX_RUNS];
    double queries = (double)a->n_queries;
    double pairs = queries * (double)a->history + queries * (queries + 1) / 2;
    double flops = 4.0 * a->n_heads * a->head_dim * pairs;
    attend(a);
    for (int i = 0; i < n_runs; i++) {
        peaks[i] = peak_flop_s(a->options.isa);
        seconds[i] = attend(a);
    }
    yoco_spread spread = yoco_spread_make(seconds, n_runs), peak = yoco_spread_make(peaks, n_runs);
    printf("%.4f s %.1f GFLOP/s, peak %.1f GFLOP/s, %.1f %%; at best %.4f s, %.1f %%\n",
           spread.median, 1e-9 * flops / spread.median, 1e-9 * peak.median,
           100 * flops / spread.median / peak.median, spread.min,
           100 * flops / spread.min / peak.max);
}

static int64_t number(const char *text)
{
    char *end;
    long long n = strtoll(text, &end, 10);
    if (*end || n < 1 || n > 1 << 24) {
        fprintf(stderr, "attention_times: '%s' is no number from 1 to %d\n", text, 1 << 24);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 6 || argc > 9) {
        fprintf(stderr, "usage: attention_times HEADS KV_HEADS HEAD_DIM QUERIES HISTORY [bf16|f32 "
                        "[ISA [RUNS]]]\n");
        return 2;
    }
    attention a = {.n_heads = (int)number(argv[1]),
                   .n_kv_heads = (int)number(argv[2]),
                   .head_dim = (int)number(argv[3]),
                   .n_queries = number(argv[4]),
                   .history = number(argv[5]),
                   .options = {.n_threads = 1, .isa = yoco_isa_detect(), .dtype = YOCO_BF16}};
    int64_t n_runs = argc > 8 ? number(argv[8]) : 5;
    if (argc > 6)
        a.options.dtype = strcmp(argv[6], "f32") == 0 ? YOCO_F32 : YOCO_BF16;
    if (argc > 7 && strcmp(argv[7], "auto") != 0 && !yoco_isa_find(argv[7], &a.options.isa)) {
        fprintf(stderr,
                "attention_times: no instruction set is called '%s': auto, portable, avx2, avx512, "
                "avx512_bf16\n",
                argv[7]);
        return 2;
    }
    if (n_runs > MAX_RUNS || a.n_heads % a.n_kv_heads != 0 || a.options.isa > yoco_isa_detect()) {
        fprintf(stderr,
                "attention_times: at most %d runs, KV_HEADS divides HEADS, and ISA is one "
                "that this processor has\n",
                MAX_RUNS);
        return 2;
    }
    if (yoco_cpu_ops.open(&a.options, &a.device) != YOCO_OK)
        return 1;
    prepare(&a);
    measure(&a, (int)n_runs);
    yoco_cpu_ops.close(a.device);
    void *const rows[] = {a.q, a.max, a.sum, a.partial, a.out, a.k, a.v};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        free(rows[i]);
    return 0;
}
