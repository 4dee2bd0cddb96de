/* What the program gave the device to do, and how often the host waited for it. */
#ifndef CUDA_HOST_COUNTS_H
#define CUDA_HOST_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cuda_host_counts {
    int64_t kernels, copies, zeroings; /* copies: all of them, between any memories */
    int64_t uploads, upload_bytes;     /* copies from host memory */
    int64_t graphs;                    /* starts of one */
    int64_t waits;                     /* of the host for a stream */
} cuda_host_counts;

extern cuda_host_counts cuda_host_counted;

/* Kernels and products are counted and do nothing, for tests that ask for no result. */
extern bool cuda_host_only_counts;

#ifdef __cplusplus
}
#endif

#endif
