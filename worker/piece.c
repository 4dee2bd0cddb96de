/* A piece of consecutive rows through the self-decoder, up to its shared K,V: prefill stops there.
 * What needs no past is computed before the edge is waited for, and the edge that leaves goes out
 * as soon as it can. */
#include <math.h>

#include "worker/internal.h"
#include "worker/staging.h"

static void attend_window(yoco_worker *w, const yoco_piece *piece, int64_t begin, int64_t end)
{
    const yoco_model_config *c = &w->model->config;
    int head_dim = yoco_config_self_head_dim(c);
    if (begin == end)
        return;
    w->ops->window_attend(w->device, &(yoco_window_args){.n_edge = piece->n_edge,
                                                         .q_begin = begin,
                                                         .q_end = end,
                                                         .window = c->sliding_window,
                                                         .n_heads = c->n_self_heads,
                                                         .head_dim = head_dim,
                                                         .scale_log2 = yoco_scale_log2(head_dim),
                                                         .q = yoco_wide(w, YOCO_BUF_WIDE_A, 0),
                                                         .kv_dtype = w->model->dtype,
                                                         .k = w->buffers[YOCO_BUF_WINDOW_K],
                                                         .v = w->buffers[YOCO_BUF_WINDOW_V],
                                                         .out_dtype = w->model->dtype,
                                                         .out = w->buffers[YOCO_BUF_NORM]});
}

/* NORM (T, dim) -> q, k, v (T, heads, head_dim) -> NORM (T, dim) */
static yoco_status window_mixer(yoco_worker *w, const yoco_piece *piece, int layer)
{
    const yoco_layer *weights = &w->model->layers[layer];
    float *q = yoco_wide(w, YOCO_BUF_WIDE_A, 0), *k = yoco_wide(w, YOCO_BUF_WIDE_A, 1);
    float *v = yoco_wide(w, YOCO_BUF_WIDE_B, 0);
    size_t own = (size_t)piece->n_edge * yoco_row_bytes(w);
    int64_t n = piece->n_rows, past = w->model->config.sliding_window - 1;

    const yoco_projection projections[] = {{weights->q, q}, {weights->k, k}, {weights->v, v}};
    yoco_project_all(w, w->ops->linear_slabs, projections, 3, n);
    yoco_rotate_window(w, q, k, v, yoco_bytes(w, YOCO_BUF_WINDOW_K) + own,
                       yoco_bytes(w, YOCO_BUF_WINDOW_V) + own, n);
    /* A piece shorter than the window passes on part of the edge it takes; any other gives first.
     */
    bool gives_own_rows = piece->n_edge == 0 || (piece->port->gives_first && n >= past);
    if (gives_own_rows)
        YOCO_TRY(piece->port->give(w, piece, layer));
    /* Rows that see the edge wait for it, all others do not; where nobody waits, one call does all.
     */
    bool waits = piece->port->waits && w->comm->n_ranks > 1;
    int64_t n_waiting = piece->n_edge == 0 ? 0 : waits ? yoco_i64_min(past, n) : n;
    attend_window(w, piece, n_waiting, n);
    if (n_waiting == 0)
        return YOCO_OK;
    YOCO_TRY(piece->port->take(w, piece, layer));
    if (!gives_own_rows)
        YOCO_TRY(piece->port->give(w, piece, layer));
    attend_window(w, piece, 0, n_waiting);
    return YOCO_OK;
}

/* NORM (T, dim) -> q, k, v (T, heads, head_dim), gate (T, heads), g (T, dim) -> NORM (T, dim) */
static yoco_status retention_mixer(yoco_worker *w, const yoco_piece *piece, int layer)
{
    const yoco_layer *weights = &w->model->layers[layer];
    const yoco_model_config *c = &w->model->config;
    int head_dim = yoco_config_self_head_dim(c);
    float *q = yoco_wide(w, YOCO_BUF_WIDE_A, 0), *k = yoco_wide(w, YOCO_BUF_WIDE_A, 1);
    float *v = yoco_wide(w, YOCO_BUF_WIDE_B, 0), *g = yoco_wide(w, YOCO_BUF_WIDE_B, 1);
    const yoco_projection projections[] = {{weights->q, q},
                                           {weights->k, k},
                                           {weights->v, v},
                                           {weights->g, g},
                                           {weights->gate_decay, yoco_f32(w, YOCO_BUF_GATE)}};
    yoco_project_all(w, w->ops->linear_slabs, projections, 5, piece->n_rows);
    yoco_rotate_retention(w, q, k, piece->n_rows);

    yoco_retention_args args = {.n_rows = piece->n_rows,
                                .n_heads = c->n_self_heads,
                                .head_dim = head_dim,
                                .q = q,
                                .k = k,
                                .v = v,
                                .gate = yoco_f32(w, YOCO_BUF_GATE),
                                .decay = yoco_f32(w, YOCO_BUF_DECAY),
                                .state = yoco_f32(w, YOCO_BUF_BLOCK_STATE),
                                .edge_in = yoco_f32(w, YOCO_BUF_STATE),
                                .edge_out = yoco_f32(w, YOCO_BUF_STATE),
                                .out = yoco_wide(w, YOCO_BUF_WIDE_A, 2)};
    w->ops->retention_local(w->device, &args);
    YOCO_TRY(piece->port->take(w, piece, layer));
    w->ops->retention_scan(w->device, &args);
    YOCO_TRY(piece->port->give(w, piece, layer));
    w->ops->retention_correct(w->device, &args);
    yoco_retention_gate(w, piece->n_rows);
    return YOCO_OK;
}

yoco_status yoco_piece_run(yoco_worker *w, const yoco_piece *piece)
{
    for (int64_t i = 0; i < piece->n_rows; i++)
        w->positions[i] = piece->position + i;
    yoco_embed_rows(w, piece->ids, w->positions, piece->n_rows);
    for (int layer = 0; layer < w->model->n_self; layer++) {
        const yoco_layer *weights = &w->model->layers[layer];
        yoco_norm_rows(w, weights->mixer_norm, piece->n_rows);
        if (yoco_config_is_retention(&w->model->config))
            YOCO_TRY(retention_mixer(w, piece, layer));
        else
            YOCO_TRY(window_mixer(w, piece, layer));
        yoco_add_output(w, w->ops->linear_slabs, weights, piece->n_rows);
        yoco_feed_forward(w, w->ops->linear_slabs, weights, piece->n_rows);
    }
    yoco_shared_kv(w, w->ops->linear_slabs, piece->k, piece->v, piece->n_rows);
    return yoco_settle(w);
}
