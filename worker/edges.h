/* Edges between the chunks of a context: the ring of ranks that passes them on. */
#ifndef YOCO_EDGES_H
#define YOCO_EDGES_H

#include "worker/past/past.h"

extern const yoco_edge_port yoco_ring_port;

/* Posts the receives of the edges that enter the first chunk that this rank waits for; `first` is
 * its first. */
yoco_status yoco_ring_post_first(yoco_worker *w, int64_t first);
/* Waits until this rank's last edges have left. */
yoco_status yoco_ring_drain(yoco_worker *w);

/* Runs the chunks from ring->begin on; w->ring.end tells where it ended. Ends the job where it
 * fails: the neighbours wait for edges that will not come. */
yoco_status yoco_ring_run(yoco_worker *w, const yoco_ring *ring, const int32_t *ids,
                          yoco_progress progress, void *progress_data);
/* Gives the context's last edges, in the CONTEXT_EDGE of the last chunk's owner, to every rank. */
yoco_status yoco_ring_share_last(yoco_worker *w);

#endif
