/* What the machine can do, measured there and then, for the engine to be compared with: matrix
 * products by the library, and reading memory. On the host that is oneDNN as it likes best; on a
 * device the backend's own op for large products, which is its library's, and copies within the
 * device's memory.
 *
 * Collective. All ranks measure at the same time, each on as many threads as its part of the engine
 * has, so that they share the machine as the engine's ranks do; a rate is the sum over the ranks.
 */
#ifndef YOCO_BENCH_PEER_H
#define YOCO_BENCH_PEER_H

#include "comm/comm.h"
#include "coordinator/timing/spread.h"
#include "worker/worker.h"

typedef struct yoco_peer {
    yoco_comm *comm;
    const yoco_ops *ops;
    const yoco_device_options *device;
    double cpu_share; /* least processor time that the threads got, of what they had time for:
                         below 1 other programs were at work, and the rates are too low. Begins
                         at 1. */
} yoco_peer;

/* What is repeated: `units` of work at a call. */
typedef struct yoco_peer_work {
    bool (*run)(void *context);
    void *context;
    double units;
} yoco_peer_work;

/* Several runs after one that warms up: units per second, summed over the ranks. */
yoco_status yoco_peer_measure(yoco_peer *peer, const yoco_peer_work *work, yoco_spread *out);

/* Products (n_rows, n_in) (n_in, n_out) of inputs in `dtype`, F32 or BF16, into f32; the weights
 * lie as the library likes them best. On a device `dtype` is its own. */
yoco_status yoco_peer_gemm(yoco_peer *peer, yoco_dtype dtype, int64_t n_rows, int64_t n_out,
                           int64_t n_in, yoco_spread *flop_s);

/* Input for products, in f32 or bf16 and any layout: halves of f32 and bf16 alike are of magnitude
 * 0.5 to 1. Zeros would draw less power, and a GPU would clock higher. */
void yoco_peer_fill(uint16_t *data, size_t bytes);

/* Reading `bytes` of this rank's memory again and again; 0 on a rank that has nothing to read. On a
 * device the first half is copied to the second: `bytes` go through its memory. */
yoco_status yoco_peer_read(yoco_peer *peer, int64_t bytes, yoco_spread *byte_s);

/* A buffer of this rank that the ranks' caches do not hold, as far as there is memory for it. */
int64_t yoco_peer_large_bytes(const yoco_peer *peer);

/* "oneDNN 2.6.3", "the backend's products" */
void yoco_peer_library(const yoco_peer *peer, char *text, size_t size);

#endif
