/* A decode step: every rank runs the same rows through all layers; in the cross layers each attends
 * over its own K,V rows and the partial results merge exactly. */
#include "trace.h"
#include "worker/internal.h"
#include "worker/staging.h"

typedef struct step {
    int n_rows;
    const int *branches; /* (n_rows) */
} step;

/* Notes that row i of two buffers goes to `to`. */
static void add_copies(yoco_worker *w, int64_t *n, char *const to[2], yoco_buffer k, yoco_buffer v,
                       int i, size_t row_bytes)
{
    size_t from = (size_t)i * row_bytes;
    w->copies[(*n)++] = (yoco_row_copy){to[0], yoco_bytes(w, k) + from};
    w->copies[(*n)++] = (yoco_row_copy){to[1], yoco_bytes(w, v) + from};
}

static void remember_rows(yoco_worker *w, const step *s, int layer)
{
    const yoco_model_config *c = &w->model->config;
    int64_t seen = c->sliding_window, n = 0;
    size_t bytes = yoco_row_bytes(w);
    for (int i = 0; i < s->n_rows; i++) {
        int64_t n_own = w->branch_n_rows[s->branches[i]];
        char *to[2];
        yoco_branch_window_row(w, s->branches[i], layer, n_own, to);
        add_copies(w, &n, to, YOCO_BUF_WINDOW_K, YOCO_BUF_WINDOW_V, i, bytes);
        yoco_branch_view(w, s->branches[i], layer, n_own + 1,
                         yoco_i64_min(seen, w->positions[i] + 1), &w->views[i]);
    }
    w->ops->copy_rows(w->device, w->copies, n, bytes);
}

static void window_step(yoco_worker *w, const step *s, int layer)
{
    const yoco_model_config *c = &w->model->config;
    const yoco_layer *weights = &w->model->layers[layer];
    float *q = yoco_wide(w, YOCO_BUF_WIDE_A, 0), *k = yoco_wide(w, YOCO_BUF_WIDE_A, 1);
    float *v = yoco_wide(w, YOCO_BUF_WIDE_B, 0);
    int head_dim = yoco_config_self_head_dim(c);
    const yoco_projection projections[] = {{weights->q, q}, {weights->k, k}, {weights->v, v}};
    yoco_project_all(w, w->ops->linear_rows, projections, 3, s->n_rows);
    yoco_rotate_window(w, q, k, v, w->buffers[YOCO_BUF_WINDOW_K], w->buffers[YOCO_BUF_WINDOW_V],
                       s->n_rows);
    remember_rows(w, s, layer);
    w->ops->window_step(w->device, &(yoco_window_step_args){.n_queries = s->n_rows,
                                                            .n_heads = c->n_self_heads,
                                                            .head_dim = head_dim,
                                                            .window = c->sliding_window,
                                                            .scale_log2 = yoco_scale_log2(head_dim),
                                                            .q = q,
                                                            .kv_dtype = w->model->dtype,
                                                            .views = w->views,
                                                            .out_dtype = w->model->dtype,
                                                            .out = w->buffers[YOCO_BUF_NORM]});
}

static void retention_step(yoco_worker *w, const step *s, int layer)
{
    const yoco_model_config *c = &w->model->config;
    const yoco_layer *weights = &w->model->layers[layer];
    float *q = yoco_wide(w, YOCO_BUF_WIDE_A, 0), *k = yoco_wide(w, YOCO_BUF_WIDE_A, 1);
    float *v = yoco_wide(w, YOCO_BUF_WIDE_B, 0), *g = yoco_wide(w, YOCO_BUF_WIDE_B, 1);
    float *gate = yoco_f32(w, YOCO_BUF_GATE);
    int head_dim = yoco_config_self_head_dim(c);
    const yoco_projection projections[] = {{weights->q, q},
                                           {weights->k, k},
                                           {weights->v, v},
                                           {weights->g, g},
                                           {weights->gate_decay, gate}};
    yoco_project_all(w, w->ops->linear_rows, projections, 5, s->n_rows);
    yoco_rotate_retention(w, q, k, s->n_rows);
    for (int i = 0; i < s->n_rows; i++)
        w->states[i] = yoco_branch_state(w, s->branches[i], layer);
    w->ops->retention_step(w->device,
                           &(yoco_retention_step_args){.n_rows = s->n_rows,
                                                       .n_heads = c->n_self_heads,
                                                       .head_dim = head_dim,
                                                       .q = q,
                                                       .k = k,
                                                       .v = v,
                                                       .gate = gate,
                                                       .state = w->states,
                                                       .out = yoco_wide(w, YOCO_BUF_WIDE_A, 2)});
    yoco_retention_gate(w, s->n_rows);
}

