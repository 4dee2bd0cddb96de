/* The clock of a simulation: each op of the tally device adds the time that it would take on the
 * described device to the rank's account; the account is settled, as simulated time, before
 * anything that others could see: a message, a look at the clock, a wait for the device. Only the
 * program yoco-sim, built with SimGrid's smpicc, has it. */
#ifndef YOCO_SIM_H
#define YOCO_SIM_H

#include "configs/machine/hardware.h"

/* Before the tally device is opened. message_bytes: the largest buffer that messages start from or
 * arrive in. Ops take `slowdown` times as long as described. */
yoco_status yoco_sim_describe(const yoco_hardware *hardware, size_t message_bytes, double slowdown);

/* Where a message begins or ends that lies in a buffer of zeros: in memory that may be written and
 * that SMPI does not copy. Any other address is its own. */
void *yoco_sim_message(const void *at);

/* Addresses that can be read (as zeros) and never written, the same on every rank. */
const void *yoco_sim_zeros(void);

/* Lets the time of all charged ops pass. */
void yoco_sim_settle(void);

#endif
