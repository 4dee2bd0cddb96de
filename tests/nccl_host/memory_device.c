#include <cuda_runtime_api.h>
#include <stdlib.h>

#include "tests/comm/memory.h"

bool uses_device_memory(void)
{
    return true;
}

void *get_memory(size_t bytes)
{
    void *ptr;
    if (cudaMalloc(&ptr, bytes) != cudaSuccess)
        exit(1);
    return ptr;
}

void free_memory(void *ptr)
{
    cudaFree(ptr);
}
