/* SimGrid's description of a machine: nodes of devices, a leaf switch for every leaf_nodes nodes,
 * and a core above the leaves (docs/SCALING.md, "The simulated machine"). */
#ifndef YOCO_SCALE_PLATFORM_H
#define YOCO_SCALE_PLATFORM_H

#include "configs/machine/hardware.h"

/* The changes of a simulation to the hardware. Factors are above 0; a factor of 1 changes nothing.
 */
typedef struct yoco_what_if {
    int slow_rank, slow_node;                   /* -1: none */
    double slow_rank_time, slow_node_bandwidth; /* its ops take so many times as long; its links
                                                   keep so much of their rate */
    double bandwidth; /* all links between nodes keep so much of their rate */
} yoco_what_if;

/* The platform and the list of hosts, a line for each rank. */
yoco_status yoco_scale_platform_write(const yoco_hardware *hardware, const yoco_what_if *what_if,
                                      int n_ranks, const char *platform_path,
                                      const char *hosts_path);

#endif
