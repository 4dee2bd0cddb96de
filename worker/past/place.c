/* Where each past lies in the plan's buffers: in the order of the layers, one after the other, as
 * the plan sums them. */
#include "worker/past/past.h"

static void place_store(yoco_worker *w, int layer, const yoco_past_shape *shape, yoco_store *store,
                        yoco_store *next)
{
    *store = *next;
    store->layer = layer;
    next->index++;
    for (int part = 0; part < YOCO_PAST_PARTS; part++) {
        size_t bytes = yoco_past_row_bytes(shape, part, w->model->dtype);
        store->row_bytes[part] = bytes;
        next->shard_at[part] += (size_t)w->plan.shard_rows * bytes;
        next->branch_at[part] += (size_t)w->plan.branch_shard_rows * bytes;
        if (yoco_shape_passes_rows(w->model->shape, layer) && !w->plan.input.drops_rows)
            next->passed_at[part] += (size_t)yoco_plan_passed_rows(&w->plan.input) * bytes;
    }
}

static void place_edge(yoco_worker *w, int layer, const yoco_past_shape *shape, yoco_past *past,
                       yoco_past *next)
{
    const yoco_plan_input *in = &w->plan.input;
    *past = *next;
    past->shape = *shape;
    past->ops = shape->form == YOCO_PAST_STATE ? &yoco_state_past : &yoco_window_past;
    past->layer = layer;
    past->slot_bytes = yoco_plan_slot_bytes(in, shape);
    next->index++;
    next->slot_at += past->slot_bytes;
    next->branch_at += yoco_plan_branch_bytes(in, shape);
}

void yoco_pasts_place(yoco_worker *w)
{
    const yoco_model_shape *m = w->model->shape;
    yoco_past next = {.index = 0};
    yoco_store next_store = {.layer = 0};
    int n_stores = 0;
    for (int layer = 0; layer < m->n_layers; layer++) {
        yoco_past_shape shapes[YOCO_MAX_PASTS];
        int n = yoco_layer_pasts(&m->layers[layer], shapes);
        size_t work = 0;
        for (int i = 0; i < n; i++) {
            if (shapes[i].form == YOCO_PAST_ROWS) {
                place_store(w, layer, &shapes[i], &w->stores[n_stores++], &next_store);
                continue;
            }
            yoco_past *past = &w->pasts[next.index];
            place_edge(w, layer, &shapes[i], past, &next);
            size_t end = work + yoco_plan_past_work(&w->plan, &shapes[i], past->work_at);
            for (int part = 0; part < YOCO_PAST_PARTS; part++)
                past->work_at[part] += work;
            work = end;
        }
    }
}

void yoco_past_copy_rows(yoco_worker *w, int64_t n, const size_t row_bytes[YOCO_PAST_PARTS])
{
    bool equal = row_bytes[0] == row_bytes[1];
    w->ops->copy_rows(w->device, w->copies, equal ? 2 * n : n, row_bytes[0]);
    if (!equal)
        w->ops->copy_rows(w->device, w->copies + n, n, row_bytes[1]);
}

const yoco_past *yoco_past_of(const yoco_pass *p, int i)
{
    return &p->w->pasts[p->layer->first_past + i];
}

char *yoco_past_context_edge(const yoco_worker *w, const yoco_past *past)
{
    return yoco_bytes(w, YOCO_BUF_CONTEXT_EDGE) + past->slot_at;
}

char *yoco_past_branch(const yoco_worker *w, const yoco_past *past, int branch)
{
    return yoco_bytes(w, YOCO_BUF_BRANCH_PAST) + (size_t)branch * w->plan.branch_past_bytes +
           past->branch_at;
}

char *yoco_past_work(const yoco_worker *w, const yoco_past *past, int part)
{
    return yoco_bytes(w, YOCO_BUF_PAST) + past->work_at[part];
}

size_t yoco_past_bytes_before(const yoco_worker *w, const yoco_past *past, int64_t position)
{
    return yoco_past_edge_bytes(&past->shape, position, w->model->dtype);
}
