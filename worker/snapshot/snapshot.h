/* A context on disk (docs/SNAPSHOTS.md): made behind the prefill, resumed where one is unfinished,
 * loaded on any number of ranks. All ranks must see the same folder. Collective, as worker.h. */
#ifndef YOCO_SNAPSHOT_H
#define YOCO_SNAPSHOT_H

#include <signal.h>

#include "configs/files/hash.h"
#include "worker/worker.h"

/* The folder, and what a context in it must belong to. Equal on all ranks. */
typedef struct yoco_snapshot_target {
    const char *folder;
    yoco_hash model;     /* yoco_checkpoint_hash */
    yoco_hash tokenizer; /* 0 where there is none */
    /* Set by a signal handler of any rank: the prefill ends after about one more chunk. NULL:
     * nobody asks. */
    const volatile sig_atomic_t *stop;
    /* A checkpoint: goes on in memory where writing fails, and yoco_snapshot_remove removes what
     * was begun so. A context that was saved otherwise is used and stays. */
    bool temporary;
} yoco_snapshot_target;

typedef struct yoco_snapshot_result {
    int64_t n_restored; /* tokens that were read and not computed */
    /* YOCO_OK: the snapshot is complete and on disk. Else writing failed, as one line said, and
     * what was written before can be resumed; the context in memory is whole nevertheless. */
    yoco_status durable;
} yoco_snapshot_result;

/* As yoco_worker_prefill, after yoco_worker_reserve_durable: takes up the folder's context where
 * that is unfinished, writes chunks and edges behind the computation, and leaves a complete
 * snapshot. A folder that holds anything else, or that another process writes, is refused before
 * anything is computed. After a stop: YOCO_ERR_STOPPED, and what was computed is durable. Where a
 * file of a lasting snapshot cannot be written, it stops early with that error. */
yoco_status yoco_worker_prefill_durable(yoco_worker *worker, const int32_t *ids,
                                        const yoco_snapshot_target *target, yoco_progress progress,
                                        void *progress_data, yoco_snapshot_result *result);

/* In place of the prefill, after a reserve with the manifest's n_tokens and chunk_rows: a complete
 * snapshot, every file checked while it is read. */
yoco_status yoco_worker_load(yoco_worker *worker, const yoco_snapshot_target *target);

/* Local: removes a temporary snapshot's own files, whatever state they are in, and then the folder
 * if that can be. What is lasting, or written by another process, stays. */
yoco_status yoco_snapshot_remove(yoco_worker *worker, const char *folder);

#endif
