/* Loading all kernels when a device is opened. The driver loads a kernel at its first use
 * otherwise, which an older one refuses while a stream is captured, and which may wait for a kernel
 * that waits for another rank. */
#include "kernels/cuda/device.cuh"

constexpr int MAX_KERNELS = 128;

static struct {
    const void *address;
    int capability; /* 0: all have it */
} kernels[MAX_KERNELS];
static int n_kernels;

int yoco_cuda_list_kernel(const void *kernel, int capability)
{
    if (n_kernels < MAX_KERNELS)
        kernels[n_kernels] = {kernel, capability};
    return n_kernels++;
}

/* A kernel may have all of a block's shared memory: each launch says how much it takes. */
static bool load(yoco_device *device, const void *kernel)
{
    cudaFuncAttributes attributes;
    if (!yoco_cuda_check(device, cudaFuncGetAttributes(&attributes, kernel), "loading a kernel"))
        return false;
    int bytes = (int)(device->shared_limit - attributes.sharedSizeBytes);
    return yoco_cuda_check(
        device, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
        "a kernel's shared memory");
}

yoco_status yoco_cuda_load_kernels(yoco_device *device)
{
    if (n_kernels > MAX_KERNELS) {
        yoco_cuda_fail(device, "loading kernels", "there are more than its list holds");
        return YOCO_ERR_INTERNAL;
    }
    for (int i = 0; i < n_kernels; i++) {
        bool has = kernels[i].capability == 0 || kernels[i].capability == device->capability;
        if (has && !load(device, kernels[i].address))
            return YOCO_ERR_INTERNAL;
    }
    return YOCO_OK;
}
