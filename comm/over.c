#include "comm/over.h"

#include <string.h>

yoco_over yoco_over_make(const yoco_comm_ops *ops, yoco_comm *control, void (*progress)(void *),
                         void *data)
{
    yoco_over over = {.base = *control, .control = control};
    over.base.ops = ops;
    over.base.idle = NULL;
    control->idle = progress;
    control->idle_data = data;
    return over;
}

yoco_status yoco_over_gather(yoco_comm *control, const int64_t *mine, int64_t n, int64_t *all)
{
    memset(all, 0, (size_t)n * (size_t)control->n_ranks * sizeof *all);
    memcpy(all + n * control->rank, mine, (size_t)n * sizeof *all);
    return yoco_all_sum_i64(control, all, n * control->n_ranks);
}

static yoco_comm *control_of(yoco_comm *comm)
{
    return ((yoco_over *)comm)->control;
}

void yoco_over_abort(yoco_comm *comm, int exit_code)
{
    yoco_comm_abort(control_of(comm), exit_code);
}

yoco_status yoco_over_drain(yoco_comm *comm)
{
    return yoco_comm_drain(control_of(comm));
}

yoco_status yoco_over_all_max_f32(yoco_comm *comm, float *data, int64_t n)
{
    return yoco_all_max_f32(control_of(comm), data, n);
}

yoco_status yoco_over_all_sum_i64(yoco_comm *comm, int64_t *data, int64_t n)
{
    return yoco_all_sum_i64(control_of(comm), data, n);
}

yoco_status yoco_over_broadcast(yoco_comm *comm, int root, void *data, size_t bytes)
{
    return yoco_broadcast(control_of(comm), root, data, bytes);
}

yoco_status yoco_over_agree(yoco_comm *comm, yoco_status mine)
{
    return yoco_agree(control_of(comm), mine);
}
