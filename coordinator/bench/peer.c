#include "coordinator/bench/peer.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "coordinator/bench/device.h"
#include "worker/worker.h"

enum { N_RUNS = 7 };

static const double RUN_S = 0.05; /* at least, so that the ranks' runs overlap */

/* Repeats the work for RUN_S; n_done / seconds is its rate. */
static bool repeat(const yoco_peer_work *work, int64_t *n_done, double *seconds)
{
    double start = yoco_now_s();
    *n_done = 0;
    do {
        if (!work->run(work->context))
            return false;
        ++*n_done;
        *seconds = yoco_now_s() - start;
    } while (*seconds < RUN_S);
    return true;
}

/* Processor time of this process so far. */
static double cpu_s(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

yoco_status yoco_peer_measure(yoco_peer *peer, const yoco_peer_work *work, yoco_spread *out)
{
    yoco_comm *comm = peer->comm;
    double rates[N_RUNS], seconds = 0, cpu = 0, wall = 0;
    int64_t n_done;
    bool ok = repeat(work, &n_done, &seconds); /* warms up */
    for (int i = 0; i < N_RUNS; i++) {
        /* All ranks start together. */
        YOCO_TRY(comm->ops->agree(comm, ok ? YOCO_OK : YOCO_ERR_INTERNAL));
        cpu -= cpu_s();
        ok = repeat(work, &n_done, &seconds);
        cpu += cpu_s();
        wall += seconds;
        int64_t rate = ok ? (int64_t)(work->units * (double)n_done / seconds) : 0;
        YOCO_TRY(comm->ops->all_sum_i64(comm, &rate, 1));
        rates[i] = (double)rate;
    }
    YOCO_TRY(comm->ops->agree(comm, ok ? YOCO_OK : YOCO_ERR_INTERNAL));
    double share = cpu / wall / peer->device->n_threads;
    if (peer->ops->host_memory && work->units > 0 && share < peer->cpu_share)
        peer->cpu_share = share;
    *out = yoco_spread_make(rates, N_RUNS);
    return YOCO_OK;
}

/* A matrix product of oneDNN. */
enum { X, WEIGHTS, Y, N_MATRICES };

typedef struct product {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[N_MATRICES];
    void *data[N_MATRICES];
} product;

static bool product_run(void *context)
{
    const product *p = context;
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, p->memory[X]},
                                    {DNNL_ARG_WEIGHTS, p->memory[WEIGHTS]},
                                    {DNNL_ARG_DST, p->memory[Y]}};
    return dnnl_primitive_execute(p->primitive, p->stream, N_MATRICES, args) == dnnl_success &&
           dnnl_stream_wait(p->stream) == dnnl_success;
}

static dnnl_status_t product_plan(product *p, yoco_dtype dtype, int64_t n_rows, int64_t n_out,
                                  int64_t n_in)
{
    dnnl_data_type_t type = dtype == YOCO_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_memory_desc_t x, weights, y;
    dnnl_matmul_desc_t matmul;
    dnnl_status_t status =
        dnnl_memory_desc_init_by_tag(&x, 2, (dnnl_dims_t){n_rows, n_in}, type, dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(&weights, 2, (dnnl_dims_t){n_in, n_out}, type,
                                              dnnl_format_tag_any);
    if (status == dnnl_success)
        status =
            dnnl_memory_desc_init_by_tag(&y, 2, (dnnl_dims_t){n_rows, n_out}, dnnl_f32, dnnl_ab);
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(&matmul, &x, &weights, NULL, &y);
    if (status == dnnl_success)
        status = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&p->desc, &matmul, NULL, p->engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&p->primitive, p->desc);
    return status;
}

void yoco_peer_fill(uint16_t *data, size_t bytes)
{
    uint64_t state = 1;
    for (size_t i = 0; i < bytes / sizeof *data; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        data[i] = (uint16_t)(0x3f00u | (state >> 48 & 0x807fu));
    }
}

static yoco_status product_create(product *p, yoco_dtype dtype, int64_t n_rows, int64_t n_out,
                                  int64_t n_in)
{
    static const dnnl_query_t queries[] = {dnnl_query_src_md, dnnl_query_weights_md,
                                           dnnl_query_dst_md};
    dnnl_status_t failure = product_plan(p, dtype, n_rows, n_out, n_in);
    for (int i = 0; i < N_MATRICES && failure == dnnl_success; i++) {
        const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(p->desc, queries[i], 0);
        size_t bytes = dnnl_memory_desc_get_size(desc);
        YOCO_TRY(yoco_alloc(bytes, "a matrix of the benchmark", &p->data[i]));
        yoco_peer_fill(p->data[i], bytes);
        failure = dnnl_memory_create(&p->memory[i], desc, p->engine, p->data[i]);
    }
    if (failure == dnnl_success)
        return YOCO_OK;
    yoco_log_error("oneDNN cannot make the product (%lld, %lld) (%lld, %lld) in %s: status %d",
                   (long long)n_rows, (long long)n_in, (long long)n_in, (long long)n_out,
                   yoco_dtype_name(dtype), (int)failure);
    return YOCO_ERR_INTERNAL;
}

static void product_free(product *p)
{
    for (int i = 0; i < N_MATRICES; i++) {
        dnnl_memory_destroy(p->memory[i]);
        yoco_free(p->data[i]);
    }
    dnnl_primitive_destroy(p->primitive);
    dnnl_primitive_desc_destroy(p->desc);
    dnnl_stream_destroy(p->stream);
    dnnl_engine_destroy(p->engine);
}

