/* The ops of one device: a table of functions that every backend fills completely, one argument
 * struct per op.
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

enum {
    YOCO_SLAB_ROWS = 64, /* prefill products run on slabs of this many rows, padded with zeros */
    YOCO_WINDOW_VIEW_PARTS = 3, /* shared edge, two halves of a branch's ring */
    YOCO_MAX_CHAIN = 5,         /* args of one call that name each other by `next` */
};

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

/* y = x W^T, plus y when accumulate. Both matrix ops take this, and a chain of products of the same
 * x: none reads what another one writes, and its bits are those of a call of its own. */
typedef struct yoco_linear_args yoco_linear_args;
struct yoco_linear_args {
    int64_t n_rows;
    const yoco_weight *weight; /* (n_out, n_in) */
    const void *x;             /* (n_rows, n_in) dtype */
    float *y;                  /* (n_rows, n_out) */
    bool accumulate;
    const yoco_linear_args *next; /* the same n_rows and x, another weight; NULL: the last */
};

/* x = scale * table[id]. Ids were checked against the vocabulary. */
typedef struct yoco_embed_args {
    int64_t n_rows;
    float scale;
    const yoco_weight *table; /* (vocab_size, dim), made with YOCO_WEIGHT_EMBEDDING */
    const int32_t *ids;       /* (n_rows) */
    float *x;                 /* (n_rows, dim) */
} yoco_embed_args;

/* out = x / sqrt(mean(x^2) + eps) * weight, per row. In place is legal where out_dtype is f32. */
typedef struct yoco_rms_norm_args {
    int64_t n_rows;
    int dim;
    float eps;
    const float *x;      /* (n_rows, dim) */
    const float *weight; /* (dim) or NULL for none */
    yoco_dtype out_dtype;
    void *out; /* (n_rows, dim) */
} yoco_rms_norm_args;

/* cos and sin of position * frequency; angles in f64, so exact at any position. */
typedef struct yoco_rope_table_args {
    int64_t n_rows;
    int n_freqs;
    const int64_t *positions;  /* (n_rows) */
    const double *frequencies; /* (n_freqs) */
    float *cos, *sin;          /* (n_rows, n_freqs) */
} yoco_rope_table_args;

/* Rotates the pairs (2i, 2i+1) of every head and multiplies by scale; where cos is NULL, out = x,
 * rounded. In place is legal where out_dtype is f32. A chain of tensors that belong to the same
 * rows may come in one call. */
typedef struct yoco_rope_args yoco_rope_args;
struct yoco_rope_args {
    int64_t n_rows;
    int n_heads, head_dim; /* head_dim is even */
    float scale;
    const float *cos, *sin; /* (n_rows, head_dim / 2) */
    const float *x;         /* (n_rows, n_heads, head_dim) */
    yoco_dtype out_dtype;
    void *out;                  /* (n_rows, n_heads, head_dim) */
    const yoco_rope_args *next; /* the same n_rows; NULL: the last */
};

/* out = x, rounded to out_dtype. */
typedef struct yoco_cast_args {
    int64_t n;
    const float *x;
    yoco_dtype out_dtype;
    void *out;
} yoco_cast_args;

/* out = silu(a) * b, with silu(a) = a / (1 + e^-a). */
typedef struct yoco_swiglu_args {
    int64_t n;
    const float *a, *b;
    yoco_dtype out_dtype;
    void *out;
} yoco_swiglu_args;

/* Prefill: attention of rows q_begin..q_end-1 of a piece over their windows. Query row i sees the
 * rows max(0, n_edge + i - window + 1) .. n_edge + i of k and v, whose first n_edge rows came
 * before the piece. */
typedef struct yoco_window_args {
    int64_t n_edge, q_begin, q_end;
    int window, n_heads, head_dim;
    float scale_log2; /* head_dim^-1/2 * log2(e) */
    const float *q;   /* (rows of the piece, n_heads, head_dim), rotated */
    yoco_dtype kv_dtype;
    const void *k, *v; /* (n_edge + rows of the piece, n_heads, head_dim), K rotated */
    yoco_dtype out_dtype;
    void *out; /* (rows of the piece, n_heads, head_dim); only rows q_begin..q_end-1 are written */
} yoco_window_args;

