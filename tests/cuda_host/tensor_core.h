/* Sums of tensor cores as an H100 makes them. */
#ifndef CUDA_HOST_TENSOR_CORE_H
#define CUDA_HOST_TENSOR_CORE_H

enum { CUDA_HOST_DEPTH = 16, CUDA_HOST_COLUMNS = 8 };

/* d += a b; a and b hold bf16. */
void cuda_host_multiply(float (&d)[16][CUDA_HOST_COLUMNS], const float (&a)[16][CUDA_HOST_DEPTH],
                        const float (&b)[CUDA_HOST_DEPTH][CUDA_HOST_COLUMNS]);

#endif
