/* The simulated device: a table of ops that computes nothing. Each op adds the time that it would
 * take on the described device to the rank's account; the account is settled, as simulated time,
 * before anything that others could see: a message, a look at the clock, a wait for the device.
 * Buffers are addresses without memory. Only the program yoco-sim, built with SimGrid's smpicc, has
 * it. */
#ifndef YOCO_SIM_H
#define YOCO_SIM_H

#include "configs/machine/hardware.h"
#include "kernels/kernels.h"

extern const yoco_ops yoco_sim_ops;

/* Before `open`. message_bytes: the largest buffer that messages start from or arrive in. Ops take
 * `slowdown` times as long as described. */
yoco_status yoco_sim_describe(const yoco_hardware *hardware, size_t message_bytes, double slowdown);

/* Addresses that can be read (as zeros) and never written, the same on every rank. */
const void *yoco_sim_zeros(void);

/* Lets the time of all charged ops pass. */
void yoco_sim_settle(void);

#endif
