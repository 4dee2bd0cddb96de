/* The peers of a backend whose memory is not the host's, on a device of their own beside the
 * worker's; see peer.h. */
#ifndef YOCO_BENCH_DEVICE_H
#define YOCO_BENCH_DEVICE_H

#include "coordinator/bench/peer.h"

enum { YOCO_DEVICE_LARGE_BYTES = 1 << 30 }; /* many times its caches */

/* In the device's dtype. */
yoco_status yoco_device_gemm(yoco_peer *peer, int64_t n_rows, int64_t n_out, int64_t n_in,
                             yoco_spread *flop_s);

yoco_status yoco_device_copy(yoco_peer *peer, int64_t bytes, yoco_spread *byte_s);

#endif
