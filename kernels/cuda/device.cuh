/* The CUDA backend's own types, shared by the sources of this folder.
 *
 * Bits: every sum has one order, which its own row's shape decides; integer atomics only. Blocks of
 * a grid never share a floating-point sum.
 *
 * Work: one stream, in the order of the calls; no op waits for it. Kernels get no pointer to host
 * memory. Descriptors that stand in host memory go through a ring of pinned memory (staging.cu), so
 * that they may change when the op returns. */
#ifndef YOCO_CUDA_DEVICE_CUH
#define YOCO_CUDA_DEVICE_CUH

#include "kernels/cuda/portable.cuh"

constexpr int DEPTH_MULTIPLE = 32;  /* a weight's rows are padded with zeros to this many inputs, */
constexpr int OUTPUT_MULTIPLE = 16; /* and their number to this many outputs */
constexpr int STAGING_HALVES = 2;
constexpr size_t FETCH_BYTES = (size_t)4 << 20;
constexpr int MAX_SECTIONS = 256; /* of a recorded step; what comes after them starts one by one */

/* Descriptors among a kernel's arguments, which hold 4 KiB: nothing is sent ahead of the launch. */
template <typename T, int N> struct by_value {
    T at[N];
};

struct device_segment;
struct draw_memory;

/* A list of segments that the device keeps, and what stands in it; see segments.cuh. */
struct kept_segments {
    device_segment *host;
    char *device;
    int n;
    int64_t map_columns; /* of the maps before it; 0: none */
};

struct staging_ring {
    char *host, *device; /* pinned, and its mirror */
    size_t half_bytes, used;
    int half;                             /* the one being filled */
    cudaEvent_t released[STAGING_HALVES]; /* the last work that used it is done */
};

/* For the thread of a snapshot, one at a time. */
struct fetch_path {
    cudaStream_t stream;
    void *stage; /* (FETCH_BYTES) pinned */
};

struct section_recorder {
    bool on, capturing;
    bool warm; /* a step came before */
    int next;  /* the section being captured */
    cudaGraphExec_t sections[MAX_SECTIONS];
};

/* Lists of tasks that steps make of their segments. */
enum segment_use { SEGMENTS_ATTEND, SEGMENTS_SUM, N_SEGMENT_USES };

struct yoco_device {
    yoco_device_options options;
    int gpu;
    int capability;      /* 90 for compute capability 9.0 */
    size_t shared_limit; /* dynamic shared memory that a block can have */
    cudaStream_t stream;
    staging_ring staging;
    kept_segments segments[N_SEGMENT_USES];
    void *encode_map; /* the driver's function, once it was asked for (tile_map.cu) */
    section_recorder recorder;
    fetch_path fetch;
    cublasLtHandle_t cublas;
    cublasLtMatmulDesc_t product; /* transposes the weight */
    void *workspace;              /* cublasLt's */
    char *slab;                   /* one slab of rows, padded, and its product */
    size_t slab_bytes;
    int *bad_device, *bad_host; /* the partials' flag, its copy in pinned memory, */
    int *bad_target;            /* and what synchronize raises; NULL: nothing */
    uint64_t *hash_device;
    float *step_parts; /* see window_step.cu */
    unsigned *step_done;
    draw_memory *draw;  /* see draw.cu */
    yoco_status status; /* the first failure since the last synchronize */
};

/* LINEAR: (n_out, n_in) padded to (rows, depth) in the run's dtype. EMBEDDING: as stored. */
struct yoco_weight {
    yoco_dtype dtype;
    int64_t n_out, n_in, rows, depth;
    void *data;
    cublasLtMatmulAlgo_t algorithm; /* of linear_slabs, whatever the number of rows */
    cublasLtMatrixLayout_t layout;
};

/* Logs the first failure since the last synchronize, and keeps it. */
void yoco_cuda_fail(yoco_device *device, const char *what, const char *why);
bool yoco_cuda_check(yoco_device *device, cudaError_t error, const char *what);

/* Takes the last error, which is all that a refused launch leaves. Whoever clears it for a reason
 * of its own calls this before. */
void yoco_cuda_check_launches(yoco_device *device);

/* load.cu */
yoco_status yoco_cuda_load_kernels(yoco_device *device);