/* Decode: the rows one query sees, in position order, as up to three runs of rows. */
typedef struct yoco_window_view {
    const void *k[YOCO_WINDOW_VIEW_PARTS],
        *v[YOCO_WINDOW_VIEW_PARTS];         /* (n_rows[i], n_heads, head_dim) */
    int64_t n_rows[YOCO_WINDOW_VIEW_PARTS]; /* 0 is legal; the sum is at least 1 */
} yoco_window_view;

typedef struct yoco_window_step_args {
    int64_t n_queries;
    int n_heads, head_dim;
    int window; /* bound on the rows of a view */
    float scale_log2;
    const float *q; /* (n_queries, n_heads, head_dim), rotated */
    yoco_dtype kv_dtype;
    const yoco_window_view *views; /* (n_queries), host memory */
    yoco_dtype out_dtype;
    void *out; /* (n_queries, n_heads, head_dim) */
} yoco_window_step_args;

/* Gated retention over a piece, in blocks of YOCO_RETENTION_ROWS rows from the piece's first row:
 * - g_t = logsigmoid(gate_t) / 16
 * - S_t = e^g_t S_(t-1) + k_t^T v_t, of shape (head_dim of k, head_dim of v)
 * - o_t = q_t S_t
 *
 * in three ops, so that only the small middle one waits for the state that enters the piece:
 * - retention_local: decay and out within each block alone; state[b] = what block b adds to the
 *   state
 * - retention_scan: walks the blocks; state[b] becomes the state that enters block b, edge_out the
 *   one that leaves the last
 * - retention_correct: out += e^decay_t q_t state[b]
 *
 * Decay sums stay in log space: every exponent is <= 0.
 * Source: YOCO (arXiv 2405.05254), section 3.2, chunkwise form. */
typedef struct yoco_retention_args {
    int64_t n_rows;
    int n_heads, head_dim;
    const float *q, *k,
        *v;            /* (n_rows, n_heads, head_dim), q and k rotated, k scaled by head_dim^-1/2 */
    const float *gate; /* (n_rows, n_heads), the raw gt_proj output */
    float *decay;      /* (n_rows, n_heads), sum of g from the block's first row to this one */
    float *state;      /* (n_blocks, n_heads, head_dim, head_dim) */
    const float *edge_in; /* (n_heads, head_dim, head_dim) */
    float *edge_out;      /* (n_heads, head_dim, head_dim), may be edge_in */
    float *out;           /* (n_rows, n_heads, head_dim) */
} yoco_retention_args;

/* Decode: one step of the recurrence for each row with a state of its own, updated in place. */
typedef struct yoco_retention_step_args {
    int64_t n_rows;
    int n_heads, head_dim;
    const float *q, *k, *v; /* (n_rows, n_heads, head_dim), as above */
    const float *gate;      /* (n_rows, n_heads) */
    float *const
        *state; /* (n_rows) pointers in host memory, each to (n_heads, head_dim, head_dim) */
    float *out; /* (n_rows, n_heads, head_dim) */
} yoco_retention_step_args;

/* Rows of K,V on this rank that a run of queries attends over, all of them visible. Row r lies in
 * chunk r / chunk_rows; every chunk is cut into blocks of YOCO_BLOCK_ROWS rows, its last block may
 * be shorter, and so may the last chunk. */
typedef struct yoco_kv_segment {
    int64_t first_query, n_queries;
    int64_t n_rows, chunk_rows; /* n_rows 0 is legal */
    const void *k, *v;          /* (n_rows, n_kv_heads, head_dim), K rotated */
    int64_t first_partial; /* index of its first partial; it owns n_blocks * n_queries of them */
} yoco_kv_segment;

static inline int64_t yoco_kv_n_blocks(int64_t n_rows, int64_t chunk_rows)
{
    return n_rows / chunk_rows * yoco_div_up(chunk_rows, YOCO_BLOCK_ROWS) +
           yoco_div_up(n_rows % chunk_rows, YOCO_BLOCK_ROWS);
}

