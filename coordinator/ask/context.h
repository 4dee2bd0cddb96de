/* Saved contexts as commands use them: what a folder must belong to, and the document in it. */
#ifndef YOCO_CONTEXT_H
#define YOCO_CONTEXT_H

#include "configs/context/manifest.h"
#include "coordinator/ask/prompt.h"
#include "coordinator/session/session.h"
#include "worker/snapshot/snapshot.h"

/* Collective: the folder and the hashes of the session's model and tokenizer. The
 * folder's name stays the caller's. */
yoco_status yoco_context_target(yoco_session *session, const char *folder,
                                yoco_snapshot_target *out);

/* Local: the manifest of a complete context; a partial one is an error that says so. The caller
 * frees it. */
yoco_status yoco_context_open(const char *folder, yoco_context_manifest *out);

/* Collective: the ids and the chunk size of a complete context, on every rank; one that this
 * session cannot go on from is refused. ids->ids is the caller's to free with yoco_free. */
yoco_status yoco_context_document(yoco_session *session, const yoco_snapshot_target *target,
                                  yoco_ids *ids, int64_t *chunk_rows);

/* Collective: in place of the prefill, with a line of progress. */
yoco_status yoco_context_load(yoco_session *session, const yoco_snapshot_target *target,
                              double *seconds);
/* Collective: yoco_worker_prefill_durable with progress. */
yoco_status yoco_context_prefill(yoco_session *session, const yoco_snapshot_target *target,
                                 const yoco_ids *ids, double *seconds, yoco_status *durable);

#endif
