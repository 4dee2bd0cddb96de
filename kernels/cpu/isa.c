#include "kernels/kernels.h"

yoco_isa yoco_isa_detect(void)
{
#ifdef YOCO_CPU_X86
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (avx512 && __builtin_cpu_supports("avx512bf16"))
        return YOCO_ISA_AVX512_BF16;
    if (avx512)
        return YOCO_ISA_AVX512;
    if (avx2)
        return YOCO_ISA_AVX2;
#endif
    return YOCO_ISA_PORTABLE;
}
