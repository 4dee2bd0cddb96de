/* How the next token is chosen: at temperature 0 the likeliest (yoco_worker_likeliest), above it a
 * draw (yoco_draw_args). The random number of a draw is a function of (seed, index of the generated
 * token) alone, so a seed gives the same text on any number of ranks and beside any other branches.
 */
#ifndef YOCO_SAMPLING_H
#define YOCO_SAMPLING_H

#include "coordinator/ask/random.h"

typedef struct yoco_sampling {
    double temperature; /* >= 0 */
    int64_t top_k;      /* >= 0 */
    double top_p;       /* (0, 1] */
    uint64_t seed;
} yoco_sampling;

static inline double yoco_sampling_unit(const yoco_sampling *sampling, int64_t index)
{
    return yoco_random_unit(yoco_random_at(sampling->seed, (uint64_t)index));
}

#endif
