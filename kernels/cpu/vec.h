/* Vectors of f32 for the sources that are compiled once per instruction set. This header alone asks
 * which one that is; everything above it is written once, over VF_LANES lanes.
 *
 * The sources give the same bits on every machine that runs the same instruction set: no function
 * here leaves the order of a sum, or fusing, to the compiler. */
#ifndef YOCO_CPU_VEC_H
#define YOCO_CPU_VEC_H

#include "base.h"

#include <math.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

/* Name of a symbol in this compilation: YOCO_SIMD(rope) is rope_avx2. */
#define YOCO_SIMD_PASTE_(name, isa) name##_##isa
#define YOCO_SIMD_PASTE(name, isa) YOCO_SIMD_PASTE_(name, isa)
#define YOCO_SIMD(name) YOCO_SIMD_PASTE(name, YOCO_SIMD_ISA)

#define VF_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
enum { VF_LANES = 16, FIXED_LANES = 8 };
#elif defined(__AVX2__)
enum { VF_LANES = 8, FIXED_LANES = 1 };
#else
enum { VF_LANES = 4, FIXED_LANES = 1 };
#endif

/* *fixed += x 2^exponent, rounded half to even: the product is exact in f64. -1022 <= exponent <=
 * 1023. Wraps where x is not finite. */
VF_INLINE void add_fixed(float x, int exponent, int64_t *fixed)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    *fixed = (int64_t)((uint64_t)*fixed + (uint64_t)llrint(x * power));
}

/* + - * / and comparisons are the compiler's, lane by lane. */
typedef float vf __attribute__((vector_size(VF_LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(VF_LANES * 4)));
typedef int32_t vi __attribute__((vector_size(VF_LANES * 4)));
typedef uint16_t vh __attribute__((vector_size(VF_LANES * 2)));
typedef float vf_unaligned __attribute__((vector_size(VF_LANES * 4), aligned(1), may_alias));
typedef uint16_t vh_unaligned __attribute__((vector_size(VF_LANES * 2), aligned(1), may_alias));

#if defined(__AVX512F__)

VF_INLINE vf vf_set(float x)
{
    return (vf)_mm512_set1_ps(x);
}

/* a * b + c, rounded once where the processor can. */
VF_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

/* b where either is NaN. */
VF_INLINE vf vf_max(vf a, vf b)
{
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}

VF_INLINE vf vf_min(vf a, vf b)
{
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}

/* The first n lanes, the rest 0; reads no byte past them. 0 <= n <= VF_LANES. */
VF_INLINE vf vf_load_first(const float *p, int n)
{
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

VF_INLINE void vf_store_first(float *p, vf x, int n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
}

VF_INLINE vf vf_load_bf16(const uint16_t *p)
{
    __m256i half = _mm256_loadu_si256((const __m256i *)p);
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
}

/* add_fixed for FIXED_LANES elements, 2^(exponent[i] + shift). */
VF_INLINE void vf_add_fixed(const float *x, const int *exponent, int shift, int64_t *fixed)
{
    __m256i power = _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)exponent),
                                     _mm256_set1_epi32(shift + 1023));
    __m512i bits = _mm512_slli_epi64(_mm512_cvtepi32_epi64(power), 52);
    __m512d scaled = _mm512_cvtps_pd(_mm256_loadu_ps(x)) * _mm512_castsi512_pd(bits);
    _mm512_storeu_si512(fixed,
                        _mm512_add_epi64(_mm512_loadu_si512(fixed), _mm512_cvtpd_epi64(scaled)));
}

/* Rows become columns. */
VF_INLINE void vf_transpose(vf r[VF_LANES])
{
    __m512 t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps((__m512)r[i], (__m512)r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps((__m512)r[i], (__m512)r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        for (int j = 0; j < 2; j++) {
            __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + 2 + j]);
            r[i + 2 * j] = (vf)_mm512_unpacklo_pd(a, b);
            r[i + 2 * j + 1] = (vf)_mm512_unpackhi_pd(a, b);
        }
    }
    for (int i = 0; i < 16; i += 8) {
        for (int j = 0; j < 4; j++) {
            t[i + j] = _mm512_shuffle_f32x4((__m512)r[i + j], (__m512)r[i + 4 + j], 0x88);
            t[i + 4 + j] = _mm512_shuffle_f32x4((__m512)r[i + j], (__m512)r[i + 4 + j], 0xdd);
        }
    }
    for (int j = 0; j < 4; j++) {
        r[j] = (vf)_mm512_shuffle_f32x4(t[j], t[8 + j], 0x88);
        r[8 + j] = (vf)_mm512_shuffle_f32x4(t[j], t[8 + j], 0xdd);
        r[4 + j] = (vf)_mm512_shuffle_f32x4(t[4 + j], t[12 + j], 0x88);
        r[12 + j] = (vf)_mm512_shuffle_f32x4(t[4 + j], t[12 + j], 0xdd);
    }
}

