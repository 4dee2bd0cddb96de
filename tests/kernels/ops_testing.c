#include "tests/kernels/ops_testing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Not a multiple of 64: an op gets rows from the middle of a buffer, aligned as their elements. */
#ifndef YOCO_TEST_GUARD_BYTES
#define YOCO_TEST_GUARD_BYTES 72
#endif
/* "": all of the registry. */
#ifndef YOCO_TEST_BACKEND
#define YOCO_TEST_BACKEND ""
#endif
enum { GUARD_BYTES = YOCO_TEST_GUARD_BYTES, GUARD = 0xa5 };

struct rig_buffer {
    rig_buffer *next;
    size_t bytes;
    void *device; /* with its guards, or NULL */
    void *host;   /* or NULL */
    yoco_weight *weight;
};

static void *host_alloc(size_t bytes)
{
    void *ptr = malloc(bytes ? bytes : 1);
    if (!ptr)
        fail_msg("out of memory");
    return ptr;
}

static rig_buffer *add_buffer(rig *r, rig_buffer buffer)
{
    rig_buffer *added = host_alloc(sizeof *added);
    *added = buffer;
    added->next = r->buffers;
    r->buffers = added;
    return added;
}

void rig_open(rig *r, const yoco_ops *ops, yoco_device_options options)
{
    *r = (rig){.ops = ops, .options = options};
    snprintf(r->name, sizeof r->name, "%s %s %s %d threads", ops->name, yoco_isa_name(options.isa),
             yoco_dtype_name(options.dtype), options.n_threads);
    assert_int_equal(ops->open(&options, &r->device), YOCO_OK);
}

void rig_reset(rig *r)
{
    assert_int_equal(r->ops->synchronize(r->device), YOCO_OK);
    while (r->buffers) {
        rig_buffer *buffer = r->buffers;
        r->buffers = buffer->next;
        if (buffer->device)
            r->ops->free(r->device, buffer->device);
        if (buffer->weight)
            r->ops->weight_free(r->device, buffer->weight);
        free(buffer->host);
        free(buffer);
    }
}

void rig_close(rig *r)
{
    rig_reset(r);
    r->ops->close(r->device);
}

void each_backend(void (*body)(const yoco_ops *ops, yoco_device_options options))
{
    char line[256];
    const yoco_ops *ops;
    for (int i = 0; (ops = yoco_ops_at(i)); i++) {
        if (!ops->device_at(0, line, sizeof line) || !strstr(ops->name, YOCO_TEST_BACKEND))
            continue;
        yoco_isa best = ops == &yoco_cpu_ops ? yoco_isa_detect() : YOCO_ISA_PORTABLE;
        for (int isa = 0; isa <= (int)best; isa++) {
            for (int bf16 = 0; bf16 <= 1; bf16++)
                body(ops, (yoco_device_options){.n_threads = 1,
                                                .isa = (yoco_isa)isa,
                                                .dtype = bf16 ? YOCO_BF16 : YOCO_F32});
        }
    }
}

static void (*rig_body)(rig *tested, rig *reference);

static void open_rigs(const yoco_ops *ops, yoco_device_options options)
{
    if (ops == &yoco_reference_ops)
        return;
    for (options.n_threads = 1; options.n_threads <= 2; options.n_threads++) {
        rig tested, reference;
        rig_open(&tested, ops, options);
        rig_open(&reference, &yoco_reference_ops, options);
        rig_body(&tested, &reference);
        rig_close(&tested);
        rig_close(&reference);
    }
}

void each_rig(void (*body)(rig *tested, rig *reference))
{
    rig_body = body;
    each_backend(open_rigs);
}

