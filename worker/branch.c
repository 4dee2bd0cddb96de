/* Branches: rows of their own after the context. A branch's window is the context's last edge,
 * shared and read-only, plus a ring of its own rows; its retention state is its own. Its shared K,V
 * rows are stored in blocks, block j of branch b on rank (b + j) mod n_ranks; every rank computes
 * them all. */
#include "trace.h"
#include "worker/internal.h"

static char *branch_self(const yoco_worker *w, int branch, int layer)
{
    return yoco_bytes(w, YOCO_BUF_BRANCH_SELF) +
           (size_t)(branch * w->model->n_self + layer) * w->plan.branch_self_bytes;
}

float *yoco_branch_state(const yoco_worker *w, int branch, int layer)
{
    return (float *)(void *)branch_self(w, branch, layer);
}

int64_t yoco_branch_first_row(const yoco_worker *w, int branch)
{
    const yoco_plan_input *in = &w->plan.input;
    int64_t row = 0;
    for (int b = 0; b < branch; b++)
        row += yoco_branch_rank_rows(b, in->branch_rows, in->rank, in->grid.n_ranks);
    return row;
}

bool yoco_branch_shared_row(const yoco_worker *w, int branch, int64_t row, char *kv[2])
{
    if (yoco_branch_owner(branch, row / YOCO_BLOCK_ROWS, w->comm->n_ranks) != w->comm->rank)
        return false;
    size_t at =
        (size_t)(yoco_branch_first_row(w, branch) + yoco_branch_shard_row(row, w->comm->n_ranks)) *
        yoco_kv_row_bytes(w);
    kv[0] = yoco_bytes(w, YOCO_BUF_BRANCH_K) + at;
    kv[1] = yoco_bytes(w, YOCO_BUF_BRANCH_V) + at;
    return true;
}

void yoco_branch_store(yoco_worker *w, int branch, int64_t row, int64_t first, int64_t n_rows)
{
    size_t bytes = yoco_kv_row_bytes(w);
    for (int64_t done = 0, n; done < n_rows; done += n) {
        int64_t at = row + done;
        n = yoco_i64_min(YOCO_BLOCK_ROWS - at % YOCO_BLOCK_ROWS, n_rows - done);
        char *to[2];
        if (!yoco_branch_shared_row(w, branch, at, to))
            continue;
        size_t from = (size_t)(first + done) * bytes;
        w->ops->copy(w->device, to[0], yoco_bytes(w, YOCO_BUF_PIECE_K) + from, (size_t)n * bytes);
        w->ops->copy(w->device, to[1], yoco_bytes(w, YOCO_BUF_PIECE_V) + from, (size_t)n * bytes);
    }
}

void yoco_branch_view(const yoco_worker *w, int branch, int layer, int64_t n_own, int64_t n_visible,
                      yoco_window_view *view)
{
    size_t bytes = yoco_row_bytes(w);
    int64_t n_context_edge = yoco_edge_rows(w, w->plan.input.grid.n_tokens);
    int64_t own = yoco_i64_min(n_own, n_visible), shared = n_visible - own;
    const char *edge = yoco_context_edge(w, layer), *ring = branch_self(w, branch, layer);
    const char *ring_v = ring + (size_t)w->plan.ring_rows * bytes;
    int64_t start = (n_own - own) % w->plan.ring_rows;
    int64_t first_run = yoco_i64_min(own, w->plan.ring_rows - start);
    const struct {
        const char *k, *v;
        int64_t row, n_rows;
    } parts[YOCO_WINDOW_VIEW_PARTS] = {
        {edge, edge + (size_t)n_context_edge * bytes, n_context_edge - shared, shared},
        {ring, ring_v, start, first_run},
        {ring, ring_v, 0, own - first_run},
    };
    for (int i = 0; i < YOCO_WINDOW_VIEW_PARTS; i++) {
        view->k[i] = parts[i].k + (size_t)parts[i].row * bytes;
        view->v[i] = parts[i].v + (size_t)parts[i].row * bytes;
        view->n_rows[i] = parts[i].n_rows;
    }
}

void yoco_branch_window_row(const yoco_worker *w, int branch, int layer, int64_t row, char *kv[2])
{
    size_t bytes = yoco_row_bytes(w);
    kv[0] = branch_self(w, branch, layer) + (size_t)(row % w->plan.ring_rows) * bytes;
    kv[1] = kv[0] + (size_t)w->plan.ring_rows * bytes;
}

