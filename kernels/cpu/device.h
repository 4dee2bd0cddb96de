/* The fast CPU backend's own types, shared by the sources of this folder.
 *
 * Bits: every task (a slab and a block of columns, a head and a tile of queries, a block of K,V, a
 * row) is computed by one thread in a fixed order, so the number of threads cannot change them.
 * Sums over threads do not exist.
 *
 * Memory: scratch is one buffer per thread, grown by the first call that needs more and kept, so
 * that a loop of equal calls allocates once. */
#ifndef YOCO_CPU_DEVICE_H
#define YOCO_CPU_DEVICE_H

#include "kernels/ops_dense.h"

enum {
    PANEL_COLUMNS = 64, /* columns of a packed panel of weights */
    COLUMN_BLOCK = 128, /* columns of a prefill task: two panels, one run of memory */
    ROWS_PER_PASS = 64, /* rows that linear_rows takes through the weights at once */
};

typedef struct yoco_simd yoco_simd;
typedef struct yoco_gemm_cache yoco_gemm_cache;
typedef struct yoco_gemm yoco_gemm;

struct yoco_device {
    yoco_device_options options;
    const yoco_simd *simd;
    yoco_gemm_cache *gemms; /* NULL where this ISA does not use oneDNN */
    char *scratch;          /* (n_threads, scratch_bytes) */
    size_t scratch_bytes;
    yoco_status status; /* the first failure since the last synchronize */
};

/* LINEAR: panels of 64 outputs each, zeros beyond n_out and n_in; a panel is (depth, 64) in f32,
 * depth a multiple of 16, or (depth / 2, 64, 2) in bf16, depth a multiple of 32. These are oneDNN's
 * BA16a64b and BA16a64b2a, so that its GEMMs and our own kernels read the same copy.
 * EMBEDDING: the checkpoint's data, of any alignment. */
struct yoco_weight {
    yoco_dtype dtype;
    int64_t n_out, n_in, depth;
    const void *data;
    void *owned;           /* what to free, NULL for EMBEDDING */
    const yoco_gemm *gemm; /* for COLUMN_BLOCK columns; NULL without oneDNN */
    const yoco_gemm *tail; /* for a last block of one panel; NULL without oneDNN */
};

static inline const char *weight_panel(const yoco_weight *weight, int64_t panel)
{
    size_t panel_bytes = (size_t)weight->depth * PANEL_COLUMNS * yoco_dtype_bytes(weight->dtype);
    return (const char *)weight->data + (size_t)panel * panel_bytes;
}

/* Makes sure that every thread has `bytes` of scratch. False, with the status set, if it cannot;
 * the op then returns. Not to be called by threads of a parallel region. */
bool yoco_cpu_reserve(yoco_device *device, size_t bytes);
/* Logs and keeps the failure for synchronize. */
void yoco_cpu_fail(yoco_device *device, const char *what);

static inline void *yoco_cpu_scratch(const yoco_device *device, int thread)
{
    return device->scratch + (size_t)thread * device->scratch_bytes;
}

/* Threads for an op of `work` multiply-adds or bytes: one where waking the others costs more. */
static inline int yoco_cpu_threads(const yoco_device *device, int64_t work)
{
    enum { MIN_WORK = 1 << 15 };
    return work < MIN_WORK ? 1 : device->options.n_threads;
}

/* gemm_onednn.c: y (64, n) = x (64, k) w (k, n) on the calling thread; k is a weight's depth and n
 * whole panels, so that oneDNN sees no padding. */
yoco_status yoco_gemm_cache_open(const yoco_device_options *options, yoco_gemm_cache **out);
void yoco_gemm_cache_close(yoco_gemm_cache *cache);
/* The product of this shape, made at most once per cache and owned by it. Not thread safe. */
yoco_status yoco_gemm_get(yoco_gemm_cache *cache, int64_t k, int64_t n, const yoco_gemm **out);
/* False where oneDNN failed. x and y dense; w: panels. */
bool yoco_gemm_run(const yoco_gemm *gemm, int thread, const void *x, const void *w, float *y);
void yoco_gemm_describe(char *text, size_t size);

/* weight.c */
yoco_status yoco_cpu_weight_create(yoco_device *device, const yoco_matrix *matrix,
                                   yoco_weight_use use, yoco_weight **out);
void yoco_cpu_weight_free(yoco_device *device, yoco_weight *weight);
size_t yoco_cpu_weight_bytes(const yoco_device_options *options, int64_t n_out, int64_t n_in);

/* Dense ops in files that are compiled once: slabs.c, rope_table.c. */
void yoco_cpu_linear_slabs(yoco_device *device, const yoco_linear_args *args);
void yoco_cpu_rope_table(yoco_device *device, const yoco_rope_table_args *args);

extern const yoco_dense_ops yoco_cpu_dense;               /* dispatch.c */
extern const yoco_window_ops yoco_cpu_window;             /* dispatch.c */
extern const yoco_causal_ops yoco_cpu_causal;             /* dispatch.c */
extern const yoco_retention_ops yoco_cpu_retention;       /* dispatch.c */
extern const yoco_mamba_ops yoco_cpu_mamba;               /* dispatch.c */
extern const yoco_differential_ops yoco_cpu_differential; /* dispatch.c */
extern const yoco_attend_ops yoco_cpu_attend;             /* merge.c */
extern const yoco_choose_ops yoco_cpu_choose;             /* choose.c */
extern const yoco_conv_ops yoco_cpu_conv;                 /* dispatch.c */
extern const yoco_delta_ops yoco_cpu_delta;               /* dispatch.c */

#endif
