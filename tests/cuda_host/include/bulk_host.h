/* The host's side of kernels/cuda/bulk_copy.cuh. */
#ifndef BULK_HOST_H
#define BULK_HOST_H

#include <cuda.h>
#include <stdint.h>

void barrier_init(uint64_t *barrier);
void fence_barrier_init();
void barrier_expect(uint64_t *barrier, int bytes);
void barrier_wait(uint64_t *barrier, int phase);
void acquire_map(const CUtensorMap *map);
void bulk_copy_tile(void *tile, const CUtensorMap *map, int row, int column, uint64_t *barrier);

#endif
