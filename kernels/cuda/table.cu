/* The CUDA backend's life cycle, and its table. */
#include "kernels/cuda/device.cuh"

#include <stdio.h>
#include <string.h>

void yoco_cuda_fail(yoco_device *device, const char *what, const char *why)
{
    if (device->status == YOCO_OK)
        yoco_log_error("the GPU failed at %s: %s", what, why);
    device->status = YOCO_ERR_INTERNAL;
}

bool yoco_cuda_check(yoco_device *device, cudaError_t error, const char *what)
{
    if (error != cudaSuccess)
        yoco_cuda_fail(device, what, cudaGetErrorString(error));
    return error == cudaSuccess;
}

void yoco_cuda_check_launches(yoco_device *device)
{
    yoco_cuda_check(device, cudaGetLastError(), "starting a kernel");
}

static int n_gpus(void)
{
    int n = 0;
    return cudaGetDeviceCount(&n) == cudaSuccess ? n : 0;
}

static bool cuda_device_at(int index, char *text, size_t size)
{
    cudaDeviceProp properties;
    if (index < 0 || index >= n_gpus() ||
        cudaGetDeviceProperties(&properties, index) != cudaSuccess)
        return false;
    snprintf(text, size, "%s, %.1f GiB, compute capability %d.%d, %d multiprocessors",
             properties.name, (double)properties.totalGlobalMem / (1 << 30), properties.major,
             properties.minor, properties.multiProcessorCount);
    return true;
}

/* Ranks of a machine take its GPUs in turn. */
static int choose_gpu(const yoco_device_options *options)
{
    int n = n_gpus();
    return n > 0 ? options->gpu % n : -1;
}

static void cuda_describe(const yoco_device_options *options, char *text, size_t size)
{
    cudaDeviceProp properties;
    int gpu = choose_gpu(options);
    char products[32] = "own products";
    if (gpu < 0 || cudaGetDeviceProperties(&properties, gpu) != cudaSuccess) {
        snprintf(text, size, "cuda without a GPU");
        return;
    }
    if (yoco_cuda_has_cublaslt())
        snprintf(products, sizeof products, "cublasLt %zu", cublasLtGetVersion());
    snprintf(text, size, "cuda %s sm_%d%d %s", properties.name, properties.major, properties.minor,
             products);
}

static void cuda_close(yoco_device *device)
{
    if (!device)
        return;
    if (device->stream)
        (void)cudaStreamSynchronize(device->stream);
    yoco_cuda_graph_close(device);
    yoco_cuda_fetch_close(device);
    yoco_cuda_slabs_close(device);
    yoco_cuda_draw_close(device);
    yoco_cuda_window_close(device);
    yoco_cuda_segments_close(device);
    yoco_cuda_staging_close(device);
    yoco_cuda_free(device, device->bad_device);
    yoco_cuda_free(device, device->hash_device);
    if (device->bad_host)
        (void)cudaFreeHost(device->bad_host);
    if (device->stream)
        (void)cudaStreamDestroy(device->stream);
    yoco_free(device);
}

static yoco_status open_parts(yoco_device *device)
{
    bool opened =
        yoco_cuda_check(device, cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking),
                        "making a stream") &&
        yoco_cuda_check(device, cudaMallocHost((void **)&device->bad_host, sizeof(int)),
                        "pinned memory");
    if (!opened)
        return YOCO_ERR_INTERNAL;
    YOCO_TRY(yoco_cuda_load_kernels(device));
    YOCO_TRY(yoco_cuda_alloc(device, sizeof(int), "a flag", (void **)&device->bad_device));
    yoco_cuda_zero(device, device->bad_device, sizeof(int));
    YOCO_TRY(yoco_cuda_alloc(device, sizeof(uint64_t), "a hash", (void **)&device->hash_device));
    YOCO_TRY(yoco_cuda_staging_open(device));
    YOCO_TRY(yoco_cuda_fetch_open(device));
    YOCO_TRY(yoco_cuda_segments_open(device));
    YOCO_TRY(yoco_cuda_window_open(device));
    YOCO_TRY(yoco_cuda_draw_open(device));
    return yoco_cuda_slabs_open(device);
}

