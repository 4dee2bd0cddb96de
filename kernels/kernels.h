/* A device: its life cycle, its memory, and its ops, in families.
 *
 * A family is a `const` table of functions in a header of its own, with one argument struct per op:
 * kernels/ops_*.h. A backend that lacks a family leaves its pointer in yoco_ops NULL, and models
 * that need it are refused when they are opened (worker/model.h). No slot of a table is NULL.
 *
 * Owner of memory: the worker. It allocates every buffer through the table, once, and passes
 * pointers. An op reads its `const` inputs, writes its outputs, keeps nothing and never allocates.
 * Rows are tokens. Unless a stride is given, tensors are dense and row-major, shapes stand in
 * comments as (slowest, ..., fastest).
 *
 * Numbers: `dtype` is the run's dtype (f32 or bf16): inputs of matrix products and K,V are rounded
 * to it; every sum, the residual stream, softmax, decay and states are f32. A row's result depends
 * on that row's inputs only, never on which rows share the call, on threads or on ranks.
 *
 * Ops return nothing: arguments are the worker's own and were checked; a device that fails says so
 * in `synchronize`. In-place use is legal only where a comment says so. */
#ifndef YOCO_KERNELS_H
#define YOCO_KERNELS_H

#include "base.h"

typedef enum yoco_isa {
    YOCO_ISA_PORTABLE,
    YOCO_ISA_AVX2,
    YOCO_ISA_AVX512,
    YOCO_ISA_AVX512_BF16,
    YOCO_N_ISA
} yoco_isa;

typedef struct yoco_device yoco_device; /* one backend's state: threads, scratch, primitives */
typedef struct yoco_weight yoco_weight; /* a matrix in the backend's own layout */

typedef struct yoco_device_options {
    int n_threads;    /* >= 1 */
    yoco_isa isa;     /* the minimum that all ranks have; the reference backend ignores it */
    yoco_dtype dtype; /* YOCO_F32 or YOCO_BF16 */
    int gpu;          /* cuda: which GPU of the machine, modulo their number */
} yoco_device_options;

/* One row on its way within the device's memory. */
typedef struct yoco_row_copy {
    void *to;
    const void *from;
} yoco_row_copy;

typedef enum yoco_weight_use { YOCO_WEIGHT_LINEAR, YOCO_WEIGHT_EMBEDDING } yoco_weight_use;

/* A matrix as the checkpoint stores it. */
typedef struct yoco_matrix {
    yoco_dtype dtype;
    int64_t n_out, n_in;
    const void *data; /* (n_out, n_in), of any alignment */
} yoco_matrix;

/* Of attention, where Q and K have heads of head_dim, V and the output heads of v_dim: query head h
 * reads V head h / (n_heads / n_v_heads); and where n_kv_heads / n_v_heads K heads share a V head,
 * neighbouring query heads read them in turn. */
static inline int yoco_v_head(int n_heads, int n_v_heads, int head)
{
    return head / (n_heads / n_v_heads);
}
static inline int yoco_k_head(int n_heads, int n_kv_heads, int n_v_heads, int head)
{
    int shared = n_kv_heads / n_v_heads;
    return yoco_v_head(n_heads, n_v_heads, head) * shared + head % shared;
}

/* Of a device that only starts an op when it is called: all run in one stream. */
typedef struct yoco_stream_ops {
    /* The stream of all ops, for transports that follow it (comm.h). */
    void *(*handle)(yoco_device *device);
    /* Between record(true) and record(false) the same ops come again and again, on other rows: the
     * backend may keep them back until something waits, to start them together. */
    void (*record)(yoco_device *device, bool on);
    /* Between hold(true) and hold(false) what was recorded has started, and others may put work on
     * the stream. */
    void (*hold)(yoco_device *device, bool on);
    /* For ranks that do not wait for the device: flags (YOCO_MERGE_FLAGS), device memory, as
     * worker/merge.c makes them on the host, of the hash of `bytes` at ptr; the last is `bad` if a
     * partial since the last synchronize was bad (ops_attend.h), else 0. */
    void (*merge_flags)(yoco_device *device, const void *ptr, size_t bytes, float bad,
                        float *flags);
} yoco_stream_ops;

typedef struct yoco_dense_ops yoco_dense_ops;               /* ops_dense.h */
typedef struct yoco_window_ops yoco_window_ops;             /* ops_window.h */
typedef struct yoco_causal_ops yoco_causal_ops;             /* ops_causal.h */
typedef struct yoco_retention_ops yoco_retention_ops;       /* ops_retention.h */
typedef struct yoco_attend_ops yoco_attend_ops;             /* ops_attend.h */
typedef struct yoco_choose_ops yoco_choose_ops;             /* ops_choose.h */
typedef struct yoco_mamba_ops yoco_mamba_ops;               /* ops_mamba.h */
typedef struct yoco_differential_ops yoco_differential_ops; /* ops_differential.h */
typedef struct yoco_conv_ops yoco_conv_ops;                 /* ops_conv.h */
typedef struct yoco_delta_ops yoco_delta_ops;               /* ops_delta.h */

