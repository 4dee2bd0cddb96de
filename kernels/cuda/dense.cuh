/* The dense ops that stand in files of their own; the table is pointwise.cu's. */
#ifndef YOCO_CUDA_DENSE_CUH
#define YOCO_CUDA_DENSE_CUH

#include "kernels/cuda/device.cuh"
#include "kernels/ops_dense.h"

void yoco_cuda_rms_norm(yoco_device *device, const yoco_rms_norm_args *args);
void yoco_cuda_layer_norm(yoco_device *device, const yoco_layer_norm_args *args);
void yoco_cuda_linear_rows(yoco_device *device, const yoco_linear_args *args);
void yoco_cuda_linear_slabs(yoco_device *device, const yoco_linear_args *args);

#endif