/* memory.cu */
yoco_status yoco_cuda_alloc(yoco_device *device, size_t bytes, const char *what, void **out);
void yoco_cuda_free(yoco_device *device, void *ptr);
yoco_status yoco_cuda_alloc_shared(yoco_device *device, size_t bytes, const char *what, void **out);
void yoco_cuda_free_shared(yoco_device *device, void *ptr);
void yoco_cuda_upload(yoco_device *device, void *to_device, const void *from_host, size_t bytes);
void yoco_cuda_download(yoco_device *device, void *to_host, const void *from_device, size_t bytes);
yoco_status yoco_cuda_fetch_open(yoco_device *device);
void yoco_cuda_fetch_close(yoco_device *device);
yoco_status yoco_cuda_fetch(yoco_device *device, void *to_host, const void *from_device,
                            size_t bytes);
void yoco_cuda_copy(yoco_device *device, void *to, const void *from, size_t bytes);
void yoco_cuda_copy_rows(yoco_device *device, const yoco_row_copy *copies, int64_t n, size_t bytes);
void yoco_cuda_zero(yoco_device *device, void *ptr, size_t bytes);
size_t yoco_cuda_memory_in_use(yoco_device *device);

/* staging.cu: descriptors on their way to the device; at most YOCO_STAGING_BYTES at once. */
constexpr int YOCO_STAGING_BYTES = 8 << 20;
yoco_status yoco_cuda_staging_open(yoco_device *device);
void yoco_cuda_staging_close(yoco_device *device);
/* Room for `bytes`, to be filled by the caller; *device_memory is where kernels will find them
 * after yoco_cuda_staging_send. NULL, with the status set, where it cannot be had. */
void *yoco_cuda_staging_begin(yoco_device *device, size_t bytes, void **device_memory);
void yoco_cuda_staging_send(yoco_device *device, void *host, size_t bytes, void *to_device);

/* window_step.cu */
yoco_status yoco_cuda_window_open(yoco_device *device);
void yoco_cuda_window_close(yoco_device *device);

/* draw.cu */
yoco_status yoco_cuda_draw_open(yoco_device *device);
void yoco_cuda_draw_close(yoco_device *device);

/* segments.cu */
yoco_status yoco_cuda_segments_open(yoco_device *device);
void yoco_cuda_segments_close(yoco_device *device);

/* graph.cu: a flush takes the last error of launches too; what starts work outside a capture, or
 * waits, stands between flush and resume. */
void yoco_cuda_graph_flush(yoco_device *device);
void yoco_cuda_graph_resume(yoco_device *device);
void yoco_cuda_graph_close(yoco_device *device);

/* weight.cu */
size_t yoco_cuda_weight_bytes(const yoco_device_options *options, int64_t n_out, int64_t n_in);
yoco_status yoco_cuda_weight_create(yoco_device *device, const yoco_matrix *matrix,
                                    yoco_weight_use use, yoco_weight **out);
void yoco_cuda_weight_free(yoco_device *device, yoco_weight *weight);

/* cublaslt.cu: false where the library is not on this machine. */
bool yoco_cuda_has_cublaslt();

/* slabs.cu: without cublasLt, by the kernel of few rows. */
yoco_status yoco_cuda_slabs_open(yoco_device *device);
void yoco_cuda_slabs_close(yoco_device *device);
yoco_status yoco_cuda_slabs_choose(yoco_device *device, yoco_weight *weight);

/* The families, each in the file that is named. */
extern const yoco_stream_ops yoco_cuda_stream;             /* graph.cu */
extern const yoco_dense_ops yoco_cuda_dense;               /* pointwise.cu */
extern const yoco_window_ops yoco_cuda_window;             /* window.cu */
extern const yoco_causal_ops yoco_cuda_causal;             /* causal.cu */
extern const yoco_retention_ops yoco_cuda_retention;       /* retention.cu */
extern const yoco_attend_ops yoco_cuda_attend;             /* merge.cu */
extern const yoco_choose_ops yoco_cuda_choose;             /* draw.cu */
extern const yoco_mamba_ops yoco_cuda_mamba;               /* mamba.cu */
extern const yoco_differential_ops yoco_cuda_differential; /* differential.cu */
extern const yoco_conv_ops yoco_cuda_conv;                 /* conv.cu */
extern const yoco_delta_ops yoco_cuda_delta;               /* delta.cu */

/* hash.cu */
uint64_t yoco_cuda_hash(yoco_device *device, const void *ptr, size_t bytes);
void yoco_cuda_merge_flags(yoco_device *device, const void *ptr, size_t bytes, float bad,
                           float *flags);

static inline bool is_aligned(const void *ptr, size_t bytes)
{
    return (uintptr_t)ptr % bytes == 0;
}

#endif