typedef struct yoco_ops {
    const char *name;
    bool host_memory; /* what `alloc` gives is host memory: transports read and write it */
    size_t own_bytes; /* what an open device takes of its memory before anything is asked of it */

    /* One line about the backend's device `index` of this machine; false past the last. */
    bool (*device_at)(int index, char *text, size_t size);
    /* The part of the arithmetic class that this backend decides: "cpu avx512_bf16 onednn 2.6.3" */
    void (*describe)(const yoco_device_options *options, char *text, size_t size);
    /* Bytes that weight_create takes for an (n_out, n_in) LINEAR weight. */
    size_t (*weight_bytes)(const yoco_device_options *options, int64_t n_out, int64_t n_in);

    /* Life cycle. `open` logs why it cannot serve these options. */
    yoco_status (*open)(const yoco_device_options *options, yoco_device **out);
    void (*close)(yoco_device *device);
    yoco_status (*synchronize)(
        yoco_device *device); /* waits for all ops; reports a failure since the last call */

    /* Memory: 64-byte aligned device memory; see host_memory. */
    yoco_status (*alloc)(yoco_device *device, size_t bytes, const char *what, void **out);
    void (*free)(yoco_device *device, void *ptr);
    /* Memory that the host reaches too, for messages: the host's once `synchronize` has returned.
     * Only upload, copy and zero take it beside device memory. */
    yoco_status (*alloc_shared)(yoco_device *device, size_t bytes, const char *what, void **out);
    void (*free_shared)(yoco_device *device, void *ptr);
    /* Host memory is free again when upload returns, and filled when download returns. */
    void (*upload)(yoco_device *device, void *to_device, const void *from_host, size_t bytes);
    void (*download)(yoco_device *device, void *to_host, const void *from_device, size_t bytes);
    /* As download, on any thread, while ops run that do not write what it reads. Logs a failure. */
    yoco_status (*fetch)(yoco_device *device, void *to_host, const void *from_device, size_t bytes);
    void (*copy)(yoco_device *device, void *to, const void *from,
                 size_t bytes); /* within the device, disjoint */
    /* copies: (n), host memory; each of `bytes`, all of them disjoint. */
    void (*copy_rows)(yoco_device *device, const yoco_row_copy *copies, int64_t n, size_t bytes);
    void (*zero)(yoco_device *device, void *ptr, size_t bytes);
    /* Bytes of the device's memory that are in use, by all programs; 0 where it is the host's. */
    size_t (*memory_in_use)(yoco_device *device);
    /* 64-bit hash of device memory, to compare ranks. */
    uint64_t (*hash)(yoco_device *device, const void *ptr, size_t bytes);

    /* LINEAR rounds to the run's dtype and repacks; EMBEDDING keeps the stored values and may keep
     * `matrix.data`, which must then live as long as the weight. */
    yoco_status (*weight_create)(yoco_device *device, const yoco_matrix *matrix,
                                 yoco_weight_use use, yoco_weight **out);
    void (*weight_free)(yoco_device *device, yoco_weight *weight);

    const yoco_stream_ops *stream; /* NULL: ops are done when they return */

    /* The families. NULL: the backend lacks it. */
    const yoco_dense_ops *dense;
    const yoco_window_ops *window;
    const yoco_causal_ops *causal;
    const yoco_retention_ops *retention;
    const yoco_conv_ops *conv;
    const yoco_delta_ops *delta;
    const yoco_attend_ops *attend;
    const yoco_choose_ops *choose;
    const yoco_mamba_ops *mamba;
    const yoco_differential_ops *differential;
} yoco_ops;

extern const yoco_ops yoco_reference_ops; /* plain C, the oracle */
extern const yoco_ops yoco_cpu_ops;       /* SIMD and oneDNN */
extern const yoco_ops yoco_cuda_ops;      /* NVIDIA GPUs; where it was built */

/* The registry: "reference", "cpu", "cuda"; "auto" is the fastest that has a device here. NULL: no
 * such backend. */
const yoco_ops *yoco_ops_find(const char *name);
const yoco_ops *yoco_ops_at(int index); /* from 0, the fastest first; NULL past the last */

yoco_isa yoco_isa_detect(void);          /* what this processor has */
const char *yoco_isa_name(yoco_isa isa); /* "portable", "avx2", "avx512", "avx512_bf16" */
bool yoco_isa_find(const char *name, yoco_isa *out);

#endif
