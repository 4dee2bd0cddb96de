/* One run of a scaling experiment: prefills and decode steps of one shape on the ranks at hand,
 * with what every rank's time went to. The same code runs on the machine and in the simulation. */
#ifndef YOCO_SCALE_MEASURE_H
#define YOCO_SCALE_MEASURE_H

#include <jansson.h>

#include "trace.h"
#include "worker/worker.h"

enum {
    YOCO_SCALE_MAX_RUNS = 64,
    YOCO_SCALE_MAX_STEPS = 256,
    YOCO_SCALE_MAX_PEERS = 4, /* a rank of the ring sends to one */
};

typedef struct yoco_scale_spec {
    int64_t n_tokens, chunk_rows, n_branches;
    int64_t n_runs, n_steps; /* of the prefill; of the decode steps after the last one */
    bool warm_up;            /* one more of each before */
    bool is_simulated;       /* memory is the plan's */
    const int32_t *ids;      /* (n_tokens) */
    float *logits;           /* (n_branches, vocab_size) on rank 0 */
} yoco_scale_spec;

/* Collective. On rank 0, *out holds the run, for the caller to release:
 * ranks, tokens, chunk, branches, arithmetic;
 * prefill_s, step_s: a number for each run or step;
 * memory_bytes: a number for each rank;
 * prefill, decode: of the last run, of all steps: compute_s, edge_wait_s, reduce_s, wait_s, idle_s,
 * bytes (sent), reductions, reduced_bytes: a number for each rank; sent: for each rank an array
 * of [peer, messages, bytes]. */
yoco_status yoco_scale_measure(yoco_worker *worker, yoco_comm *comm, const yoco_scale_spec *spec,
                               json_t **out);

#endif
