#include "coordinator/bench/device.h"

#include "kernels/ops_dense.h"

typedef struct work {
    const yoco_ops *ops;
    yoco_device *device;
    yoco_weight *weight;
    void *x;
    float *y;
    int64_t n_rows, bytes; /* of a product; of a copy, from x */
} work;

static void work_free(work *w)
{
    if (!w->device)
        return;
    w->ops->weight_free(w->device, w->weight);
    w->ops->free(w->device, w->x);
    w->ops->free(w->device, w->y);
    w->ops->close(w->device);
}

static yoco_status work_open(const yoco_rater *rater, work *w)
{
    w->ops = rater->ops;
    return rater->ops->open(rater->device, &w->device);
}

static yoco_status product_run(void *data)
{
    const work *w = data;
    w->ops->dense->linear_slabs(
        w->device,
        &(yoco_linear_args){.n_rows = w->n_rows, .weight = w->weight, .x = w->x, .y = w->y});
    return w->ops->synchronize(w->device);
}

/* `host` holds the larger of x and the weight. */
static yoco_status product_create(const yoco_rater *rater, int64_t n_out, int64_t n_in, void *host,
                                  work *w)
{
    yoco_dtype dtype = rater->device->dtype;
    size_t x_bytes = (size_t)(w->n_rows * n_in) * yoco_dtype_bytes(dtype);
    size_t y_bytes = (size_t)(w->n_rows * n_out) * sizeof(float);
    YOCO_TRY(work_open(rater, w));
    YOCO_TRY(w->ops->alloc(w->device, x_bytes, "the benchmark's inputs", &w->x));
    YOCO_TRY(w->ops->alloc(w->device, y_bytes, "the benchmark's outputs", (void **)&w->y));
    w->ops->upload(w->device, w->x, host, x_bytes);
    yoco_matrix matrix = {.dtype = dtype, .n_out = n_out, .n_in = n_in, .data = host};
    return w->ops->weight_create(w->device, &matrix, YOCO_WEIGHT_LINEAR, &w->weight);
}

yoco_status yoco_device_gemm(yoco_rater *rater, int64_t n_rows, int64_t n_out, int64_t n_in,
                             yoco_spread *flop_s)
{
    int64_t n_host = yoco_i64_max(n_rows, n_out) * n_in;
    work w = {.n_rows = n_rows};
    void *host = NULL;
    size_t bytes = (size_t)n_host * yoco_dtype_bytes(rater->device->dtype);
    yoco_status status = yoco_alloc(bytes, "a matrix of the benchmark", &host);
    if (status == YOCO_OK) {
        yoco_rate_fill(host, bytes);
        status = product_create(rater, n_out, n_in, host, &w);
    }
    yoco_free(host);
    status = yoco_agree(rater->comm, status);
    if (status == YOCO_OK) {
        double flops = 2.0 * (double)n_rows * (double)n_out * (double)n_in;
        status = yoco_rate_measure(rater, &(yoco_rate_work){product_run, &w, flops}, flop_s);
    }
    work_free(&w);
    return status;
}

static yoco_status copy_run(void *data)
{
    const work *w = data;
    w->ops->copy(w->device, w->y, w->x, (size_t)w->bytes);
    return w->ops->synchronize(w->device);
}

static yoco_status copy_create(const yoco_rater *rater, work *w)
{
    YOCO_TRY(work_open(rater, w));
    YOCO_TRY(w->ops->alloc(w->device, (size_t)w->bytes, "the benchmark's copy", &w->x));
    YOCO_TRY(w->ops->alloc(w->device, (size_t)w->bytes, "the benchmark's copy", (void **)&w->y));
    w->ops->zero(w->device, w->x, (size_t)w->bytes);
    return YOCO_OK;
}

yoco_status yoco_device_copy(yoco_rater *rater, int64_t bytes, yoco_spread *byte_s)
{
    work w = {.bytes = yoco_i64_min(bytes, YOCO_DEVICE_LARGE_BYTES) / 2};
    yoco_status status = yoco_agree(rater->comm, copy_create(rater, &w));
    if (status == YOCO_OK)
        status = yoco_rate_measure(rater, &(yoco_rate_work){copy_run, &w, 2.0 * (double)w.bytes},
                                   byte_s);
    work_free(&w);
    return status;
}