#else

#if defined(__AVX2__)

VF_INLINE vf vf_set(float x)
{
    return (vf)_mm256_set1_ps(x);
}

VF_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

VF_INLINE vf vf_max(vf a, vf b)
{
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}

VF_INLINE vf vf_min(vf a, vf b)
{
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}

VF_INLINE void vf_transpose(vf r[VF_LANES])
{
    __m256 t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps((__m256)r[i], (__m256)r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps((__m256)r[i], (__m256)r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        for (int j = 0; j < 2; j++) {
            __m256d a = _mm256_castps_pd(t[i + j]), b = _mm256_castps_pd(t[i + 2 + j]);
            r[i + 2 * j] = (vf)_mm256_unpacklo_pd(a, b);
            r[i + 2 * j + 1] = (vf)_mm256_unpackhi_pd(a, b);
        }
    }
    for (int j = 0; j < 4; j++) {
        __m256 a = (__m256)r[j], b = (__m256)r[4 + j];
        r[j] = (vf)_mm256_permute2f128_ps(a, b, 0x20);
        r[4 + j] = (vf)_mm256_permute2f128_ps(a, b, 0x31);
    }
}

#else

VF_INLINE vf vf_set(float x)
{
    vf r;
    for (int i = 0; i < VF_LANES; i++)
        r[i] = x;
    return r;
}

VF_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return a * b + c;
}

VF_INLINE vf vf_max(vf a, vf b)
{
    vi more = (vi)(a > b);
    return (vf)((more & (vi)a) | (~more & (vi)b));
}

VF_INLINE vf vf_min(vf a, vf b)
{
    vi less = (vi)(a < b);
    return (vf)((less & (vi)a) | (~less & (vi)b));
}

VF_INLINE void vf_transpose(vf r[VF_LANES])
{
    for (int i = 0; i < VF_LANES; i++) {
        for (int j = 0; j < i; j++) {
            float swapped = r[i][j];
            r[i][j] = r[j][i];
            r[j][i] = swapped;
        }
    }
}

#endif

VF_INLINE void vf_add_fixed(const float *x, const int *exponent, int shift, int64_t *fixed)
{
    add_fixed(*x, *exponent + shift, fixed);
}

VF_INLINE vf vf_load_first(const float *p, int n)
{
    vf x = {0};
    memcpy(&x, p, (size_t)n * sizeof *p);
    return x;
}

VF_INLINE void vf_store_first(float *p, vf x, int n)
{
    memcpy(p, &x, (size_t)n * sizeof *p);
}

VF_INLINE vf vf_load_bf16(const uint16_t *p)
{
    vh half = *(const vh_unaligned *)p;
    return (vf)(__builtin_convertvector(half, vu) << 16);
}

#endif

/* No alignment is asked of any pointer. */
VF_INLINE vf vf_load(const float *p)
{
    return *(const vf_unaligned *)p;
}

VF_INLINE void vf_store(float *p, vf x)
{
    *(vf_unaligned *)p = x;
}

VF_INLINE vf vf_load_bf16_first(const uint16_t *p, int n)
{
    uint16_t values[VF_LANES] = {0};
    memcpy(values, p, (size_t)n * sizeof *p);
    return vf_load_bf16(values);
}

/* To nearest, ties to even, NaN stays NaN: yoco_f32_to_bf16. */
VF_INLINE void vf_store_bf16(uint16_t *p, vf x)
{
    vu bits = (vu)x;
    vu is_nan = (vu)((bits & 0x7fffffffu) > 0x7f800000u);
    vu rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    vu quiet = bits >> 16 | 0x40u;
    vu result = (is_nan & quiet) | (~is_nan & rounded);
    *(vh_unaligned *)p = __builtin_convertvector(result, vh);
}

/* The two halves of lanes that hold pairs of bf16, first element in the low half. */
VF_INLINE vf vf_bf16_low(vf pairs)
{
    return (vf)((vu)pairs << 16);
}

VF_INLINE vf vf_bf16_high(vf pairs)
{
    return (vf)((vu)pairs & 0xffff0000u);
}

