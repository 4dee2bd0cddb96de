/* Private to this folder. */
#ifndef YOCO_SIM_ACCOUNT_H
#define YOCO_SIM_ACCOUNT_H

#include "kernels/sim/sim.h"
#include "partition/op_work.h"

void yoco_sim_charge(yoco_work work);
/* A copy between device and host. */
void yoco_sim_charge_host_copy(size_t bytes);
/* An address for a buffer of that size, no memory; NULL: too large. */
void *yoco_sim_address(size_t bytes);

#endif