/* Starts what was recorded so far: the device computes a layer while the host records the next. */
static void start_recorded(yoco_worker *w)
{
    if (w->ops->hold) {
        w->ops->hold(w->device, true);
        w->ops->hold(w->device, false);
    }
}

static void self_layers(yoco_worker *w, const step *s)
{
    for (int layer = 0; layer < w->model->n_self; layer++) {
        const yoco_layer *weights = &w->model->layers[layer];
        yoco_norm_rows(w, weights->mixer_norm, s->n_rows);
        if (yoco_config_is_retention(&w->model->config))
            retention_step(w, s, layer);
        else
            window_step(w, s, layer);
        yoco_add_output(w, w->ops->linear_rows, weights, s->n_rows);
        yoco_feed_forward(w, w->ops->linear_rows, weights, s->n_rows);
        start_recorded(w);
    }
}

static void store_kv(yoco_worker *w, const step *s)
{
    yoco_shared_kv(w, w->ops->linear_rows, w->buffers[YOCO_BUF_PIECE_K],
                   w->buffers[YOCO_BUF_PIECE_V], s->n_rows);
    int64_t n = 0;
    size_t bytes = yoco_kv_row_bytes(w);
    for (int i = 0; i < s->n_rows; i++) {
        char *to[2];
        if (yoco_branch_shared_row(w, s->branches[i], w->branch_n_rows[s->branches[i]]++, to))
            add_copies(w, &n, to, YOCO_BUF_PIECE_K, YOCO_BUF_PIECE_V, i, bytes);
    }
    w->ops->copy_rows(w->device, w->copies, n, bytes);
}

/* Segment 0: the context, for all queries. One more for each row: its branch's own K,V rows. */
static int make_segments(yoco_worker *w, const step *s)
{
    const yoco_plan_input *in = &w->plan.input;
    int64_t partial = 0;
    for (int i = -1; i < s->n_rows; i++) {
        int branch = i < 0 ? -1 : s->branches[i];
        size_t first = i < 0 ? 0 : (size_t)yoco_branch_first_row(w, branch) * yoco_kv_row_bytes(w);
        yoco_kv_segment *segment = &w->segments[i + 1];
        *segment = (yoco_kv_segment){
            .first_query = i < 0 ? 0 : i,
            .n_queries = i < 0 ? s->n_rows : 1,
            .n_rows = i < 0 ? w->plan.shard_rows
                            : yoco_branch_rank_rows(branch, w->branch_n_rows[branch], in->rank,
                                                    in->grid.n_ranks),
            .chunk_rows = i < 0 ? in->grid.chunk_rows : YOCO_BLOCK_ROWS,
            .k = yoco_bytes(w, i < 0 ? YOCO_BUF_SHARD_K : YOCO_BUF_BRANCH_K) + first,
            .v = yoco_bytes(w, i < 0 ? YOCO_BUF_SHARD_V : YOCO_BUF_BRANCH_V) + first,
            .first_partial = partial};
        partial += segment->n_queries * yoco_kv_n_blocks(segment->n_rows, segment->chunk_rows);
    }
    return 1 + s->n_rows;
}

static yoco_status cross_layers(yoco_worker *w, const step *s)
{
    const yoco_model_config *c = &w->model->config;
    int head_dim = yoco_config_head_dim(c);
    float *q = yoco_wide(w, YOCO_BUF_WIDE_A, 0);
    yoco_attend_args args = {.n_queries = s->n_rows,
                             .n_heads = c->n_attn_heads,
                             .n_kv_heads = c->n_attn_kv_heads,
                             .head_dim = head_dim,
                             .scale_log2 = yoco_scale_log2(head_dim),
                             .n_segments = make_segments(w, s),
                             .segments = w->segments,
                             .kv_dtype = w->model->dtype,
                             .q = q,
                             .max = yoco_f32(w, YOCO_BUF_PARTIAL_MAX),
                             .sum = yoco_f32(w, YOCO_BUF_PARTIAL_SUM),
                             .partial = yoco_f32(w, YOCO_BUF_PARTIAL_OUT),
                             .l_exponent = w->model->l_exponent,
                             .o_exponent = w->model->o_exponent,
                             .global_max = yoco_f32(w, YOCO_BUF_GLOBAL_MAX),
                             .bad = &w->bad,
                             .fixed = w->buffers[YOCO_BUF_FIXED],
                             .out_dtype = w->model->dtype,
                             .out = w->buffers[YOCO_BUF_NORM]};
    for (int layer = w->model->n_self; layer < w->model->n_self + w->model->n_cross; layer++) {
        const yoco_layer *weights = &w->model->layers[layer];
        yoco_norm_rows(w, weights->mixer_norm, s->n_rows);
        yoco_project(w, w->ops->linear_rows, weights->q, q, s->n_rows);
        yoco_rotate_cross(w, q, s->n_rows);
        w->ops->attend(w->device, &args);
        YOCO_TRY(yoco_merge(w, &args));
        yoco_add_output(w, w->ops->linear_rows, weights, s->n_rows);
        yoco_feed_forward(w, w->ops->linear_rows, weights, s->n_rows);
        start_recorded(w);
    }
    return YOCO_OK;
}

