/* The choice of a token of each row of logits. */
#ifndef YOCO_OPS_CHOOSE_H
#define YOCO_OPS_CHOOSE_H

#include "kernels/kernels.h"

enum { YOCO_MAX_BANNED = 8, YOCO_ARGMAX_NONE = -1, YOCO_ARGMAX_NOT_FINITE = -2 };

/* The index of the greatest element of each row, of equals the lowest; YOCO_ARGMAX_NONE where all
 * are banned, YOCO_ARGMAX_NOT_FINITE where the row has such a value, banned or not. */
typedef struct yoco_argmax_args {
    int64_t n_rows;
    int32_t n;
    const float *x;        /* (n_rows, n) */
    int n_banned;          /* <= YOCO_MAX_BANNED */
    const int32_t *banned; /* (n_banned), host memory */
    int32_t *out;          /* (n_rows), host memory: filled when the op returns */
} yoco_argmax_args;

enum { YOCO_DRAW_BITS = 32, YOCO_DRAW_SCRATCH = 8 };

/* A draw for each row from softmax(x / temperature), cut to the top_k likeliest indices (0: all)
 * and then to the fewest of them whose weight reaches the part top_p. The weight of an index is the
 * integer next to 2^YOCO_DRAW_BITS exp((x - max x) / temperature), so that sums have no order. Of
 * what is kept, the lowest index is drawn up to which the weights exceed unit times their sum.
 * Equals go by the lower index; YOCO_ARGMAX_NONE and YOCO_ARGMAX_NOT_FINITE as above. */
typedef struct yoco_draw_args {
    int64_t n_rows;
    int32_t n;                 /* <= 2^21 */
    const float *x;            /* (n_rows, n) */
    double temperature, top_p; /* > 0; (0, 1] */
    int64_t top_k;
    const double *units;   /* (n_rows), host memory: random numbers in [0, 1) */
    int n_banned;          /* <= YOCO_MAX_BANNED */
    const int32_t *banned; /* (n_banned), host memory */
    void *scratch;         /* n * YOCO_DRAW_SCRATCH bytes, host memory */
    int32_t *out;          /* (n_rows), host memory: filled when the op returns */
} yoco_draw_args;

struct yoco_choose_ops {
    void (*argmax)(yoco_device *device, const yoco_argmax_args *args);
    void (*draw)(yoco_device *device, const yoco_draw_args *args);
};

#endif
