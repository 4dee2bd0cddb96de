/* What the op tests share: a backend under test, guarded buffers on its device, seeded inputs,
 * comparison.
 *
 * Each family of ops has a file beside this one, <family>_ops.h. Its make_ functions give arguments
 * with random inputs, in host memory of the rig. Its run_ functions take an op's arguments with
 * host pointers and f32 tensors, whatever the dtypes in the arguments say; they round and upload
 * the inputs, poison the outputs, run the op and give back what it wrote, as f32 on the host. All
 * of that lives until rig_reset. */
#ifndef YOCO_OPS_TESTING_H
#define YOCO_OPS_TESTING_H

#include "kernels/kernels.h"

typedef struct rig_buffer rig_buffer;

typedef struct rig {
    const yoco_ops *ops;
    yoco_device *device;
    yoco_device_options options;
    char name[96]; /* "cpu avx2 BF16 2 threads" */
    rig_buffer *buffers;
} rig;

void rig_open(rig *r, const yoco_ops *ops, yoco_device_options options);
void rig_close(rig *r);
/* Frees every buffer made since the last reset. */
void rig_reset(rig *r);

/* Calls body with each backend of the registry except the reference that has a device here, at each
 * isa this machine has, in f32 and bf16, on 1 and on 2 threads; and with the reference in the same
 * dtype. */
void each_rig(void (*body)(rig *tested, rig *reference));
/* Calls body with each backend and isa, the reference too, in f32 and bf16; body opens the rigs. */
void each_backend(void (*body)(const yoco_ops *ops, yoco_device_options options));

/* n, or what stands for 0. */
static inline int or_else(int n, int instead)
{
    return n > 0 ? n : instead;
}

/* Seeded inputs, the same on every machine. */
typedef struct test_random {
    uint64_t state;
} test_random;

uint64_t random_bits(test_random *random);
double random_unit(test_random *random);                                   /* [0, 1) */
int random_below(test_random *random, int bound);                          /* 0 .. bound - 1 */
float *random_values(rig *r, test_random *random, int64_t n, float scale); /* uniform in +-scale */

/* Host memory until rig_reset. */
void *rig_host(rig *r, size_t bytes);
/* Device memory with guards around it, filled from `from`, or with 0xff bytes if NULL: NaN, -1. */
void *rig_device(rig *r, const void *from, size_t bytes);
/* Device memory holding f32 values rounded to dtype. */
void *rig_upload(rig *r, const float *values, int64_t n, yoco_dtype dtype);
/* What the device memory holds now; fails if a byte around it was written. */
void *rig_fetch(rig *r, const void *device);
float *rig_download(rig *r, const void *device, int64_t n, yoco_dtype dtype); /* widened to f32 */

yoco_weight *rig_weight(rig *r, const yoco_matrix *matrix, yoco_weight_use use);

float scale_log2(int head_dim); /* head_dim^-1/2 log2(e) */
/* `values` rounded to dtype, as f32. */
float *rounded(rig *r, const float *values, int64_t n, yoco_dtype dtype);

/* Fails unless |got - want| <= tolerance * (|want| + rms of want) everywhere. */
void check_close(const rig *r, const char *what, const float *got, const float *want, int64_t n,
                 double tolerance);
/* The same for outputs of an op that rounds to dtype: in bf16 a few values may fall on the other
 * side of a rounding boundary. */
void check_rounded(const rig *r, const char *what, const float *got, const float *want, int64_t n,
                   double tolerance, yoco_dtype dtype);
void check_equal(const rig *r, const char *what, const void *got, const void *want, size_t bytes);

#endif
