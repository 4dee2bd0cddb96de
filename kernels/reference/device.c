/* The reference's device, memory and weights, and its table. */
#include "kernels/libm.h"
#include "kernels/reference/reference.h"

#include <stdio.h>
#include <xxhash.h>

static bool reference_device_at(int index, char *text, size_t size)
{
    if (index != 0)
        return false;
    snprintf(text, size, "plain C on one thread");
    return true;
}

/* libm's rounding is part of the results. */
static void reference_describe(const yoco_device_options *options, char *text, size_t size)
{
    (void)options;
    char libm[48];
    yoco_libm_describe(libm, sizeof libm);
    snprintf(text, size, "reference %s", libm);
}

static size_t reference_weight_bytes(const yoco_device_options *options, int64_t n_out,
                                     int64_t n_in)
{
    (void)options;
    return (size_t)n_out * (size_t)n_in * sizeof(float);
}

static yoco_status reference_open(const yoco_device_options *options, yoco_device **out)
{
    void *memory;
    YOCO_TRY(yoco_alloc(sizeof **out, "the reference backend", &memory));
    yoco_device *device = memory;
    device->dtype = options->dtype;
    *out = device;
    return YOCO_OK;
}

static void reference_close(yoco_device *device)
{
    yoco_free(device);
}

static yoco_status reference_synchronize(yoco_device *device)
{
    (void)device;
    return YOCO_OK;
}

static yoco_status reference_alloc(yoco_device *device, size_t bytes, const char *what, void **out)
{
    (void)device;
    return yoco_alloc(bytes, what, out);
}

static void reference_free(yoco_device *device, void *ptr)
{
    (void)device;
    yoco_free(ptr);
}

/* Host and device memory are the same kind, so upload, download and copy are one function. An empty
 * buffer may be NULL, which memcpy does not take. */
static void reference_copy(yoco_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    if (bytes > 0)
        memcpy(to, from, bytes);
}

static void reference_copy_rows(yoco_device *device, const yoco_row_copy *copies, int64_t n,
                                size_t bytes)
{
    for (int64_t i = 0; i < n; i++)
        reference_copy(device, copies[i].to, copies[i].from, bytes);
}

static yoco_status reference_fetch(yoco_device *device, void *to, const void *from, size_t bytes)
{
    reference_copy(device, to, from, bytes);
    return YOCO_OK;
}

static void reference_zero(yoco_device *device, void *ptr, size_t bytes)
{
    (void)device;
    if (bytes > 0)
        memset(ptr, 0, bytes);
}

static uint64_t reference_hash(yoco_device *device, const void *ptr, size_t bytes)
{
    (void)device;
    return XXH3_64bits(ptr, bytes);
}

static size_t reference_memory_in_use(yoco_device *device)
{
    (void)device;
    return 0;
}

static yoco_status weight_copy(yoco_dtype run_dtype, yoco_weight *weight)
{
    void *memory;
    size_t n = (size_t)weight->n_out * (size_t)weight->n_in;
    YOCO_TRY(yoco_alloc(n * sizeof(float), "a weight", &memory));
    weight->owned = memory;
    for (size_t i = 0; i < n; i++) {
        float value = reference_load(weight->dtype, weight->data, (int64_t)i);
        weight->owned[i] =
            run_dtype == YOCO_BF16 ? yoco_bf16_to_f32(yoco_f32_to_bf16(value)) : value;
    }
    return YOCO_OK;
}

static yoco_status reference_weight_create(yoco_device *device, const yoco_matrix *matrix,
                                           yoco_weight_use use, yoco_weight **out)
{
    void *memory;
    YOCO_TRY(yoco_alloc(sizeof **out, "a weight", &memory));
    yoco_weight *weight = memory;
    *weight = (yoco_weight){
        .dtype = matrix->dtype, .n_out = matrix->n_out, .n_in = matrix->n_in, .data = matrix->data};
    if (use == YOCO_WEIGHT_LINEAR) {
        yoco_status status = weight_copy(device->dtype, weight);
        if (status != YOCO_OK) {
            yoco_free(weight);
            return status;
        }
    }
    *out = weight;
    return YOCO_OK;
}

static void reference_weight_free(yoco_device *device, yoco_weight *weight)
{
    (void)device;
    if (weight)
        yoco_free(weight->owned);
    yoco_free(weight);
}

const yoco_ops yoco_reference_ops = {
    .name = "reference",
    .host_memory = true,
    .device_at = reference_device_at,
    .describe = reference_describe,
    .weight_bytes = reference_weight_bytes,
    .open = reference_open,
    .close = reference_close,
    .synchronize = reference_synchronize,
    .alloc = reference_alloc,
    .free = reference_free,
    .alloc_shared = reference_alloc,
    .free_shared = reference_free,
    .upload = reference_copy,
    .download = reference_copy,
    .fetch = reference_fetch,
    .copy = reference_copy,
    .copy_rows = reference_copy_rows,
    .zero = reference_zero,
    .memory_in_use = reference_memory_in_use,
    .hash = reference_hash,
    .weight_create = reference_weight_create,
    .weight_free = reference_weight_free,
    .dense = &yoco_reference_dense,
    .window = &yoco_reference_window,
    .causal = &yoco_reference_causal,
    .retention = &yoco_reference_retention,
    .conv = &yoco_reference_conv,
    .delta = &yoco_reference_delta,
    .attend = &yoco_reference_attend,
    .choose = &yoco_reference_choose,
    .mamba = &yoco_reference_mamba,
    .differential = &yoco_reference_differential,
};