/* splitmix64: Steele, Lea and Flood 2014. */
uint64_t random_bits(test_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

double random_unit(test_random *random)
{
    return ldexp((double)(random_bits(random) >> 11), -53);
}

int random_below(test_random *random, int bound)
{
    return (int)(random_bits(random) % (uint64_t)bound);
}

float *random_values(rig *r, test_random *random, int64_t n, float scale)
{
    float *values = rig_host(r, (size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)(2 * random_unit(random) - 1) * scale;
    return values;
}

void *rig_host(rig *r, size_t bytes)
{
    return add_buffer(r, (rig_buffer){.host = host_alloc(bytes)})->host;
}

void *rig_device(rig *r, const void *from, size_t bytes)
{
    size_t total = bytes + 2 * GUARD_BYTES;
    unsigned char *host = host_alloc(total);
    memset(host, GUARD, total);
    if (from)
        memcpy(host + GUARD_BYTES, from, bytes);
    else
        memset(host + GUARD_BYTES, 0xff, bytes);
    void *device;
    assert_int_equal(r->ops->alloc(r->device, total, "a test", &device), YOCO_OK);
    r->ops->upload(r->device, device, host, total);
    free(host);
    add_buffer(r, (rig_buffer){.device = device, .bytes = bytes});
    return (char *)device + GUARD_BYTES;
}

void *rig_fetch(rig *r, const void *device)
{
    const rig_buffer *buffer = r->buffers;
    while (!buffer->device || (const char *)buffer->device + GUARD_BYTES != device)
        buffer = buffer->next;
    size_t bytes = buffer->bytes;
    unsigned char *host = rig_host(r, bytes + 2 * GUARD_BYTES);
    assert_int_equal(r->ops->synchronize(r->device), YOCO_OK);
    r->ops->download(r->device, host, buffer->device, bytes + 2 * GUARD_BYTES);
    for (size_t i = 0; i < GUARD_BYTES; i++) {
        if (host[i] != GUARD || host[GUARD_BYTES + bytes + i] != GUARD)
            fail_msg("%s: wrote outside a buffer of %zu bytes", r->name, bytes);
    }
    return host + GUARD_BYTES;
}

void *rig_upload(rig *r, const float *values, int64_t n, yoco_dtype dtype)
{
    if (dtype == YOCO_F32)
        return rig_device(r, values, (size_t)n * sizeof *values);
    uint16_t *bits = rig_host(r, (size_t)n * sizeof *bits);
    for (int64_t i = 0; i < n; i++)
        bits[i] = yoco_f32_to_bf16(values[i]);
    return rig_device(r, bits, (size_t)n * sizeof *bits);
}

float *rig_download(rig *r, const void *device, int64_t n, yoco_dtype dtype)
{
    void *data = rig_fetch(r, device);
    if (dtype == YOCO_F32)
        return data;
    const uint16_t *bits = data;
    float *values = rig_host(r, (size_t)n * sizeof *values);
    for (int64_t i = 0; i < n; i++)
        values[i] = yoco_bf16_to_f32(bits[i]);
    return values;
}

yoco_weight *rig_weight(rig *r, const yoco_matrix *matrix, yoco_weight_use use)
{
    yoco_weight *weight;
    assert_int_equal(r->ops->weight_create(r->device, matrix, use, &weight), YOCO_OK);
    add_buffer(r, (rig_buffer){.weight = weight});
    return weight;
}

float scale_log2(int head_dim)
{
    return (float)(1 / (log(2) * sqrt(head_dim)));
}

float *rounded(rig *r, const float *values, int64_t n, yoco_dtype dtype)
{
    float *out = rig_host(r, (size_t)n * sizeof *out);
    for (int64_t i = 0; i < n; i++)
        out[i] = dtype == YOCO_BF16 ? yoco_bf16_to_f32(yoco_f32_to_bf16(values[i])) : values[i];
    return out;
}

static double rms(const float *values, int64_t n)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += (double)values[i] * values[i];
    return n > 0 ? sqrt(squares / (double)n) : 0;
}

/* The largest error of each kind of output on each backend, printed when the program ends. */
enum { MAX_KINDS = 128 };
static struct kind {
    const yoco_ops *ops;
    yoco_dtype dtype;
    char what[64];
    double part, error; /* of what is allowed; of the rms of what is wanted */
} kinds[MAX_KINDS];
static int n_kinds;

static void print_kinds(void)
{
    for (int i = 0; i < n_kinds; i++)
        printf("largest error: %s %s, %s: %.2g of the rms, %.0f %% of what is allowed\n",
               kinds[i].ops->name, yoco_dtype_name(kinds[i].dtype), kinds[i].what, kinds[i].error,
               100 * kinds[i].part);
}

static struct kind *find_kind(const rig *r, const char *what)
{
    int i = 0;
    while (i < n_kinds && (kinds[i].ops != r->ops || kinds[i].dtype != r->options.dtype ||
                           strcmp(kinds[i].what, what) != 0))
        i++;
    if (i == MAX_KINDS)
        fail_msg("more than %d kinds of output", MAX_KINDS);
    if (i == n_kinds) {
        if (n_kinds++ == 0)
            atexit(print_kinds);
        kinds[i].ops = r->ops;
        kinds[i].dtype = r->options.dtype;
        snprintf(kinds[i].what, sizeof kinds[i].what, "%s", what);
    }
    return &kinds[i];
}

/* Fails at the first value farther from `want` than allowed, and where either is NaN. */
static void check_within(const rig *r, const char *what, const float *got, const float *want,
                         int64_t n, double relative, double absolute)
{
    struct kind *kind = find_kind(r, what);
    double unit = rms(want, n);
    for (int64_t i = 0; i < n; i++) {
        double error = fabs((double)got[i] - want[i]);
        double allowed = relative * fabs((double)want[i]) + absolute;
        if (error > 0 && error / allowed > kind->part)
            kind->part = error / allowed;
        if (error > kind->error * unit)
            kind->error = error / unit;
        if (!(error <= allowed))
            fail_msg("%s on %s: element %lld of %lld is %.9g, not %.9g (off by %.3g, allowed %.3g)",
                     what, r->name, (long long)i, (long long)n, got[i], want[i], error, allowed);
    }
}

void check_close(const rig *r, const char *what, const float *got, const float *want, int64_t n,
                 double tolerance)
{
    check_within(r, what, got, want, n, tolerance, tolerance * rms(want, n));
}

void check_rounded(const rig *r, const char *what, const float *got, const float *want, int64_t n,
                   double tolerance, yoco_dtype dtype)
{
    if (dtype != YOCO_BF16) {
        check_close(r, what, got, want, n, tolerance);
        return;
    }
    int64_t n_different = 0;
    check_within(r, what, got, want, n, tolerance + 1.0 / 128, tolerance * rms(want, n));
    for (int64_t i = 0; i < n; i++)
        n_different += got[i] != want[i];
    if (n_different > 1 + n / 50)
        fail_msg("%s on %s: %lld of %lld values are rounded otherwise", what, r->name,
                 (long long)n_different, (long long)n);
}

void check_equal(const rig *r, const char *what, const void *got, const void *want, size_t bytes)
{
    const unsigned char *a = got, *b = want;
    for (size_t i = 0; i < bytes; i++) {
        if (a[i] != b[i])
            fail_msg("%s on %s: byte %zu of %zu differs", what, r->name, i, bytes);
    }
}
