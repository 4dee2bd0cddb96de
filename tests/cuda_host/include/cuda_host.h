/* Device code on the host: what a kernel sees of its thread, and what threads do together.
 *
 * A launch runs its blocks one after the other; a block's threads are fibers that leave each other
 * the processor only where they wait: at barriers, and at every operation of a whole warp. Which
 * fiber runs next follows an order that streams take in turns (ascending, descending, shuffled), so
 * that a missing barrier changes results. Shared memory starts as NaN. Copies of cp.async arrive
 * when they are waited for, at once, or in between, as the order has it. */
#ifndef CUDA_HOST_H
#define CUDA_HOST_H

#include <functional>
#include <string.h>

#include <cuda_runtime.h>

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

/* Which kernel: its address, its name as the launch writes it, the launching function and that
 * one's template arguments. */
struct cuda_host_kernel {
    const void *address;
    const char *name, *caller;
};

void cuda_host_run(const cuda_host_kernel &kernel, dim3 grid, dim3 block, size_t shared_bytes,
                   cudaStream_t stream, std::function<void()> body);

/* Fails if a word of a kernel's argument points to host memory. */
void cuda_host_check_argument(const char *kernel, const void *argument, size_t bytes);

template <typename... Parameters, typename... Arguments>
void cuda_host_launch(const char *name, const char *caller, dim3 grid, dim3 block,
                      size_t shared_bytes, cudaStream_t stream, void (*kernel)(Parameters...),
                      Arguments... arguments)
{
#if __has_builtin(__builtin_clear_padding) /* else nothing can tell padding from pointers */
    (__builtin_clear_padding(&arguments), ...);
    (cuda_host_check_argument(name, &arguments, sizeof arguments), ...);
#endif
    cuda_host_run({(const void *)kernel, name, caller}, grid, block, shared_bytes, stream,
                  [=] { kernel(arguments...); });
}

unsigned char *cuda_host_shared(); /* the running block's, exactly as long as the launch said */
size_t cuda_host_shared_bytes();

/* All 32 lanes of the warp come here, each with an argument; the last one to come runs `op` on all
 * of them, then they go on. */
typedef void cuda_host_warp_op(void *(&arguments)[32]);
void cuda_host_warp(cuda_host_warp_op *op, void *argument);

void __syncthreads();
void __syncwarp();
void __threadfence();

int cuda_host_lane();

template <typename T> struct cuda_host_shuffle {
    T in, out;
    int from;
};

/* By one lane for all: no access of theirs. */
template <typename T>
__attribute__((no_sanitize("thread"))) void cuda_host_shuffle_all(void *(&arguments)[32])
{
    for (int i = 0; i < 32; i++) {
        auto *mine = static_cast<cuda_host_shuffle<T> *>(arguments[i]);
        mine->out = static_cast<cuda_host_shuffle<T> *>(arguments[mine->from])->in;
    }
}

template <typename T> T cuda_host_shuffle_from(T value, int from)
{
    cuda_host_shuffle<T> mine = {value, value, from};
    cuda_host_warp(cuda_host_shuffle_all<T>, &mine);
    return mine.out;
}

template <typename T> T __shfl_sync(unsigned, T value, int lane)
{
    return cuda_host_shuffle_from(value, lane & 31);
}

template <typename T> T __shfl_xor_sync(unsigned, T value, int mask)
{
    return cuda_host_shuffle_from(value, cuda_host_lane() ^ mask);
}

template <typename T> T __shfl_up_sync(unsigned, T value, unsigned delta)
{
    int lane = cuda_host_lane();
    return cuda_host_shuffle_from(value, lane >= (int)delta ? lane - (int)delta : lane);
}

int __any_sync(unsigned, int predicate);

/* Fibers never run at the same time; atomic for ThreadSanitizer. */
template <typename T> T cuda_host_get(T *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

template <typename T> T cuda_host_set(T *at, T old, T value)
{
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
    return old;
}

template <typename T> T atomicAdd(T *at, T value)
{
    T old = cuda_host_get(at);
    return cuda_host_set(at, old, old + value);
}

/* Goes round: 0 follows on `last`. */
inline unsigned atomicInc(unsigned *at, unsigned last)
{
    unsigned old = cuda_host_get(at);
    return cuda_host_set(at, old, old >= last ? 0 : old + 1);
}

template <typename T> T atomicMax(T *at, T value)
{
    T old = cuda_host_get(at);
    return cuda_host_set(at, old, old > value ? old : value);
}

template <typename T> T atomicMin(T *at, T value)
{
    T old = cuda_host_get(at);
    return cuda_host_set(at, old, old < value ? old : value);
}

template <typename T> T atomicOr(T *at, T value)
{
    T old = cuda_host_get(at);
    return cuda_host_set(at, old, (T)(old | value));
}

void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
void ldmatrix_x4(uint32_t (&r)[4], const uint16_t *row);
void ldmatrix_x4_trans(uint32_t (&r)[4], const uint16_t *row);
void cp_async_16(void *shared, const void *global, bool valid);
void cp_async_commit();
void cuda_host_cp_async_wait(int n_under_way);

template <int N> void cp_async_wait()
{
    cuda_host_cp_async_wait(N);
}

template <typename T> T *in_global(T *ptr)
{
    return ptr;
}

uint16_t f32_to_bf16(float x);
uint32_t f32_to_bf16_pair(float low, float high);
float f16_to_f32(uint16_t bits);

static inline int __float_as_int(float x)
{
    int bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline unsigned __float_as_uint(float x)
{
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float __int_as_float(int bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float __uint_as_float(unsigned bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline double __longlong_as_double(long long bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline long long __double2ll_rn(double x)
{
    return __builtin_llrint(x);
}

static inline float __double2float_rn(double x)
{
    return (float)x;
}

#endif
