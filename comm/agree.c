#include "comm/comm.h"

#include <stdlib.h>

/* FNV-1a; never 0. */
static int64_t line_hash(const char *line)
{
    uint64_t hash = 14695981039346656037u;
    for (; *line; line++)
        hash = (hash ^ (unsigned char)*line) * 1099511628211u;
    return (int64_t)(hash | 1);
}

yoco_status yoco_comm_agree_lines(yoco_comm *comm, yoco_status mine)
{
    char line[YOCO_LOG_LINE_BYTES];
    bool is_held = yoco_log_release(line);
    yoco_status worst = yoco_agree(comm, mine);
    if (worst == YOCO_OK)
        return YOCO_OK;
    int64_t *hashes = calloc((size_t)comm->n_ranks, sizeof *hashes);
    if (yoco_agree(comm, hashes ? YOCO_OK : YOCO_ERR_MEMORY) != YOCO_OK || !hashes) {
        free(hashes);
        return worst;
    }
    if (mine != YOCO_OK && line[0])
        hashes[comm->rank] = line_hash(line);
    yoco_all_sum_i64(comm, hashes, comm->n_ranks);
    int first = 0;
    while (first < comm->rank && hashes[first] != hashes[comm->rank])
        first++;
    if (is_held && first == comm->rank && hashes[first] != 0)
        yoco_log_error("%s", line);
    free(hashes);
    return worst;
}

yoco_status yoco_comm_first(yoco_comm *comm, bool differs, bool *is_first, bool *any)
{
    float place = differs ? (float)(comm->n_ranks - comm->rank) : 0.0f; /* of the first: largest */
    float largest = place;
    YOCO_TRY(yoco_all_max_f32(comm, &largest, 1));
    *any = largest > 0.0f;
    *is_first = differs && place == largest;
    return YOCO_OK;
}
