/* What the machine can do, measured there and then, for the engine to be compared with: oneDNN's
 * own matrix products, and reading memory.
 *
 * Collective. All ranks measure at the same time, each on as many threads as its part of the engine
 * has, so that they share the machine as the engine's ranks do; a rate is the sum over the ranks.
 */
#ifndef YOCO_BENCH_PEER_H
#define YOCO_BENCH_PEER_H

#include "comm/comm.h"
#include "coordinator/spread.h"

typedef struct yoco_peer {
    yoco_comm *comm;
    int n_threads;
    double cpu_share; /* least processor time that the threads got, of what they had time for:
                         below 1 other programs were at work, and the rates are too low. Begins
                         at 1. */
} yoco_peer;

/* Products (n_rows, n_in) (n_in, n_out) of inputs in `dtype`, F32 or BF16, into f32; the weights
 * lie as oneDNN likes them best. */
yoco_status yoco_peer_gemm(yoco_peer *peer, yoco_dtype dtype, int64_t n_rows, int64_t n_out,
                           int64_t n_in, yoco_spread *flop_s);

/* Reading `bytes` of this rank's memory again and again; 0 on a rank that has nothing to read. */
yoco_status yoco_peer_read(yoco_peer *peer, int64_t bytes, yoco_spread *byte_s);

/* A buffer of this rank that the ranks' caches do not hold, as far as there is memory for it. */
int64_t yoco_peer_large_bytes(const yoco_peer *peer);

/* "2.6.3" */
void yoco_peer_onednn_version(char *text, size_t size);

#endif
