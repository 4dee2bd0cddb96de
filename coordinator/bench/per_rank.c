#include "coordinator/bench/per_rank.h"

#include "configs/files/json_text.h"

yoco_status yoco_bench_per_rank(yoco_session *session, yoco_scale_spec spec)
{
    yoco_comm *comm = session->comm;
    size_t logits = (size_t)spec.n_branches * (size_t)session->checkpoint->shape->vocab_size;
    json_t *record = NULL;
    yoco_status status = YOCO_OK;
    if (comm->rank == 0)
        status = yoco_alloc(logits * sizeof *spec.logits, "logits", (void **)&spec.logits);
    status = yoco_agree(comm, status);
    if (status == YOCO_OK)
        status = yoco_scale_measure(session->worker, comm, &spec, &record);
    if (status == YOCO_OK && comm->rank == 0)
        status = yoco_json_to_stdout(record, JSON_COMPACT | JSON_REAL_PRECISION(12));
    status = yoco_agree(comm, status);
    yoco_free(spec.logits);
    return status;
}