/* First row of block `block` and how many rows it has. */
static inline int64_t yoco_kv_block(int64_t n_rows, int64_t chunk_rows, int64_t block,
                                    int64_t *n_block_rows)
{
    int64_t per_chunk = yoco_div_up(chunk_rows, YOCO_BLOCK_ROWS);
    int64_t in_chunk = block % per_chunk * YOCO_BLOCK_ROWS;
    int64_t row = block / per_chunk * chunk_rows + in_chunk;
    *n_block_rows =
        yoco_i64_min(yoco_i64_min(YOCO_BLOCK_ROWS, chunk_rows - in_chunk), n_rows - row);
    return row;
}

/* Cross attention of a decode step and its exact merge (docs/DESIGN.md, "Exact merge"), in three
 * ops:
 * - attend: a partial for every (segment, block, query, head): m = ceil(max of the scores in base
 *   2), never -0, l = sum 2^(s-m), o = sum 2^(s-m) v; and M = max of m over this rank's partials of
 *   a (query, head), -inf where there are none. *bad |= 1, by the next synchronize at the latest,
 *   if any partial is not finite: what merge_sum and merge_finish make of it then means nothing.
 *   The worker all-reduces M.
 * - merge_sum: fixed = sum of round_half_even(l 2^(m-M) 2^l_exponent) and of
 *   round_half_even(o_j 2^(m-M) 2^o_exponent[j]): 64-bit integers, from zero, so every order of
 *   summation gives the same bits. The worker all-reduces.
 * - merge_finish: out = (fixed_o 2^-o_exponent) / (fixed_l 2^-l_exponent) in f64, then rounded to
 *   f32 and to out_dtype; 0 where fixed_l is 0
 *
 * A partial: index p = segment.first_partial + block * segment.n_queries + (query -
 * segment.first_query).
 * Source: online softmax, Milakov & Gimelshein 2018; in base 2 with an integer maximum, so that
 * every rescale is exact. */
typedef struct yoco_attend_args {
    int64_t n_queries;
    int n_heads, n_kv_heads, head_dim; /* query head h reads K,V head h / (n_heads / n_kv_heads) */
    float scale_log2;                  /* head_dim^-1/2 * log2(e) */
    int n_segments;
    const yoco_kv_segment *segments; /* (n_segments), host memory */
    yoco_dtype kv_dtype;
    const float *q;   /* (n_queries, n_heads, head_dim), rotated */
    float *max, *sum; /* (partials, n_heads) */
    float *partial;   /* (partials, n_heads, head_dim) */

    int l_exponent;        /* see worker/merge_scale.h */
    const int *o_exponent; /* (n_kv_heads, head_dim) */
    float *global_max;     /* (n_queries, n_heads): written by attend, read by the others */
    int *bad;              /* attend may set it, host memory, until synchronize returns */
    int64_t *fixed;        /* (n_queries, n_heads, 1 + head_dim): l, then o */
    yoco_dtype out_dtype;
    void *out; /* (n_queries, n_heads, head_dim) */
} yoco_attend_args;

enum { YOCO_MAX_BANNED = 8, YOCO_ARGMAX_NONE = -1, YOCO_ARGMAX_NOT_FINITE = -2 };

/* The index of the greatest element of each row, of equals the lowest; YOCO_ARGMAX_NONE where all
 * are banned, YOCO_ARGMAX_NOT_FINITE where the row has such a value, banned or not. */
typedef struct yoco_argmax_args {
    int64_t n_rows;
    int32_t n;
    const float *x;        /* (n_rows, n) */
    int n_banned;          /* <= YOCO_MAX_BANNED */
    const int32_t *banned; /* (n_banned), host memory */
    int32_t *out;          /* (n_rows), host memory: filled when the op returns */
} yoco_argmax_args;

enum { YOCO_DRAW_BITS = 32, YOCO_DRAW_SCRATCH = 8 };