void yoco_branch_remember(yoco_worker *w, int branch, int layer, int64_t row, const char *k,
                          const char *v, int64_t n_rows)
{
    size_t bytes = yoco_row_bytes(w);
    int64_t skipped = yoco_i64_max(0, n_rows - w->plan.ring_rows);
    for (int64_t done = skipped, n; done < n_rows; done += n) {
        n = yoco_i64_min(n_rows - done, w->plan.ring_rows - (row + done) % w->plan.ring_rows);
        size_t from = (size_t)done * bytes;
        char *to[2];
        yoco_branch_window_row(w, branch, layer, row + done, to);
        w->ops->copy(w->device, to[0], k + from, (size_t)n * bytes);
        w->ops->copy(w->device, to[1], v + from, (size_t)n * bytes);
    }
}

static yoco_status branch_take(yoco_worker *w, const yoco_piece *piece, int layer)
{
    if (yoco_config_is_retention(&w->model->config)) {
        yoco_edge_load(w, branch_self(w, piece->branch, layer), 0);
        return YOCO_OK;
    }
    yoco_window_view view;
    yoco_branch_view(w, piece->branch, layer, w->branch_n_rows[piece->branch], piece->n_edge,
                     &view);
    char *k = yoco_bytes(w, YOCO_BUF_WINDOW_K), *v = yoco_bytes(w, YOCO_BUF_WINDOW_V);
    for (int i = 0; i < YOCO_WINDOW_VIEW_PARTS; i++) {
        size_t bytes = (size_t)view.n_rows[i] * yoco_row_bytes(w);
        w->ops->copy(w->device, k, view.k[i], bytes);
        w->ops->copy(w->device, v, view.v[i], bytes);
        k += bytes;
        v += bytes;
    }
    return YOCO_OK;
}

static yoco_status branch_give(yoco_worker *w, const yoco_piece *piece, int layer)
{
    if (yoco_config_is_retention(&w->model->config)) {
        w->ops->copy(w->device, branch_self(w, piece->branch, layer), w->buffers[YOCO_BUF_STATE],
                     w->plan.branch_self_bytes);
        return YOCO_OK;
    }
    size_t own = (size_t)piece->n_edge * yoco_row_bytes(w);
    yoco_branch_remember(w, piece->branch, layer, w->branch_n_rows[piece->branch],
                         yoco_bytes(w, YOCO_BUF_WINDOW_K) + own,
                         yoco_bytes(w, YOCO_BUF_WINDOW_V) + own, piece->n_rows);
    return YOCO_OK;
}

/* Giving writes over the ring that taking reads. */
static const yoco_edge_port branch_port = {
    .take = branch_take, .give = branch_give, .gives_first = false, .waits = false};

static yoco_status run_pieces(yoco_worker *w, int branch, const int32_t *ids, int64_t n_ids)
{
    for (int64_t done = 0, n; done < n_ids; done += n) {
        int64_t position = w->plan.input.grid.n_tokens + done;
        n = yoco_i64_min(w->plan.piece_rows, n_ids - done);
        yoco_piece piece = {.port = &branch_port,
                            .ids = ids + done,
                            .n_rows = n,
                            .position = position,
                            .n_edge = yoco_edge_rows(w, position),
                            .branch = branch,
                            .k = w->buffers[YOCO_BUF_PIECE_K],
                            .v = w->buffers[YOCO_BUF_PIECE_V]};
        YOCO_TRY(yoco_piece_run(w, &piece));
        yoco_branch_store(w, branch, done, 0, n);
        w->branch_n_rows[branch] += n;
    }
    return YOCO_OK;
}

yoco_status yoco_worker_branch(yoco_worker *w, int branch, const int32_t *ids, int64_t n_ids)
{
    w->branch_n_rows[branch] = 0;
    if (yoco_config_is_retention(&w->model->config))
        for (int layer = 0; layer < w->model->n_self; layer++)
            w->ops->copy(w->device, branch_self(w, branch, layer), yoco_context_edge(w, layer),
                         w->plan.branch_self_bytes);
    yoco_trace_mark mark = yoco_trace_begin();
    yoco_status status = run_pieces(w, branch, ids, n_ids);
    yoco_trace_end(mark, YOCO_SPAN_WORK, "question", branch, -1);
    return w->comm->ops->agree(w->comm, status);
}

int64_t yoco_worker_position(const yoco_worker *w, int branch)
{
    return w->plan.input.grid.n_tokens + w->branch_n_rows[branch];
}
