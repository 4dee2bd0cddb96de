/* Branches: rows of their own after the context. Every rank computes them all. */
#include "trace.h"
#include "worker/past/past.h"

static yoco_status branch_take(yoco_pass *p, const yoco_past *past)
{
    past->ops->branch_load(p, past);
    return YOCO_OK;
}

static yoco_status branch_give(yoco_pass *p, const yoco_past *past)
{
    past->ops->branch_save(p, past);
    return YOCO_OK;
}

/* Giving writes over the ring that taking reads. */
static const yoco_edge_port branch_port = {
    .take = branch_take, .give = branch_give, .gives_first = false, .waits = false};

static yoco_status run_pieces(yoco_worker *w, int branch, const int32_t *ids, int64_t n_ids)
{
    for (int64_t done = 0, n; done < n_ids; done += n) {
        n = yoco_i64_min(w->plan.piece_rows, n_ids - done);
        yoco_pass piece = {.w = w,
                           .linear = w->ops->dense->linear_slabs,
                           .port = &branch_port,
                           .ids = ids + done,
                           .n_rows = n,
                           .position = w->plan.input.grid.n_tokens + done,
                           .chunk = -1,
                           .branch = branch};
        YOCO_TRY(yoco_piece_run(&piece));
        w->branch_n_rows[branch] += n;
    }
    return YOCO_OK;
}

yoco_status yoco_worker_branch(yoco_worker *w, int branch, const int32_t *ids, int64_t n_ids)
{
    w->branch_n_rows[branch] = 0;
    for (int i = 0; i < w->model->n_pasts; i++)
        w->pasts[i].ops->branch_begin(w, &w->pasts[i], branch);
    yoco_trace_mark mark = yoco_trace_begin();
    yoco_status status = run_pieces(w, branch, ids, n_ids);
    yoco_trace_end(mark, YOCO_SPAN_WORK, "question", branch, -1);
    return w->comm->ops->agree(w->comm, status);
}

int64_t yoco_worker_position(const yoco_worker *w, int branch)
{
    return w->plan.input.grid.n_tokens + w->branch_n_rows[branch];
}
