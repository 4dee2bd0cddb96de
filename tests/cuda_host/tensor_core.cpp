/* After Khattak and Mikaitis, "Accurate Models of NVIDIA Tensor Cores" (arXiv 2512.07004): 16
 * products of bf16 and what was there are aligned to the largest exponent among them, a product's
 * being the sum of its factors'. What lies more than two bits below the last one of f32 is cut off,
 * the sum is exact, and is cut to f32. So sums lose a little towards zero, never by rounding. */
#include "tests/cuda_host/tensor_core.h"

#include <stdint.h>
#include <string.h>

#include "tests/cuda_host/fibers.h"

constexpr int EXTRA_BITS = 2, F32_BITS = 23, F64_BITS = 52, NO_EXPONENT = -400;

/* A row of columns. */
typedef float floats __attribute__((vector_size(4 * CUDA_HOST_COLUMNS)));
typedef int32_t ints __attribute__((vector_size(4 * CUDA_HOST_COLUMNS)));
typedef double doubles __attribute__((vector_size(8 * CUDA_HOST_COLUMNS)));
typedef int64_t longs __attribute__((vector_size(8 * CUDA_HOST_COLUMNS)));

#ifdef __x86_64__
#define WITH_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define WITH_VECTORS
#endif

static inline __attribute__((always_inline)) ints exponents_of(floats x)
{
    ints bits = (ints)x, field = bits >> 23 & 255;
    ints exponent = (field > 0 ? field : 1) - 127;
    return (bits & 0x7fffffff) == 0 ? ints{} + NO_EXPONENT : exponent;
}

/* What a conversion to integers leaves, exactly. */
static inline __attribute__((always_inline)) doubles whole_part(doubles x)
{
    return __builtin_convertvector(__builtin_convertvector(x, ints), doubles);
}

WITH_VECTORS CUDA_HOST_UNCHECKED static void
multiply(float (&d)[16][CUDA_HOST_COLUMNS], const float (&a)[16][CUDA_HOST_DEPTH],
         const float (&b)[CUDA_HOST_DEPTH][CUDA_HOST_COLUMNS])
{
    floats factors[CUDA_HOST_DEPTH];
    doubles wide[CUDA_HOST_DEPTH];
    ints b_exponents[CUDA_HOST_DEPTH];
    for (int k = 0; k < CUDA_HOST_DEPTH; k++) {
        memcpy(&factors[k], b[k], sizeof factors[k]);
        wide[k] = __builtin_convertvector(factors[k], doubles);
        b_exponents[k] = exponents_of(factors[k]);
    }
    for (int row = 0; row < 16; row++) {
        floats old, plain;
        memcpy(&old, d[row], sizeof old);
        ints top = exponents_of(old);
        plain = old;
        for (int k = 0; k < CUDA_HOST_DEPTH; k++) {
            ints exponent = exponents_of(floats{} + a[row][k]) + b_exponents[k];
            top = exponent > top ? exponent : top;
            plain += a[row][k] * factors[k];
        }
        top = top < NO_EXPONENT ? ints{} + NO_EXPONENT : top;
        longs up = __builtin_convertvector(F32_BITS + EXTRA_BITS - top, longs);
        doubles scale = (doubles)((up + 1023) << F64_BITS);
        doubles sum = whole_part(__builtin_convertvector(old, doubles) * scale);
        for (int k = 0; k < CUDA_HOST_DEPTH; k++)
            sum += whole_part((double)a[row][k] * wide[k] * scale);
        longs cut = (longs)(sum / scale) & ~(((int64_t)1 << (F64_BITS - F32_BITS)) - 1);
        floats result = __builtin_convertvector((doubles)cut, floats);
        result = plain - plain == 0 ? result : plain; /* also of what is not finite */
        memcpy(d[row], &result, sizeof result);
    }
}

void cuda_host_multiply(float (&d)[16][CUDA_HOST_COLUMNS], const float (&a)[16][CUDA_HOST_DEPTH],
                        const float (&b)[CUDA_HOST_DEPTH][CUDA_HOST_COLUMNS])
{
    multiply(d, a, b);
}