yoco_status yoco_peer_gemm(yoco_peer *peer, yoco_dtype dtype, int64_t n_rows, int64_t n_out,
                           int64_t n_in, yoco_spread *flop_s)
{
    if (!peer->ops->host_memory)
        return yoco_device_gemm(peer, n_rows, n_out, n_in, flop_s);
    product p = {0};
    /* oneDNN plans and runs a product on the caller's number of threads. */
    int n_threads = omp_get_max_threads();
    omp_set_num_threads(peer->device->n_threads);
    yoco_status status =
        peer->comm->ops->agree(peer->comm, product_create(&p, dtype, n_rows, n_out, n_in));
    if (status == YOCO_OK) {
        double flops = 2.0 * (double)n_rows * (double)n_out * (double)n_in;
        status = yoco_peer_measure(peer, &(yoco_peer_work){product_run, &p, flops}, flop_s);
    }
    omp_set_num_threads(n_threads);
    product_free(&p);
    return status;
}

/* Reading memory: four runs side by side, as wide as the processor can; that was the fastest of the
 * plain ways. */
enum { N_STREAMS = 4, READ_BYTES = 64 };

typedef uint64_t vector __attribute__((vector_size(READ_BYTES), may_alias));
typedef uint64_t (*reader)(const char *data, int64_t bytes);

static inline __attribute__((always_inline)) uint64_t sum_bytes(const char *data, int64_t bytes)
{
    int64_t n = bytes / N_STREAMS / READ_BYTES;
    const vector *stream[N_STREAMS];
    vector sum[N_STREAMS] = {0};
    uint64_t total = 0;
    for (int s = 0; s < N_STREAMS; s++)
        stream[s] = (const vector *)data + s * n;
    for (int64_t i = 0; i < n; i++)
        for (int s = 0; s < N_STREAMS; s++)
            sum[s] += stream[s][i];
    for (int i = 0; i < N_STREAMS * READ_BYTES / 8; i++)
        total += sum[i / (READ_BYTES / 8)][i % (READ_BYTES / 8)];
    return total;
}

static uint64_t read_portable(const char *data, int64_t bytes)
{
    return sum_bytes(data, bytes);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static uint64_t read_avx2(const char *data, int64_t bytes)
{
    return sum_bytes(data, bytes);
}

__attribute__((target("avx512f"))) static uint64_t read_avx512(const char *data, int64_t bytes)
{
    return sum_bytes(data, bytes);
}
#endif

static reader choose_reader(void)
{
#ifdef __x86_64__
    if (yoco_isa_detect() >= YOCO_ISA_AVX512)
        return read_avx512;
    if (yoco_isa_detect() >= YOCO_ISA_AVX2)
        return read_avx2;
#endif
    return read_portable;
}

typedef struct reading {
    reader read;
    char *data;
    int64_t thread_bytes;
    int n_threads;
    uint64_t total; /* stored, so that the sums are computed */
} reading;

static bool reading_run(void *context)
{
    reading *r = context;
    uint64_t total = 0;
    if (r->thread_bytes == 0)
        return true;
#pragma omp parallel num_threads(r->n_threads) reduction(+ : total)
    total += r->read(r->data + omp_get_thread_num() * r->thread_bytes, r->thread_bytes);
    *(volatile uint64_t *)&r->total = total;
    return true;
}

/* Each thread first touches what it will read. */
static void reading_touch(reading *r)
{
    if (r->thread_bytes == 0)
        return;
#pragma omp parallel num_threads(r->n_threads)
    memset(r->data + omp_get_thread_num() * r->thread_bytes, 1, (size_t)r->thread_bytes);
}

yoco_status yoco_peer_read(yoco_peer *peer, int64_t bytes, yoco_spread *byte_s)
{
    if (!peer->ops->host_memory)
        return yoco_device_copy(peer, bytes, byte_s);
    int64_t step = (int64_t)peer->device->n_threads * N_STREAMS * READ_BYTES,
            size = bytes / step * step;
    reading r = {.read = choose_reader(),
                 .thread_bytes = size / peer->device->n_threads,
                 .n_threads = peer->device->n_threads};
    yoco_status status = peer->comm->ops->agree(
        peer->comm, yoco_alloc((size_t)size, "the benchmark's reading", (void **)&r.data));
    if (status == YOCO_OK) {
        reading_touch(&r);
        status = yoco_peer_measure(peer, &(yoco_peer_work){reading_run, &r, (double)size}, byte_s);
    }
    yoco_free(r.data);
    return status;
}

int64_t yoco_peer_large_bytes(const yoco_peer *peer)
{
    if (!peer->ops->host_memory)
        return YOCO_DEVICE_LARGE_BYTES;
    int64_t cache = yoco_i64_max(sysconf(_SC_LEVEL3_CACHE_SIZE), 0);
    int64_t wanted = yoco_i64_max((int64_t)1 << 30, 4 * cache);
    int64_t available = (int64_t)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE);
    return yoco_i64_min(wanted, available / 2) / peer->comm->node_n_ranks;
}

void yoco_peer_library(const yoco_peer *peer, char *text, size_t size)
{
    const dnnl_version_t *version = dnnl_version();
    if (peer->ops->host_memory)
        snprintf(text, size, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
    else
        snprintf(text, size, "the backend's products");
}
