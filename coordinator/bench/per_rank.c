#include "coordinator/bench/per_rank.h"

#include "configs/files/json_text.h"
#include "streams.h"

static yoco_status print_record(json_t *record)
{
    if (yoco_json_print(record, JSON_COMPACT | JSON_REAL_PRECISION(12), yoco_stdout()))
        return YOCO_OK;
    yoco_log_error("writing to stdout failed");
    return YOCO_ERR_IO;
}

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
    if (status == YOCO_OK)
        status = yoco_agree(comm, comm->rank == 0 ? print_record(record) : YOCO_OK);
    json_decref(record);
    yoco_free(spec.logits);
    return status;
}
