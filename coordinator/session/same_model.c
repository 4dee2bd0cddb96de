#include "coordinator/session/same_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/cli/machine.h"

_Static_assert(sizeof(yoco_hash) == 2 * sizeof(int64_t), "hashes travel as integers");

static yoco_status compare(yoco_comm *comm, const char *model, const char *what, yoco_hash mine)
{
    yoco_hash first = mine;
    char texts[2][YOCO_HASH_TEXT_BYTES];
    bool is_first, any;
    YOCO_TRY(yoco_broadcast(comm, 0, &first, sizeof first));
    YOCO_TRY(yoco_comm_first(comm, !yoco_hash_equal(mine, first), &is_first, &any));
    if (!any)
        return YOCO_OK;
    yoco_hash_text(mine, texts[0]);
    yoco_hash_text(first, texts[1]);
    if (is_first)
        yoco_log_error("%s: %s not rank 0's (%s here, %s there): copy one model to all machines",
                       model, what, texts[0], texts[1]);
    return YOCO_ERR_DATA;
}

static yoco_status compare_config(yoco_comm *comm, const char *model,
                                  const yoco_checkpoint *checkpoint, yoco_hash config)
{
    char what[64];
    snprintf(what, sizeof what, "its %s is", yoco_model_shape_file(checkpoint->shape));
    return compare(comm, model, what, config);
}

/* Equal marks, equal weights: the same file of the same machine. A rank that cannot tell has a mark
 * of its own. */
static yoco_status mark_files(const yoco_comm *comm, const yoco_hash *files, yoco_hash *mark)
{
    char machine[YOCO_MACHINE_ID_BYTES];
    yoco_hasher *hasher;
    YOCO_TRY(yoco_hasher_create(&hasher));
    if (!yoco_machine_id(machine))
        yoco_hasher_add(hasher, &comm->rank, sizeof comm->rank);
    yoco_hasher_add(hasher, machine, strlen(machine) + 1);
    yoco_hasher_add(hasher, files, sizeof *files);
    *mark = yoco_hasher_finish(hasher);
    return YOCO_OK;
}

/* A hash of each rank, on every rank; `mine` counts where `has` is true, else it is 0. */
static yoco_status gather(yoco_comm *comm, bool has, yoco_hash mine, yoco_hash *all)
{
    memset(all, 0, (size_t)comm->n_ranks * sizeof *all);
    if (has)
        all[comm->rank] = mine;
    return yoco_all_sum_i64(comm, (int64_t *)(void *)all, 2 * (int64_t)comm->n_ranks);
}

/* The first rank that maps the same files as this one. */
static int find_leader(const yoco_comm *comm, const yoco_hash *marks)
{
    int leader = 0;
    while (!yoco_hash_equal(marks[leader], marks[comm->rank]))
        leader++;
    return leader;
}

static yoco_status compare_weights(yoco_comm *comm, const char *model,
                                   const yoco_checkpoint *checkpoint, yoco_hash mark,
                                   yoco_hash *all, yoco_hash *weights, bool *hashed)
{
    yoco_hash mine = {0, 0};
    bool is_first;
    YOCO_TRY(gather(comm, true, mark, all));
    int leader = find_leader(comm, all);
    YOCO_TRY(yoco_comm_first(comm, leader != 0, &is_first, hashed));
    if (!*hashed)
        return YOCO_OK;
    yoco_log_hold();
    yoco_status status = YOCO_OK;
    if (leader == comm->rank)
        status = yoco_checkpoint_hash(checkpoint, &mine);
    YOCO_TRY(yoco_comm_agree_lines(comm, status));
    YOCO_TRY(gather(comm, leader == comm->rank, mine, all));
    *weights = all[leader];
    return compare(comm, model, "its weights are", *weights);
}

yoco_status yoco_same_model(yoco_comm *comm, const char *model, const yoco_checkpoint *checkpoint,
                            yoco_hash tokenizer, yoco_hash *weights, bool *hashed)
{
    yoco_hash config, files, mark, *all = NULL;
    *hashed = false;
    if (comm->n_ranks == 1)
        return YOCO_OK;
    yoco_status status = yoco_checkpoint_ids(checkpoint, &config, &files);
    if (status == YOCO_OK)
        status = mark_files(comm, &files, &mark);
    if (status == YOCO_OK)
        status = yoco_alloc((size_t)comm->n_ranks * sizeof *all, "the hashes of all ranks",
                            (void **)&all);
    status = yoco_agree(comm, status);
    if (status == YOCO_OK)
        status = compare_config(comm, model, checkpoint, config);
    if (status == YOCO_OK)
        status = compare(comm, model, "its tokenizer is", tokenizer);
    if (status == YOCO_OK && all)
        status = compare_weights(comm, model, checkpoint, mark, all, weights, hashed);
    yoco_free(all);
    return status;
}