/* A draw for each row from softmax(x / temperature), cut to the top_k likeliest indices (0: all)
 * and then to the fewest of them whose weight reaches the part top_p. The weight of an index is the
 * integer next to 2^YOCO_DRAW_BITS exp((x - max x) / temperature), so that sums have no order. Of
 * what is kept, the lowest index is drawn up to which the weights exceed unit times their sum.
 * Equals go by the lower index; YOCO_ARGMAX_NONE and YOCO_ARGMAX_NOT_FINITE as above. */
typedef struct yoco_draw_args {
    int64_t n_rows;
    int32_t n;                 /* <= 2^21 */
    const float *x;            /* (n_rows, n) */
    double temperature, top_p; /* > 0; (0, 1] */
    int64_t top_k;
    const double *units;   /* (n_rows), host memory: random numbers in [0, 1) */
    int n_banned;          /* <= YOCO_MAX_BANNED */
    const int32_t *banned; /* (n_banned), host memory */
    void *scratch;         /* n * YOCO_DRAW_SCRATCH bytes, host memory */
    int32_t *out;          /* (n_rows), host memory: filled when the op returns */
} yoco_draw_args;

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
    /* Between record(true) and record(false) the same ops come again and again, on other rows: a
     * backend may keep them back until something waits, to start them together. NULL: it would not
     * gain. */
    void (*record)(yoco_device *device, bool on);
    /* The stream of all ops, for transports that follow it (comm.h); NULL, as hold and merge_flags
     * then are: none. Between hold(true) and hold(false) what was recorded has started, and others
     * may put work on the stream. */
    void *(*stream)(yoco_device *device);
    void (*hold)(yoco_device *device, bool on);

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
    /* Bytes of the device's memory that are in use, by all programs; NULL where it is the host's.
     */
    size_t (*memory_in_use)(yoco_device *device);

    /* LINEAR rounds to the run's dtype and repacks; EMBEDDING keeps the stored values and may keep
     * `matrix.data`, which must then live as long as the weight. */
    yoco_status (*weight_create)(yoco_device *device, const yoco_matrix *matrix,
                                 yoco_weight_use use, yoco_weight **out);
    void (*weight_free)(yoco_device *device, yoco_weight *weight);

    void (*embed)(yoco_device *device, const yoco_embed_args *args);
    void (*rms_norm)(yoco_device *device, const yoco_rms_norm_args *args);
    void (*linear_slabs)(yoco_device *device,
                         const yoco_linear_args *args);                     /* prefill: many rows */
    void (*linear_rows)(yoco_device *device, const yoco_linear_args *args); /* decode: few rows */
    void (*rope_table)(yoco_device *device, const yoco_rope_table_args *args);
    void (*rope)(yoco_device *device, const yoco_rope_args *args);
    void (*cast)(yoco_device *device, const yoco_cast_args *args);
    void (*swiglu)(yoco_device *device, const yoco_swiglu_args *args);
    void (*window_attend)(yoco_device *device, const yoco_window_args *args);
    void (*window_step)(yoco_device *device, const yoco_window_step_args *args);
    void (*retention_local)(yoco_device *device, const yoco_retention_args *args);
    void (*retention_scan)(yoco_device *device, const yoco_retention_args *args);
    void (*retention_correct)(yoco_device *device, const yoco_retention_args *args);
    void (*retention_step)(yoco_device *device, const yoco_retention_step_args *args);
    void (*attend)(yoco_device *device, const yoco_attend_args *args);
    /* For ranks that do not wait for the device: flags (YOCO_MERGE_FLAGS), device memory, as
     * worker/merge.c makes them on the host, of the hash of `bytes` at ptr; the last is `bad` if a
     * attend since the last synchronize was bad, else 0. */
    void (*merge_flags)(yoco_device *device, const void *ptr, size_t bytes, float bad,
                        float *flags);
    void (*merge_sum)(yoco_device *device, const yoco_attend_args *args);
    void (*merge_finish)(yoco_device *device, const yoco_attend_args *args);
    void (*argmax)(yoco_device *device, const yoco_argmax_args *args);
    void (*draw)(yoco_device *device, const yoco_draw_args *args);
    /* 64-bit hash of device memory, to compare ranks. */
    uint64_t (*hash)(yoco_device *device, const void *ptr, size_t bytes);
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
