#ifndef YOCO_CUDA_WINDOW_CUH
#define YOCO_CUDA_WINDOW_CUH

#include "kernels/cuda/device.cuh"

/* Window attention on tensor cores. False where it does not take these arguments: it wants bf16 and
 * heads of 32, 64 or 128 on 16-byte boundaries. Which kernel runs depends on the model alone. */
bool yoco_cuda_window_tiles(yoco_device *device, const yoco_window_args *args);

#endif
