#include "kernels/kernels.h"

#include <string.h>

/* The fastest first: that is what "auto" means. */
static const yoco_ops *const backends[] = {
#if YOCO_HAVE_CUDA
    &yoco_cuda_ops,
#endif
    &yoco_cpu_ops,
    &yoco_reference_ops,
};

static const char *const isa_names[YOCO_N_ISA] = {
    [YOCO_ISA_PORTABLE] = "portable",
    [YOCO_ISA_AVX2] = "avx2",
    [YOCO_ISA_AVX512] = "avx512",
    [YOCO_ISA_AVX512_BF16] = "avx512_bf16",
};

const yoco_ops *yoco_ops_at(int index)
{
    int n = (int)(sizeof backends / sizeof backends[0]);
    return index >= 0 && index < n ? backends[index] : NULL;
}

const yoco_ops *yoco_ops_find(const char *name)
{
    char line[256];
    bool any = strcmp(name, "auto") == 0;
    const yoco_ops *ops;
    for (int i = 0; (ops = yoco_ops_at(i)); i++) {
        if (any ? ops->device_at(0, line, sizeof line) : strcmp(name, ops->name) == 0)
            return ops;
    }
    return NULL;
}

const char *yoco_isa_name(yoco_isa isa)
{
    return isa_names[isa];
}

bool yoco_isa_find(const char *name, yoco_isa *out)
{
    for (int isa = 0; isa < YOCO_N_ISA; isa++) {
        if (strcmp(name, isa_names[isa]) == 0) {
            *out = (yoco_isa)isa;
            return true;
        }
    }
    return false;
}
