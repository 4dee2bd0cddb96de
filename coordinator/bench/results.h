/* The results of `yoco bench`, and how they are printed: a table for people, JSON for programs.
 * Rates are per second and summed over the ranks. */
#ifndef YOCO_BENCH_RESULTS_H
#define YOCO_BENCH_RESULTS_H

#include <jansson.h>

#include "coordinator/session/session.h"
#include "coordinator/timing/spread.h"

enum { YOCO_BENCH_MAX_VALUES = 16, YOCO_BENCH_MAX_SHAPES = 32 };

/* The values of one option. */
typedef struct yoco_bench_list {
    int n;
    int64_t values[YOCO_BENCH_MAX_VALUES];
} yoco_bench_list;

/* A matrix product of the prefill, at the rows of a chunk; on a device a large one, which no token
 * goes through. */
typedef struct yoco_bench_gemm {
    int64_t n_out, n_in;
    int n_per_token; /* how many weights of this shape a token goes through */
    yoco_spread flop_s;
} yoco_bench_gemm;

typedef struct yoco_bench_prefill {
    int64_t n_tokens;
    yoco_spread seconds;
    double attention_flops; /* of the whole prefill */
} yoco_bench_prefill;

/* Decode steps on one context. */
typedef struct yoco_bench_context {
    int64_t n_tokens;
    int64_t kv_bytes;     /* shared K,V of the context */
    int64_t device_bytes; /* in use on the fullest device; 0 where memory is the host's */
    yoco_spread kv_byte_s, step_byte_s;        /* reading as much as K,V; as K,V and weights */
    yoco_spread step_s[YOCO_BENCH_MAX_VALUES]; /* one for each number of branches */
} yoco_bench_context;

typedef struct yoco_bench_results {
    const char *model_name;
    const yoco_session *session;
    int64_t chunk_rows;
    bool no_exit;     /* prefill runs every layer */
    char device[256]; /* rank 0's GPU; "" where memory is the host's */
    double cpu_share; /* see yoco_rater; the least of the ranks */

    char library[32]; /* whose products are the roof */
    int64_t gemm_rows;
    yoco_dtype gemm_dtype; /* of the roof's inputs: what the engine multiplies in */
    int n_gemms;
    yoco_bench_gemm gemms[YOCO_BENCH_MAX_SHAPES];
    double gemm_flops;       /* one token's prefill */
    yoco_spread gemm_flop_s; /* of the library, the shapes weighted as a token needs them */
    int64_t large_bytes;
    yoco_spread large_byte_s;

    int n_prefills;
    yoco_bench_prefill prefills[YOCO_BENCH_MAX_VALUES];

    yoco_bench_list branches;
    int64_t most_branches;   /* what contexts have room for */
    int64_t weight_bytes;    /* what a step reads of weights, over all ranks */
    yoco_bench_context base; /* just fills the window: the same step with next to no K,V */
    int n_contexts;
    yoco_bench_context contexts[YOCO_BENCH_MAX_VALUES];
} yoco_bench_results;

void yoco_bench_print(const yoco_bench_results *results);
/* The caller releases it with json_decref. NULL, not logged: no memory. */
json_t *yoco_bench_json(const yoco_bench_results *results);

#endif
