#include "coordinator/ask/failure.h"

#include <stdio.h>

bool yoco_failure_is_own(yoco_status status)
{
    return status == YOCO_ERR_DATA || status == YOCO_ERR_OPEN || status == YOCO_ERR_IO ||
           status == YOCO_ERR_MEMORY;
}

yoco_status yoco_failure_share(yoco_comm *comm, yoco_status status, const char *mine,
                               char reason[YOCO_FAILURE_BYTES])
{
    float place = mine[0] ? (float)(comm->n_ranks - comm->rank) : 0.0f; /* the first has the most */
    snprintf(reason, YOCO_FAILURE_BYTES, "%s", mine[0] ? mine : yoco_status_text(status));
    YOCO_TRY(comm->ops->all_max_f32(comm, &place, 1));
    if (place == 0.0f)
        return YOCO_OK;
    return comm->ops->broadcast(comm, comm->n_ranks - (int)place, reason, YOCO_FAILURE_BYTES);
}

yoco_status yoco_failure_worse(yoco_status a, yoco_status b)
{
    return a > b ? a : b;
}
