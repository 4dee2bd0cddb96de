/* Prefill products of one slab by oneDNN, on the calling thread.
 *
 * Weights have an explicit layout and y is dense: that is what oneDNN's blocked GEMM (brg:avx512*)
 * asks for; anything else falls to gemm:jit or to the reference. Each primitive is made for one
 * thread and run by the thread that owns the slab, so that its bits depend on the shape only. */
#include "kernels/cpu/device.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <string.h>

enum { N_ARGS = 4 }; /* x, w, y, scratchpad */

struct yoco_gemm {
    yoco_gemm *next;
    int64_t k, n;
    dnnl_stream_t stream; /* the cache's */
    dnnl_primitive_t primitive;
    dnnl_memory_t (*memory)[N_ARGS]; /* (n_threads): handles are set anew at each run */
    void *scratchpad;                /* (n_threads) */
};

struct yoco_gemm_cache {
    yoco_device_options options;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    yoco_gemm *first;
};

static const int arg_ids[N_ARGS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST,
                                    DNNL_ARG_SCRATCHPAD};

static yoco_status onednn_failed(const char *what, dnnl_status_t status)
{
    yoco_log_error("oneDNN cannot %s: status %d", what, (int)status);
    return YOCO_ERR_INTERNAL;
}

yoco_status yoco_gemm_cache_open(const yoco_device_options *options, yoco_gemm_cache **out)
{
    /* AMX would be another arithmetic class. The limit can be set only before the first primitive
     * of the process; a second device finds it set. */
    dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16);
    if (dnnl_get_effective_cpu_isa() > dnnl_cpu_isa_avx512_core_bf16) {
        yoco_log_error("oneDNN was used in this process before its instruction set was limited");
        return YOCO_ERR_INTERNAL;
    }
    void *memory;
    YOCO_TRY(yoco_alloc(sizeof **out, "oneDNN", &memory));
    yoco_gemm_cache *cache = memory;
    *cache = (yoco_gemm_cache){.options = *options};
    dnnl_status_t status = dnnl_engine_create(&cache->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&cache->stream, cache->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        yoco_gemm_cache_close(cache);
        return onednn_failed("open the CPU engine", status);
    }
    *out = cache;
    return YOCO_OK;
}

static void gemm_free(yoco_gemm *gemm, int n_threads)
{
    for (int i = 0; gemm->memory && i < n_threads * N_ARGS; i++)
        dnnl_memory_destroy(gemm->memory[i / N_ARGS][i % N_ARGS]);
    dnnl_primitive_destroy(gemm->primitive);
    yoco_free(gemm->memory);
    yoco_free(gemm->scratchpad);
    yoco_free(gemm);
}

void yoco_gemm_cache_close(yoco_gemm_cache *cache)
{
    if (!cache)
        return;
    while (cache->first) {
        yoco_gemm *gemm = cache->first;
        cache->first = gemm->next;
        gemm_free(gemm, cache->options.n_threads);
    }
    dnnl_stream_destroy(cache->stream);
    dnnl_engine_destroy(cache->engine);
    yoco_free(cache);
}