static yoco_status cuda_open(const yoco_device_options *options, yoco_device **out)
{
    void *memory;
    int gpu = choose_gpu(options);
    if (gpu < 0) {
        yoco_log_error(
            "this machine has no GPU that CUDA can use (yoco info --devices lists them)");
        return YOCO_ERR_USAGE;
    }
    YOCO_TRY(yoco_alloc(sizeof **out, "the cuda backend", &memory));
    yoco_device *device = (yoco_device *)memory;
    memset((void *)device, 0, sizeof *device);
    device->options = *options;
    device->gpu = gpu;
    yoco_status status = YOCO_ERR_INTERNAL;
    cudaDeviceProp properties;
    if (yoco_cuda_check(device, cudaSetDevice(gpu), "choosing a GPU") &&
        yoco_cuda_check(device, cudaGetDeviceProperties(&properties, gpu), "asking a GPU")) {
        device->capability = 10 * properties.major + properties.minor;
        device->shared_limit = properties.sharedMemPerBlockOptin;
        status = open_parts(device);
    }
    if (status != YOCO_OK) {
        cuda_close(device);
        return status;
    }
    *out = device;
    return YOCO_OK;
}

/* The merges' flag is on its way to pinned memory before the wait, and taken after it. */
static void fetch_bad(yoco_device *device)
{
    if (device->bad_target)
        yoco_cuda_check(device,
                        cudaMemcpyAsync(device->bad_host, device->bad_device, sizeof(int),
                                        cudaMemcpyDeviceToHost, device->stream),
                        "a flag");
}

static void take_bad(yoco_device *device)
{
    if (device->bad_target && *device->bad_host) {
        *device->bad_target |= 1;
        yoco_cuda_zero(device, device->bad_device, sizeof(int));
    }
    device->bad_target = NULL;
}

static yoco_status cuda_synchronize(yoco_device *device)
{
    yoco_cuda_graph_flush(device);
    fetch_bad(device);
    yoco_cuda_check(device, cudaStreamSynchronize(device->stream), "running kernels");
    take_bad(device);
    yoco_cuda_graph_resume(device);
    yoco_status status = device->status;
    device->status = YOCO_OK;
    return status;
}

/* The driver's context with the kernels of this program and of cublasLt, about 0.5 GiB on an H100
 * (an estimate: no device has measured it), cublasLt's workspace, the ring of descriptors. */
static const size_t OWN_BYTES = (size_t)600 << 20;

const yoco_ops yoco_cuda_ops = {
    .name = "cuda",
    .host_memory = false,
    .own_bytes = OWN_BYTES,
    .device_at = cuda_device_at,
    .describe = cuda_describe,
    .weight_bytes = yoco_cuda_weight_bytes,
    .open = cuda_open,
    .close = cuda_close,
    .synchronize = cuda_synchronize,
    .alloc = yoco_cuda_alloc,
    .free = yoco_cuda_free,
    .alloc_shared = yoco_cuda_alloc_shared,
    .free_shared = yoco_cuda_free_shared,
    .upload = yoco_cuda_upload,
    .download = yoco_cuda_download,
    .fetch = yoco_cuda_fetch,
    .copy = yoco_cuda_copy,
    .copy_rows = yoco_cuda_copy_rows,
    .zero = yoco_cuda_zero,
    .memory_in_use = yoco_cuda_memory_in_use,
    .hash = yoco_cuda_hash,
    .weight_create = yoco_cuda_weight_create,
    .weight_free = yoco_cuda_weight_free,
    .stream = &yoco_cuda_stream,
    .dense = &yoco_cuda_dense,
    .window = &yoco_cuda_window,
    .causal = &yoco_cuda_causal,
    .retention = &yoco_cuda_retention,
    .conv = &yoco_cuda_conv,
    .delta = &yoco_cuda_delta,
    .attend = &yoco_cuda_attend,
    .choose = &yoco_cuda_choose,
    .mamba = &yoco_cuda_mamba,
    .differential = &yoco_cuda_differential,
};
