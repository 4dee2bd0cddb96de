/* Which GPU a rank computes on. */
#ifndef YOCO_CUDA_PLACE_H
#define YOCO_CUDA_PLACE_H

#include "comm/comm.h"

/* Makes the GPU that belongs to this rank's place on its machine the current one. Two ranks on one
 * GPU are YOCO_ERR_USAGE: NCCL refuses them. Collective. */
yoco_status yoco_cuda_place(yoco_comm *comm);

#endif