/* Pairwise: lane i with lane i + n/2, then halves again. */
VF_INLINE float vf_sum(vf x)
{
    float lanes[VF_LANES];
    vf_store(lanes, x);
    for (int n = VF_LANES / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; i++)
            lanes[i] += lanes[i + n];
    }
    return lanes[0];
}

/* What a norm divides by, NaN where the squares overflow: a row that becomes 0 would pass for one
 * that has a norm. */
VF_INLINE float norm_root(float squares)
{
    return isinf(squares) ? NAN : sqrtf(squares);
}

/* No lane is NaN. */
VF_INLINE float vf_max_lane(vf x)
{
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)x);
#else
    float lanes[VF_LANES], max;
    vf_store(lanes, x);
    max = lanes[0];
    for (int i = 1; i < VF_LANES; i++)
        max = lanes[i] > max ? lanes[i] : max;
    return max;
#endif
}

/* 0, 1, 2, ... */
VF_INLINE vi vi_lane(void)
{
    vi r;
    for (int i = 0; i < VF_LANES; i++)
        r[i] = i;
    return r;
}

/* x where mask (all ones or all zeros per lane), else y. */
VF_INLINE vf vf_select(vi mask, vf x, vf y)
{
    return (vf)((mask & (vi)x) | (~mask & (vi)y));
}

/* vf_exp2 for x <= 127. */
VF_INLINE vf vf_exp2_bounded(vf x)
{
    /* Adding 1.5 * 2^23 + 127 rounds to an integer and leaves it, biased, in the low bits. */
    const vf magic = vf_set(12583039.0f);
    x = vf_max(vf_set(-127.0f), x);
    vf shifted = x + magic;
    vf r = x - (shifted - magic);
    vf p = vf_fma(r, vf_set(0x1.44138ap-13f), vf_set(0x1.5f0890p-10f));
    p = vf_fma(r, p, vf_set(0x1.3b2a54p-7f));
    p = vf_fma(r, p, vf_set(0x1.c6af6cp-5f));
    p = vf_fma(r, p, vf_set(0x1.ebfbe0p-3f));
    p = vf_fma(r, p, vf_set(0x1.62e430p-1f));
    p = vf_fma(r, p, vf_set(1.0f));
    return p * (vf)((vu)shifted << 23);
}

/* 2^x, relative error below 2e-7 and exact at 0; 0 below -126.5, at most 2^127; NaN stays NaN. */
VF_INLINE vf vf_exp2(vf x)
{
    return vf_exp2_bounded(vf_min(vf_set(127.0f), x));
}

/* x / (1 + e^-t), through e^-|t|, which cannot overflow; vf_exp2 would cut it off while its product
 * with x is still a normal number, so small ones are taken times 2^64. */
VF_INLINE vf vf_logistic(vf x, vf t)
{
    const vf one = vf_set(1.0f), zero = vf_set(0.0f);
    vf exponent = vf_min(t, zero - t) * vf_set(1.44269504f);
    vi small = (vi)(exponent < vf_set(-64.0f));
    vf e = vf_exp2(exponent + vf_select(small, vf_set(64.0f), zero)) *
           vf_select(small, vf_set(0x1p-64f), one);
    return x * vf_select((vi)(t < zero), e, one) / (one + e);
}

VF_INLINE vf vf_silu(vf x)
{
    return vf_logistic(x, x);
}

/* By (1 + tanh t) / 2 = 1 / (1 + e^-2t). */
VF_INLINE vf vf_gelu(vf x)
{
    vf inner = vf_fma(x * x, x * vf_set(0.044715f), x);
    return vf_logistic(x, vf_set(1.59576912f) * inner);
}

/* Its Taylor series near 0, where (1 - e^-2x) / (1 + e^-2x) loses digits. */
VF_INLINE vf vf_tanh(vf x)
{
    const vf one = vf_set(1.0f), zero = vf_set(0.0f);
    vf e = vf_exp2(vf_min(x, zero - x) * vf_set(2.88539008f)), square = x * x;
    vf far = (one - e) / (one + e);
    vf p = vf_fma(square, vf_set(0x1.664f48p-6f), vf_set(-0x1.ba1ba2p-5f));
    p = vf_fma(square, p, vf_set(0x1.111112p-3f));
    p = vf_fma(square, p, vf_set(-0x1.555556p-2f));
    vf near = vf_fma(x * square, p, x);
    far = vf_select((vi)(x < zero), zero - far, far);
    return vf_select((vi)(square < vf_set(0.0625f)), near, far);
}

#endif
