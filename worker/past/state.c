/* A state: its edge is a copy of it, and so is a branch's. */
#include "worker/past/past.h"

static size_t bytes_of(const yoco_past *past)
{
    return yoco_past_state_bytes(&past->shape);
}

float *yoco_state_branch(const yoco_worker *w, const yoco_past *past, int branch)
{
    return (float *)(void *)yoco_past_branch(w, past, branch);
}

static void clear(yoco_worker *w, const yoco_past *past)
{
    w->ops->zero(w->device, yoco_past_work(w, past, 0), bytes_of(past));
}

static void load(yoco_pass *p, const yoco_past *past, const char *edge)
{
    p->w->ops->copy(p->w->device, yoco_past_work(p->w, past, 0), edge, bytes_of(past));
}

static void save(yoco_pass *p, const yoco_past *past, char *edge)
{
    p->w->ops->copy(p->w->device, edge, yoco_past_work(p->w, past, 0), bytes_of(past));
}

static void branch_begin(yoco_worker *w, const yoco_past *past, int branch)
{
    w->ops->copy(w->device, yoco_past_branch(w, past, branch), yoco_past_context_edge(w, past),
                 bytes_of(past));
}

static void branch_load(yoco_pass *p, const yoco_past *past)
{
    load(p, past, yoco_past_branch(p->w, past, p->branch));
}

static void branch_save(yoco_pass *p, const yoco_past *past)
{
    save(p, past, yoco_past_branch(p->w, past, p->branch));
}

const yoco_past_ops yoco_state_past = {.clear = clear,
                                       .load = load,
                                       .save = save,
                                       .branch_begin = branch_begin,
                                       .branch_load = branch_load,
                                       .branch_save = branch_save};
