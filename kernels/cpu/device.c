/* The fast CPU backend's life cycle and memory, and its table. */
#include "kernels/cpu/simd.h"
#include "kernels/libm.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static const yoco_simd *const tables[YOCO_N_ISA] = {
    [YOCO_ISA_PORTABLE] = &yoco_simd_portable,
#ifdef YOCO_CPU_X86
    [YOCO_ISA_AVX2] = &yoco_simd_avx2,
    [YOCO_ISA_AVX512] = &yoco_simd_avx512,
    [YOCO_ISA_AVX512_BF16] = &yoco_simd_avx512,
#endif
};

/* oneDNN's blocked GEMM needs AVX-512; below it our own products keep the bits of a row. */
static bool uses_onednn(yoco_isa isa)
{
    return isa == YOCO_ISA_AVX512 || isa == YOCO_ISA_AVX512_BF16;
}

static bool cpu_device_at(int index, char *text, size_t size)
{
    if (index != 0)
        return false;
    snprintf(text, size, "%s", yoco_isa_name(yoco_isa_detect()));
    return true;
}

/* glibc: the angles of RoPE and the gates of retention come from its libm. */
static void cpu_describe(const yoco_device_options *options, char *text, size_t size)
{
    char onednn[32] = "own", libm[48];
    if (uses_onednn(options->isa))
        yoco_gemm_describe(onednn, sizeof onednn);
    yoco_libm_describe(libm, sizeof libm);
    snprintf(text, size, "cpu %s %s %s", yoco_isa_name(options->isa), onednn, libm);
}

static void cpu_close(yoco_device *device)
{
    if (!device)
        return;
    yoco_gemm_cache_close(device->gemms);
    yoco_free(device->scratch);
    yoco_free(device);
}

static yoco_status cpu_open(const yoco_device_options *options, yoco_device **out)
{
    if (options->isa > yoco_isa_detect()) {
        yoco_log_error("this processor has %s, not %s", yoco_isa_name(yoco_isa_detect()),
                       yoco_isa_name(options->isa));
        return YOCO_ERR_USAGE;
    }
    void *memory;
    YOCO_TRY(yoco_alloc(sizeof **out, "the cpu backend", &memory));
    yoco_device *device = memory;
    *device = (yoco_device){.options = *options, .simd = tables[options->isa]};
    if (uses_onednn(options->isa)) {
        yoco_status status = yoco_gemm_cache_open(options, &device->gemms);
        if (status != YOCO_OK) {
            cpu_close(device);
            return status;
        }
    }
    *out = device;
    return YOCO_OK;
}

static yoco_status cpu_synchronize(yoco_device *device)
{
    yoco_status status = device->status;
    device->status = YOCO_OK;
    return status;
}

void yoco_cpu_fail(yoco_device *device, const char *what)
{
    yoco_log_error("%s", what);
    device->status = YOCO_ERR_INTERNAL;
}

bool yoco_cpu_reserve(yoco_device *device, size_t bytes)
{
    if (bytes <= device->scratch_bytes)
        return true;
    void *memory;
    bytes = (bytes + 4095) / 4096 * 4096;
    yoco_status status =
        yoco_alloc((size_t)device->options.n_threads * bytes, "a kernel's scratch", &memory);
    if (status != YOCO_OK) {
        device->status = status;
        return false;
    }
    yoco_free(device->scratch);
    device->scratch = memory;
    device->scratch_bytes = bytes;
    return true;
}

static yoco_status cpu_alloc(yoco_device *device, size_t bytes, const char *what, void **out)
{
    (void)device;
    return yoco_alloc(bytes, what, out);
}

static void cpu_free(yoco_device *device, void *ptr)
{
    (void)device;
    yoco_free(ptr);
}

/* Host and device memory are the same kind, so upload, download and copy are one function. An empty
 * buffer may be NULL, which memcpy does not take. */
static void cpu_copy(yoco_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    if (bytes > 0)
        memcpy(to, from, bytes);
}

static void cpu_copy_rows(yoco_device *device, const yoco_row_copy *copies, int64_t n, size_t bytes)
{
    for (int64_t i = 0; i < n; i++)
        cpu_copy(device, copies[i].to, copies[i].from, bytes);
}

static yoco_status cpu_fetch(yoco_device *device, void *to, const void *from, size_t bytes)
{
    cpu_copy(device, to, from, bytes);
    return YOCO_OK;
}

static void cpu_zero(yoco_device *device, void *ptr, size_t bytes)
{
    (void)device;
    if (bytes > 0)
        memset(ptr, 0, bytes);
}

static size_t cpu_memory_in_use(yoco_device *device)
{
    (void)device;
    return 0;
}

static uint64_t cpu_hash(yoco_device *device, const void *ptr, size_t bytes)
{
    (void)device;
    return XXH3_64bits(ptr, bytes);
}

const yoco_ops yoco_cpu_ops = {
    .name = "cpu",
    .host_memory = true,
    .device_at = cpu_device_at,
    .describe = cpu_describe,
    .weight_bytes = yoco_cpu_weight_bytes,
    .open = cpu_open,
    .close = cpu_close,
    .synchronize = cpu_synchronize,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .alloc_shared = cpu_alloc,
    .free_shared = cpu_free,
    .upload = cpu_copy,
    .download = cpu_copy,
    .fetch = cpu_fetch,
    .copy = cpu_copy,
    .copy_rows = cpu_copy_rows,
    .zero = cpu_zero,
    .memory_in_use = cpu_memory_in_use,
    .hash = cpu_hash,
    .weight_create = yoco_cpu_weight_create,
    .weight_free = yoco_cpu_weight_free,
    .dense = &yoco_cpu_dense,
    .window = &yoco_cpu_window,
    .causal = &yoco_cpu_causal,
    .retention = &yoco_cpu_retention,
    .conv = &yoco_cpu_conv,
    .delta = &yoco_cpu_delta,
    .attend = &yoco_cpu_attend,
    .choose = &yoco_cpu_choose,
    .mamba = &yoco_cpu_mamba,
    .differential = &yoco_cpu_differential,
};
