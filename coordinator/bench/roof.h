/* The roof: what the machine can do at most, measured there and then, for the engine to be compared
 * with: matrix products by the library, and reading memory. On the host that is oneDNN as it likes
 * best; on a device the backend's own op for large products, which is its library's, and copies
 * within the device's memory. Collective. */
#ifndef YOCO_BENCH_ROOF_H
#define YOCO_BENCH_ROOF_H

#include "coordinator/bench/rate.h"

/* Products (n_rows, n_in) (n_in, n_out) of inputs in `dtype`, F32 or BF16, into f32; the weights
 * lie as the library likes them best. On a device `dtype` is its own. */
yoco_status yoco_roof_gemm(yoco_rater *rater, yoco_dtype dtype, int64_t n_rows, int64_t n_out,
                           int64_t n_in, yoco_spread *flop_s);

/* Reading `bytes` of this rank's memory again and again; 0 on a rank that has nothing to read. On a
 * device the first half is copied to the second: `bytes` go through its memory. */
yoco_status yoco_roof_read(yoco_rater *rater, int64_t bytes, yoco_spread *byte_s);

/* A buffer of this rank that the ranks' caches do not hold, as far as there is memory for it. */
int64_t yoco_roof_large_bytes(const yoco_rater *rater);

/* "oneDNN 2.6.3", "the backend's products" */
void yoco_roof_library(const yoco_rater *rater, char *text, size_t size);

#endif
