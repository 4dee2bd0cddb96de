/* What a prefill and a step cost, counted: one chunk and one step of the worker's own code run on
 * the tally device. */
#ifndef YOCO_WORKER_TALLY_H
#define YOCO_WORKER_TALLY_H

#include "partition/cost.h"

/* A yoco_cost_measure. One at a time in a process. */
yoco_status yoco_worker_tally(const yoco_cost_input *input, yoco_cost_account *out);

#endif
