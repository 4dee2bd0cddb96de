/* Running one block of threads as fibers, in an order. */
#ifndef CUDA_HOST_FIBERS_H
#define CUDA_HOST_FIBERS_H

#include <functional>

#include "tests/cuda_host/include/cuda_host.h"

/* Ascending, warps go in step with each other; descending, each goes ahead as far as a barrier of
 * the block; shuffled, one or the other from barrier to barrier. */
enum cuda_host_order { CUDA_HOST_ASCENDING, CUDA_HOST_DESCENDING, CUDA_HOST_SHUFFLED };

void cuda_host_run_block(const char *kernel, dim3 block, cuda_host_order order,
                         const std::function<void()> &body);

/* All blocks of a grid, each with shared memory of its own. */
void cuda_host_run_grid(const char *kernel, dim3 grid, dim3 block, size_t shared_bytes,
                        cuda_host_order order, const std::function<void()> &body);

/* After the last block of a grid. */
void cuda_host_end_grid();

/* How the running block's fibers are resumed. */
cuda_host_order cuda_host_running_order();

/* A bit of the sequence that shuffles. */
bool cuda_host_coin();

/* A kernel that does what no kernel may: prints a line and ends the program. */
[[noreturn]] void cuda_host_fail(const char *what);

/* For arithmetic on arrays of known size: most of the time goes there, and a sanitizer would
 * multiply it. */
#define CUDA_HOST_UNCHECKED __attribute__((noinline, no_sanitize("address", "undefined")))

/* The running thread's index in its block. */
int cuda_host_thread();

/* cp.async: a thread begins with no copies under way, and must not end with any. */
void cuda_host_copies_begin(int n_threads);
bool cuda_host_copies_done(int thread);

/* A copy, or a product of wgmma, may arrive as soon as it has begun, or when it is waited for: one
 * or the other by the block's order, or as it happens. */
bool cuda_host_arrives_early();

/* wgmma and the bulk copy engine: a block begins with nothing under way, and must not end with any.
 */
void cuda_host_products_begin(int n_threads);
void cuda_host_products_end();
void cuda_host_bulk_begin();
void cuda_host_bulk_end();

/* The running fiber waits for what another thread does, outside of barriers. */
void cuda_host_give_way();

#endif