static dnnl_status_t describe_product(yoco_gemm_cache *cache, int64_t k, int64_t n,
                                      dnnl_primitive_desc_t *out)
{
    bool bf16 = cache->options.dtype == YOCO_BF16 && cache->options.isa == YOCO_ISA_AVX512_BF16;
    dnnl_data_type_t type = bf16 ? dnnl_bf16 : dnnl_f32;
    dnnl_memory_desc_t x, w, y;
    dnnl_matmul_desc_t product;
    dnnl_primitive_attr_t attr;
    dnnl_status_t status =
        dnnl_memory_desc_init_by_tag(&x, 2, (dnnl_dims_t){YOCO_SLAB_ROWS, k}, type, dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(&w, 2, (dnnl_dims_t){k, n}, type,
                                              bf16 ? dnnl_BA16a64b2a : dnnl_BA16a64b);
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(&y, 2, (dnnl_dims_t){YOCO_SLAB_ROWS, n}, dnnl_f32,
                                              dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(&product, &x, &w, NULL, &y);
    if (status != dnnl_success || (status = dnnl_primitive_attr_create(&attr)) != dnnl_success)
        return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    /* A primitive is planned for the number of threads at its creation. */
    int n_threads = omp_get_max_threads();
    omp_set_num_threads(1);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(out, &product, attr, cache->engine, NULL);
    omp_set_num_threads(n_threads);
    dnnl_primitive_attr_destroy(attr);
    return status;
}

static yoco_status create_memory(yoco_gemm_cache *cache, yoco_gemm *gemm,
                                 const_dnnl_primitive_desc_t desc)
{
    static const dnnl_query_t queries[N_ARGS] = {dnnl_query_src_md, dnnl_query_weights_md,
                                                 dnnl_query_dst_md, dnnl_query_scratchpad_md};
    int n_threads = cache->options.n_threads;
    void *memory;
    const dnnl_memory_desc_t *scratch_md =
        dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    size_t scratch_bytes =
        (size_t)yoco_round_up((int64_t)dnnl_memory_desc_get_size(scratch_md), 64);
    YOCO_TRY(yoco_alloc((size_t)n_threads * sizeof *gemm->memory, "oneDNN", &memory));
    gemm->memory = memory;
    memset(gemm->memory, 0, (size_t)n_threads * sizeof *gemm->memory);
    YOCO_TRY(yoco_alloc((size_t)n_threads * scratch_bytes, "oneDNN", &gemm->scratchpad));
    for (int i = 0; i < n_threads * N_ARGS; i++) {
        int thread = i / N_ARGS, arg = i % N_ARGS;
        void *handle = arg == N_ARGS - 1 && scratch_bytes > 0
                           ? (char *)gemm->scratchpad + (size_t)thread * scratch_bytes
                           : DNNL_MEMORY_NONE;
        dnnl_status_t status = dnnl_memory_create(
            &gemm->memory[thread][arg], dnnl_primitive_desc_query_md(desc, queries[arg], 0),
            cache->engine, handle);
        if (status != dnnl_success)
            return onednn_failed("describe memory", status);
    }
    return YOCO_OK;
}

static yoco_status gemm_create(yoco_gemm_cache *cache, int64_t k, int64_t n, yoco_gemm **out)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t failure = describe_product(cache, k, n, &desc);
    if (failure != dnnl_success)
        return onednn_failed("plan a matrix product", failure);
    void *memory;
    yoco_status status = yoco_alloc(sizeof **out, "oneDNN", &memory);
    if (status == YOCO_OK) {
        yoco_gemm *gemm = memory;
        *gemm = (yoco_gemm){.k = k, .n = n, .stream = cache->stream};
        failure = dnnl_primitive_create(&gemm->primitive, desc);
        status = failure == dnnl_success ? create_memory(cache, gemm, desc)
                                         : onednn_failed("make a matrix product", failure);
        if (status == YOCO_OK)
            *out = gemm;
        else
            gemm_free(gemm, cache->options.n_threads);
    }
    dnnl_primitive_desc_destroy(desc);
    return status;
}

yoco_status yoco_gemm_get(yoco_gemm_cache *cache, int64_t k, int64_t n, const yoco_gemm **out)
{
    yoco_gemm *gemm = cache->first;
    while (gemm && (gemm->k != k || gemm->n != n))
        gemm = gemm->next;
    if (!gemm) {
        YOCO_TRY(gemm_create(cache, k, n, &gemm));
        gemm->next = cache->first;
        cache->first = gemm;
    }
    *out = gemm;
    return YOCO_OK;
}

bool yoco_gemm_run(const yoco_gemm *gemm, int thread, const void *x, const void *w, float *y)
{
    const dnnl_memory_t *memory = gemm->memory[thread];
    const void *handles[] = {x, w, y};
    dnnl_exec_arg_t args[N_ARGS];
    for (int i = 0; i < N_ARGS; i++) {
        args[i] = (dnnl_exec_arg_t){arg_ids[i], memory[i]};
        if (i < N_ARGS - 1 &&
            dnnl_memory_set_data_handle(memory[i], (void *)handles[i]) != dnnl_success)
            return false;
    }
    return dnnl_primitive_execute(gemm->primitive, gemm->stream, N_ARGS, args) == dnnl_success;
}

void yoco_gemm_describe(char *text, size_t size)
{
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, size, "onednn %d.%d.%d", version->major, version->minor, version->patch);
}
