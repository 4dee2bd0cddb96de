/* yoco bench --per-rank: one point of a scaling experiment (coordinator/scale), as a line of JSON.
 */
#ifndef YOCO_BENCH_PER_RANK_H
#define YOCO_BENCH_PER_RANK_H

#include "coordinator/session/session.h"
#include "coordinator/timing/measure.h"

/* Collective; `spec` without its logits. Rank 0 prints the run (see yoco_scale_measure). */
yoco_status yoco_bench_per_rank(yoco_session *session, yoco_scale_spec spec);

#endif
