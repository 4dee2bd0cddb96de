/* A decode step: every rank runs the same rows, one of each branch, through all layers; where a
 * layer attends over rows of all positions, each rank takes its own and the partial results merge
 * exactly. */
#include "trace.h"
#include "worker/layers/layers.h"
#include "worker/staging.h"

static void record(yoco_worker *w, bool on)
{
    if (w->ops->stream)
        w->ops->stream->record(w->device, on);
}

/* Starts what was recorded so far: the device computes a layer while the host records the next. */
static void start_recorded(yoco_worker *w)
{
    if (w->ops->stream) {
        w->ops->stream->hold(w->device, true);
        w->ops->stream->hold(w->device, false);
    }
}

static yoco_status run_layers(yoco_pass *p)
{
    const yoco_model *m = p->w->model;
    for (int i = 0; i < m->shape->n_layers; i++) {
        p->layer = &m->layers[i];
        yoco_norm_rows(p, p->layer->vectors[YOCO_ROLE_MIXER_NORM],
                       p->layer->vectors[YOCO_ROLE_MIXER_NORM_BIAS]);
        YOCO_TRY(p->layer->ops->step(p));
        if (!p->layer->weights[YOCO_ROLE_OUT])
            continue;
        yoco_add_output(p);
        yoco_feed_forward(p);
        yoco_add_embedding(p);
        start_recorded(p->w);
    }
    return YOCO_OK;
}

/* Rank 0. */
static void make_logits(yoco_pass *p)
{
    yoco_worker *w = p->w;
    const yoco_model_shape *m = w->model->shape;
    yoco_norm_rows(p, w->model->final_norm, w->model->final_norm_bias);
    p->linear(w->device, &(yoco_linear_args){.n_rows = p->n_rows,
                                             .weight = w->model->output,
                                             .x = w->buffers[YOCO_BUF_NORM],
                                             .y = yoco_f32(w, YOCO_BUF_LOGITS)});
    if (m->logit_cap > 0)
        w->ops->dense->soft_cap(w->device,
                                &(yoco_soft_cap_args){.n = p->n_rows * m->vocab_size,
                                                      .cap = m->logit_cap,
                                                      .x = yoco_f32(w, YOCO_BUF_LOGITS)});
}

static yoco_status run_rows(yoco_pass *p)
{
    yoco_worker *w = p->w;
    yoco_embed_rows(p);
    yoco_embed_layers(p, w->model->shape->n_layers);
    YOCO_TRY(run_layers(p));
    if (w->comm->rank == 0)
        make_logits(p);
    for (int64_t i = 0; i < p->n_rows; i++)
        w->branch_n_rows[p->branches[i]]++;
    return YOCO_OK;
}

yoco_status yoco_worker_step(yoco_worker *w, int n_rows, const int *branches, const int32_t *ids,
                             float *logits)
{
    yoco_pass p = {.w = w,
                   .linear = w->ops->dense->linear_rows,
                   .n_rows = n_rows,
                   .ids = ids,
                   .chunk = -1,
                   .branches = branches};
    yoco_trace_mark mark = yoco_trace_begin();
    w->bad = 0;
    w->n_merges = 0;
    for (int i = 0; i < n_rows; i++)
        w->positions[i] = yoco_worker_position(w, branches[i]);
    record(w, true);
    yoco_status status = run_rows(&p);
    record(w, false);
    YOCO_TRY(status);
    YOCO_TRY(yoco_settle(w));
    if (w->comm->rank == 0 && logits)
        w->ops->download(w->device, logits, yoco_f32(w, YOCO_BUF_LOGITS),
                         (size_t)n_rows * (size_t)w->model->shape->vocab_size * sizeof(float));
    YOCO_TRY(w->ops->synchronize(w->device));
    YOCO_TRY(yoco_merge_check(w));
    yoco_trace_end(mark, YOCO_SPAN_WORK, "step", n_rows, -1);
    return YOCO_OK;
}
