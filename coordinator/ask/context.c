#include "coordinator/ask/context.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "configs/context/document.h"
#include "coordinator/cli/progress.h"

yoco_status yoco_context_target(yoco_session *session, const char *folder,
                                yoco_snapshot_target *out)
{
    yoco_comm *comm = session->comm;
    yoco_hash model;
    yoco_status status = YOCO_OK;
    if (comm->rank == 0)
        status = yoco_session_hash(session, &model);
    YOCO_TRY(yoco_agree(comm, status));
    YOCO_TRY(yoco_broadcast(comm, 0, &model, sizeof model));
    *out =
        (yoco_snapshot_target){.folder = folder, .model = model, .tokenizer = session->tokenizer};
    return YOCO_OK;
}

yoco_status yoco_context_open(const char *folder, yoco_context_manifest *out)
{
    char path[PATH_MAX];
    YOCO_TRY(yoco_path_join(folder, yoco_context_partial_name, path));
    bool partial = access(path, F_OK) == 0;
    YOCO_TRY(yoco_path_join(folder, yoco_context_manifest_name, path));
    if (partial && access(path, F_OK) != 0) {
        yoco_log_error("%s is unfinished: run the command that makes it again, which goes on from "
                       "what is there",
                       folder);
        return YOCO_ERR_DATA;
    }
    return yoco_context_manifest_load(path, false, out);
}

static yoco_status check_session(const yoco_session *session, const yoco_snapshot_target *target,
                                 const yoco_context_identity *found)
{
    yoco_context_identity wanted = *found;
    char path[PATH_MAX];
    wanted.model = target->model;
    wanted.tokenizer = target->tokenizer;
    wanted.dtype = yoco_worker_dtype(session->worker);
    snprintf(wanted.arithmetic, sizeof wanted.arithmetic, "%s",
             yoco_worker_arithmetic(session->worker));
    YOCO_TRY(yoco_path_join(target->folder, yoco_context_manifest_name, path));
    return yoco_context_identity_check(path, found, &wanted);
}

/* Rank 0. */
static yoco_status read_document(const yoco_session *session, const yoco_snapshot_target *target,
                                 yoco_ids *ids, int64_t *chunk_rows)
{
    yoco_context_manifest manifest;
    YOCO_TRY(yoco_context_open(target->folder, &manifest));
    yoco_status status = check_session(session, target, &manifest.identity);
    if (status == YOCO_OK)
        status = yoco_context_document_load(target->folder, &manifest.identity,
                                            session->checkpoint->shape->vocab_size, &ids->ids);
    if (status == YOCO_OK) {
        ids->n = manifest.identity.n_tokens;
        *chunk_rows = manifest.identity.chunk_rows;
    }
    yoco_context_manifest_free(&manifest);
    return status;
}

yoco_status yoco_context_document(yoco_session *session, const yoco_snapshot_target *target,
                                  yoco_ids *ids, int64_t *chunk_rows)
{
    yoco_comm *comm = session->comm;
    yoco_ids found = {0};
    int64_t sizes[2] = {0}; /* tokens, rows of a chunk */
    yoco_status status = YOCO_OK;
    if (comm->rank == 0)
        status = read_document(session, target, &found, &sizes[1]);
    YOCO_TRY(yoco_agree(comm, status));
    sizes[0] = found.n;
    YOCO_TRY(yoco_broadcast(comm, 0, sizes, sizeof sizes));
    *ids = (yoco_ids){found.ids, sizes[0]};
    *chunk_rows = sizes[1];
    return YOCO_OK;
}

yoco_status yoco_context_load(yoco_session *session, const yoco_snapshot_target *target,
                              double *seconds)
{
    yoco_comm *comm = session->comm;
    double start = yoco_now_s();
    YOCO_TRY(yoco_worker_load(session->worker, target));
    YOCO_TRY(yoco_agree(comm, YOCO_OK)); /* the slowest counts */
    *seconds = yoco_now_s() - start;
    int64_t n_tokens = yoco_worker_plan(session->worker)->input.grid.n_tokens;
    if (comm->rank == 0)
        yoco_log_info("context of %lld tokens loaded in %.2f s, %.0f tok/s, on %d ranks",
                      (long long)n_tokens, *seconds, (double)n_tokens / *seconds, comm->n_ranks);
    return YOCO_OK;
}

yoco_status yoco_context_prefill(yoco_session *session, const yoco_snapshot_target *target,
                                 const yoco_ids *ids, double *seconds, yoco_status *durable)
{
    yoco_progress_line line;
    yoco_snapshot_result result;
    yoco_progress_begin(&line, session->comm->rank != 0);
    YOCO_TRY(yoco_worker_prefill_durable(session->worker, ids->ids, target, yoco_progress_update,
                                         &line, &result));
    *seconds = yoco_progress_end(&line, ids->n - result.n_restored);
    *durable = result.durable;
    return YOCO_OK;
}
