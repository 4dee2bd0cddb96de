/* How fast the ranks do something together: repeated work, its units per second summed over them.
 * All ranks measure at the same time, each on as many threads as its part of the engine has, so
 * that they share the machine as the engine's ranks do. */
#ifndef YOCO_BENCH_RATE_H
#define YOCO_BENCH_RATE_H

#include "coordinator/timing/spread.h"
#include "worker/worker.h"

typedef struct yoco_rater {
    yoco_comm *comm;
    const yoco_ops *ops;
    const yoco_device_options *device;
    double cpu_share; /* least processor time that the threads got, of what they had time for:
                         below 1 other programs were at work, and the rates are too low. Begins
                         at 1. */
} yoco_rater;

/* Work that is repeated: `units` of it at a call. */
typedef struct yoco_rate_work {
    yoco_status (*run)(void *data);
    void *data;
    double units;
} yoco_rate_work;

/* Collective: several runs after one that warms up. */
yoco_status yoco_rate_measure(yoco_rater *rater, const yoco_rate_work *work, yoco_spread *out);

/* Input for products, in f32 or bf16 and any layout: halves of f32 and bf16 alike are of magnitude
 * 0.5 to 1. Zeros would draw less power, and a GPU would clock higher. */
void yoco_rate_fill(uint16_t *data, size_t bytes);

#endif
