/* The roof of a backend whose memory is not the host's, on a device of their own beside the
 * worker's; see roof.h. */
#ifndef YOCO_BENCH_DEVICE_H
#define YOCO_BENCH_DEVICE_H

#include "coordinator/bench/rate.h"

enum { YOCO_DEVICE_LARGE_BYTES = 1 << 30 }; /* many times its caches */

/* Products in the device's dtype. */
yoco_status yoco_device_gemm(yoco_rater *rater, int64_t n_rows, int64_t n_out, int64_t n_in,
                             yoco_spread *flop_s);

yoco_status yoco_device_copy(yoco_rater *rater, int64_t bytes, yoco_spread *byte_s);

#endif
