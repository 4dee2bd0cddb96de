/* What the files worker/snapshot_*.c share. */
#ifndef YOCO_SNAPSHOT_PARTS_H
#define YOCO_SNAPSHOT_PARTS_H

#include "configs/context/file.h"
#include "worker/internal.h"

enum { YOCO_SNAPSHOT_STAGE_BYTES = 1 << 20 };

/* A snapshot at work. Each rank fills its own entries. */
typedef struct yoco_snapshot {
    yoco_worker *w;
    const char *folder;
    yoco_context_manifest manifest; /* with lists */
    int64_t edge_period;
} yoco_snapshot;

/* One file's data: n segments of equal size in device memory. */
typedef struct yoco_snapshot_payload {
    yoco_context_part part;
    int n_segments;
    size_t bytes;  /* of a segment */
    char *k, *v;   /* chunk: its segments */
    char *edges;   /* edge: a segment per layer, plan.edge_bytes apart */
    int n_tensors; /* what the file says about them */
    yoco_tensor tensors[2];
} yoco_snapshot_payload;

yoco_snapshot_payload yoco_snapshot_chunk(const yoco_snapshot *s, int64_t chunk);
/* The edges after a chunk, which stand in `buffer`. */
yoco_snapshot_payload yoco_snapshot_edge(const yoco_snapshot *s, int64_t chunk, yoco_buffer buffer);

/* Durably; stage: host memory of YOCO_SNAPSHOT_STAGE_BYTES. */
yoco_status yoco_snapshot_write(const yoco_snapshot *s, const yoco_snapshot_payload *payload,
                                void *stage, yoco_context_entry *entry);
/* Whether the file is there. */
bool yoco_snapshot_exists(const yoco_snapshot *s, const yoco_snapshot_payload *payload);
/* Checks a file and fills the payload's memory from it. listed: what a manifest says, or NULL. */
yoco_status yoco_snapshot_read(const yoco_snapshot *s, const yoco_snapshot_payload *payload,
                               const yoco_context_entry *listed, yoco_context_entry *entry);

/* Reads as many whole chunks as are good on all ranks, and the highest edge among them: *begin is
 * the chunk after it. Fills the entries of what was read. */
yoco_status yoco_snapshot_restore(yoco_snapshot *s, int64_t *begin);
/* Everything that the manifest lists, or an error. */
yoco_status yoco_snapshot_restore_all(yoco_snapshot *s);

/* The first chunk from `begin` on that this rank owns. */
int64_t yoco_snapshot_first_chunk(const yoco_worker *w, int64_t begin);

/* One thread per rank that writes chunks and edges behind the computation, straight from where they
 * stand; only edges, whose buffers are used again, are copied. The thread makes no call of MPI. */
yoco_status yoco_snapshot_writer_open(yoco_snapshot *s, int64_t begin, yoco_snapshot_writer **out);
/* For each layer, once its edge stands in EDGE_OUT. Waits where the copy before is not on disk. */
void yoco_snapshot_writer_copy_edge(yoco_snapshot_writer *writer, int64_t chunk, int layer);
/* K and V of this chunk are final, and so are its edges. */
void yoco_snapshot_writer_give_chunk(yoco_snapshot_writer *writer, int64_t chunk);
/* Collective: waits until every rank has written what it was given, for as long as it takes. */
yoco_status yoco_snapshot_writer_drain(yoco_snapshot_writer *writer);
/* Whether a file could not be written. */
bool yoco_snapshot_writer_failed(yoco_snapshot_writer *writer);
/* Returns the first failure. */
yoco_status yoco_snapshot_writer_close(yoco_snapshot_writer *writer);

/* Rank 0: locks the folder and makes it ready, or refuses it. The lock stays until
 * yoco_snapshot_remove or yoco_snapshot_unlock. temporary: it may be removed if it is begun now. */
yoco_status yoco_snapshot_folder_begin(yoco_snapshot *s, const int32_t *ids, bool temporary);
void yoco_snapshot_unlock(yoco_worker *w);
/* Rank 0: writes the manifest and removes what is not part of a complete snapshot. */
yoco_status yoco_snapshot_folder_finish(const yoco_snapshot *s);

#endif
