/* Computes a batch's jobs as the packing says: long ones on all ranks, short ones each on a rank of
 * its own. A result line is durable before the job counts as done. One job is one job: what cannot
 * be answered gets a record, and costs the others nothing. */
#ifndef YOCO_BATCH_RUN_H
#define YOCO_BATCH_RUN_H

#include "coordinator/ask/context.h"
#include "coordinator/batch/packing.h"
#include "coordinator/batch/progress.h"
#include "coordinator/batch/results.h"
#include "coordinator/session/session.h"

typedef struct yoco_batch_run {
    yoco_session *session;
    const yoco_tokenizer *tokenizer; /* on every rank */
    const yoco_chat_template *chat;  /* on every rank: of the jobs that are chats; NULL: none */
    const char *fingerprint;         /* the same on every rank */
    int64_t chunk_rows;
    const yoco_snapshot_target *context;     /* saved, the document of all jobs; NULL: none */
    const yoco_snapshot_target *checkpoints; /* its folder: where they are kept; NULL: nowhere */
    yoco_status *spoiled; /* of this rank: the last error that cost a job or a checkpoint only */
    const volatile sig_atomic_t *stop; /* of any rank: ends the run with YOCO_ERR_STOPPED */
    /* rank 0, NULL elsewhere */
    yoco_batch_input *input;
    yoco_batch_documents *documents;
    yoco_batch_results *results;
    yoco_batch_progress *progress;
    yoco_batch_packing *packing;
    const int64_t *jobs; /* the packing's jobs are these entries of the input */
} yoco_batch_run;

/* Collective. */
yoco_status yoco_batch_run_jobs(const yoco_batch_run *run);

/* The cost of a job, once it is encoded. */
yoco_batch_size yoco_batch_entry_size(const yoco_batch_entry *entry);

#endif
