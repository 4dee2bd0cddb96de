#ifndef YOCO_CUDA_CAUSAL_CUH
#define YOCO_CUDA_CAUSAL_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/ops_causal.h"

/* Attention over all rows before, on tensor cores. False where it does not take these arguments: it
 * wants bf16 and heads of 32, 64 or 128, as many and as wide of V as of K, on 16-byte boundaries.
 * Which kernel runs depends on the model alone. */
bool yoco_cuda_causal_tiles(yoco_device *device, const yoco_causal_args *args);

#endif