static void record(yoco_worker *w, bool on)
{
    if (w->ops->record)
        w->ops->record(w->device, on);
}

static yoco_status run_layers(yoco_worker *w, const step *s, const int32_t *ids)
{
    yoco_embed_rows(w, ids, w->positions, s->n_rows);
    self_layers(w, s);
    store_kv(w, s);
    YOCO_TRY(cross_layers(w, s));
    if (w->comm->rank == 0) {
        yoco_norm_rows(w, w->model->final_norm, s->n_rows);
        yoco_project(w, w->ops->linear_rows, w->model->output, yoco_f32(w, YOCO_BUF_LOGITS),
                     s->n_rows);
    }
    return YOCO_OK;
}

yoco_status yoco_worker_step(yoco_worker *w, int n_rows, const int *branches, const int32_t *ids,
                             float *logits)
{
    step s = {.n_rows = n_rows, .branches = branches};
    yoco_trace_mark mark = yoco_trace_begin();
    w->bad = 0;
    w->n_merges = 0;
    for (int i = 0; i < n_rows; i++)
        w->positions[i] = yoco_worker_position(w, branches[i]);
    record(w, true);
    yoco_status status = run_layers(w, &s, ids);
    record(w, false);
    YOCO_TRY(status);
    YOCO_TRY(yoco_settle(w));
    if (w->comm->rank == 0 && logits)
        w->ops->download(w->device, logits, yoco_f32(w, YOCO_BUF_LOGITS),
                         (size_t)n_rows * (size_t)w->model->config.vocab_size * sizeof(float));
    YOCO_TRY(w->ops->synchronize(w->device));
    YOCO_TRY(yoco_merge_check(w));
    yoco_trace_end(mark, YOCO_SPAN_WORK, "step", n_rows, -1);
    return YOCO_OK;
}

static yoco_status check_ids(yoco_worker *w, int n_rows, const int32_t *ids)
{
    YOCO_TRY(w->ops->synchronize(w->device));
    for (int i = 0; i < n_rows; i++) {
        if (ids[i] >= 0)
            continue;
        yoco_log_error(ids[i] == YOCO_ARGMAX_NONE
                           ? "every id of the vocabulary is banned"
                           : "a logit is not finite: are the weights damaged?");
        return YOCO_ERR_DATA;
    }
    return YOCO_OK;
}

yoco_status yoco_worker_likeliest(yoco_worker *w, int first, int n_rows, const int32_t *banned,
                                  int n_banned, int32_t *out)
{
    int vocab_size = w->model->config.vocab_size;
    w->ops->argmax(w->device, &(yoco_argmax_args){.n_rows = n_rows,
                                                  .n = vocab_size,
                                                  .x = yoco_f32(w, YOCO_BUF_LOGITS) +
                                                       (int64_t)first * vocab_size,
                                                  .n_banned = n_banned,
                                                  .banned = banned,
                                                  .out = out});
    return check_ids(w, n_rows, out);
}

yoco_status yoco_worker_draw(yoco_worker *w, int first, const yoco_draw_args *args)
{
    yoco_draw_args own = *args;
    own.n = w->model->config.vocab_size;
    own.x = yoco_f32(w, YOCO_BUF_LOGITS) + (int64_t)first * own.n;
    own.scratch = w->draw_scratch;
    w->ops->draw(w->device, &own);
    return check_ids(w, (int)own.n_rows, own.out);
}
