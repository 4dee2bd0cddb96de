/* The harness of all timing: work that every rank repeats, runs that begin on all ranks together,
 * their times. */
#ifndef YOCO_REPEAT_H
#define YOCO_REPEAT_H

#include "comm/comm.h"

typedef struct yoco_repeat {
    yoco_comm *comm;
    int n_warm_up, n_runs;
    double least_s; /* a run calls the work again and again for so long; 0: once */
    bool slowest;   /* a run lasts until it has ended on every rank; else on this one */
    /* Both work on `data`. A failure of either ends the repetition on all ranks: `work` may fail on
     * some of them, but only if it then leaves nothing for the others to wait for. */
    yoco_status (*begin)(void *data); /* before the ranks begin together; NULL: nothing */
    yoco_status (*work)(void *data);
    void *data;
} yoco_repeat;

/* Collective. seconds: (n_runs), wall-clock time of one call; cpu_s: (n_runs), this process's
 * processor time of one call, or NULL. */
yoco_status yoco_repeat_run(const yoco_repeat *repeat, double *seconds, double *cpu_s);

#endif
