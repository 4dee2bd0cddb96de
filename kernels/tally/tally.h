/* The device that computes nothing: each op says what work it would be, and buffers are addresses
 * without memory. The real code runs on it to be counted (worker/tally.h) and to be simulated
 * (kernels/sim). */
#ifndef YOCO_TALLY_H
#define YOCO_TALLY_H

#include "kernels/kernels.h"
#include "partition/op_work.h"

/* Of a decode step: what every rank repeats, what reads rows of all positions, and what their merge
 * takes. A prefill is REPEATED. */
typedef enum yoco_tally_part {
    YOCO_TALLY_REPEATED,
    YOCO_TALLY_ATTENTION,
    YOCO_TALLY_MERGE,
    YOCO_N_TALLY_PARTS
} yoco_tally_part;

/* Who counts. */
typedef struct yoco_tally {
    void *context;
    void (*work)(void *context, yoco_tally_part part, yoco_work work);
    void (*host_copy)(void *context, yoco_tally_part part,
                      size_t bytes); /* between device and host */
    void (*settle)(void *context);   /* somebody waits for the device */
    /* An address for a buffer of that size; NULL: too large. */
    void *(*address)(void *context, size_t bytes);
} yoco_tally;

/* Before `open`, and again for whatever counts next: one at a time in a process. It lives until the
 * device is closed. */
void yoco_tally_begin(const yoco_tally *tally);

extern const yoco_ops yoco_tally_ops;

#endif
