/* The rates of this machine, op by op, as a hardware file (configs/machine/hardware.h) for the
 * formula and the simulation: the ops of the backend itself, on the model's shapes and weights. */
#ifndef YOCO_BENCH_PROFILE_H
#define YOCO_BENCH_PROFILE_H

#include "coordinator/session/session.h"

/* Collective; all ranks measure at the same time, as they compute. Rank 0 writes the file. Takes as
 * much memory again as the self-decoder's weights. */
yoco_status yoco_bench_profile_write(yoco_session *session, int64_t chunk_rows, const char *path);

#endif
