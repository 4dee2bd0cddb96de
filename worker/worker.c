/* Making a worker: the agreement of the ranks on their arithmetic, the model, and the buffers that
 * the plan lists. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failpoint.h"
#include "machine_limits.h"
#include "worker/layers/layers.h"
#include "worker/past/past.h"
#include "worker/relay.h"
#include "worker/staging.h"

/* The smallest instruction set of all ranks. */
static yoco_status agree_isa(yoco_comm *comm, yoco_isa mine, yoco_isa *out)
{
    float negative = -(float)mine;
    YOCO_TRY(comm->ops->all_max_f32(comm, &negative, 1));
    *out = (yoco_isa)-negative;
    return YOCO_OK;
}

/* Rank 0's class is the job's. */
static yoco_status agree_arithmetic(yoco_worker *w)
{
    char first[sizeof w->arithmetic];
    memcpy(first, w->arithmetic, sizeof first);
    YOCO_TRY(w->comm->ops->broadcast(w->comm, 0, first, sizeof first));
    yoco_status status = YOCO_OK;
    if (memcmp(first, w->arithmetic, sizeof first) != 0) {
        yoco_log_error(
            "this rank would compute with \"%s\", rank 0 with \"%s\": all ranks need the "
            "same libraries and GLIBC_TUNABLES, and processors with FMA or without",
            w->arithmetic, first);
        status = YOCO_ERR_USAGE;
    }
    return w->comm->ops->agree(w->comm, status);
}

static yoco_status open_device(yoco_worker *w, const yoco_device_options *options)
{
    w->device_options = *options;
    YOCO_TRY(agree_isa(w->comm, options->isa, &w->device_options.isa));
    char backend[128];
    w->ops->describe(&w->device_options, backend, sizeof backend);
    snprintf(w->arithmetic, sizeof w->arithmetic, "%s, %s", backend,
             yoco_dtype_name(options->dtype));
    YOCO_TRY(agree_arithmetic(w));
    return w->comm->ops->agree(w->comm, w->ops->open(&w->device_options, &w->device));
}

/* A transport that takes all of the device's memory follows the device's stream. */
static void follow_stream(yoco_worker *w)
{
    bool takes_all = w->comm->device_messages && w->comm->device_collectives;
    w->comm->device_stream = takes_all && w->ops->stream ? w->ops->stream->handle(w->device) : NULL;
}

/* The system takes pages only when they are written: where it has fewer than were allocated it ends
 * the process later, without a line. `sure` is written in any case, `most` by the longest answers.
 * The first rank of a machine speaks for all, whose plans are alike. */
static yoco_status check_memory(yoco_worker *w, const char *what, size_t sure, size_t most)
{
    double gib = 1 << 30, n_ranks = w->comm->node_n_ranks;
    if (!w->ops->host_memory || w->comm->node_rank != 0)
        return YOCO_OK;
    int64_t free_bytes = yoco_memory_available(), group = yoco_group_memory_left("");
    double left = (double)yoco_i64_min(free_bytes, group);
    if (n_ranks * (double)most <= left)
        return YOCO_OK;
    const char *limit = group < free_bytes ? " (a limit of the control group)" : "";
    bool refused = n_ranks * (double)sure > left;
    if (refused)
        yoco_log_error("not enough memory for %s: %.3f GiB are needed on this machine (ranks: "
                       "%.0f), %.3f are left%s: use more machines, fewer tokens or questions, or "
                       "raise the limit (see yoco plan)",
                       what, n_ranks * (double)sure / gib, n_ranks, left / gib, limit);
    else if (!w->warned_of_memory)
        yoco_log_warn("the longest answers would take %.3f GiB on this machine (ranks: %.0f), of "
                      "which %.3f are left%s: the system may end the job without a line",
                      n_ranks * (double)most / gib, n_ranks, left / gib, limit);
    w->warned_of_memory = true;
    return refused ? YOCO_ERR_MEMORY : YOCO_OK;
}

static size_t weight_bytes(const void *data, int64_t n_out, int64_t n_in)
{
    const yoco_worker *w = data;
    return w->ops->weight_bytes(&w->device_options, n_out, n_in);
}

static yoco_plan_input plan_input(const yoco_worker *w, yoco_grid grid)
{
    const yoco_checkpoint *c = w->checkpoint;
    return (yoco_plan_input){.shape = c->shape,
                             .grid = grid,
                             .rank = w->comm->rank,
                             .n_branches = 1,
                             .branch_rows = 1,
                             .dtype = w->device_options.dtype,
                             .weight_bytes = weight_bytes,
                             .weight_data = w,
                             .file_dtype = c->embed_tokens->dtype,
                             .device_bytes = w->ops->own_bytes};
}

/* Before they are loaded; a plan of one token has them all. */
static yoco_status check_weights(yoco_worker *w)
{
    yoco_plan plan;
    const yoco_plan_input input = plan_input(w, (yoco_grid){1, 1, w->comm->n_ranks});
    YOCO_TRY(yoco_plan_make(&input, &plan));
    return check_memory(w, "the weights", plan.weight_bytes, plan.weight_bytes);
}

yoco_status yoco_worker_create(yoco_comm *comm, const yoco_ops *ops,
                               const yoco_device_options *device, const yoco_checkpoint *checkpoint,
                               yoco_worker **out)
{
    yoco_worker *w = calloc(1, sizeof *w);
    if (!w)
        yoco_log_error("cannot allocate a worker");
    yoco_status status = comm->ops->agree(comm, w ? YOCO_OK : YOCO_ERR_MEMORY);
    if (status != YOCO_OK || !w) {
        free(w);
        return status;
    }
    w->comm = comm;
    w->ops = ops;
    w->checkpoint = checkpoint;
    status = open_device(w, device);
    if (status == YOCO_OK) /* all ranks have the same backend: one speaks for them */
        status = comm->ops->agree(
            comm, comm->rank == 0 ? yoco_model_check_ops(ops, checkpoint->shape) : YOCO_OK);
    if (status == YOCO_OK)
        status = comm->ops->agree(comm, check_weights(w));
    if (status == YOCO_OK)
        follow_stream(w);
    if (status == YOCO_OK)
        status = comm->ops->agree(comm, yoco_model_create(ops, w->device, checkpoint, device->dtype,
                                                          comm->rank == 0, &w->model));
    if (status != YOCO_OK) {
        yoco_worker_free(w);
        return status;
    }
    *out = w;
    return YOCO_OK;
}

static void release(yoco_worker *w)
{
    yoco_relay_free(w);
    yoco_buffers_free(w);
    void **const host[] = {
        (void **)&w->pasts,       (void **)&w->stores,        (void **)&w->edge_in,
        (void **)&w->edge_out,    (void **)&w->branch_n_rows, (void **)&w->branch_first_row,
        (void **)&w->positions,   (void **)&w->views,         (void **)&w->states,
        (void **)&w->copies,      (void **)&w->segments,      (void **)&w->flags,
        (void **)&w->draw_scratch};
    for (size_t i = 0; i < sizeof host / sizeof *host; i++) {
        free(*host[i]);
        *host[i] = NULL;
    }
}

void yoco_worker_free(yoco_worker *w)
{
    if (!w)
        return;
    yoco_lock_release(w->snapshot_lock);
    if (w->device) {
        release(w);
        yoco_model_free(w->model);
        w->ops->close(w->device);
    }
    free(w);
}

static yoco_status allocate_host(yoco_worker *w)
{
    const size_t branches = (size_t)w->plan.input.n_branches;
    const size_t pasts = (size_t)w->model->n_pasts, stores = (size_t)w->model->n_stores;
    const size_t n_flags = 2 * (size_t)w->plan.n_merges * YOCO_MERGE_FLAGS;
    const struct {
        void **table;
        size_t n, size;
    } tables[] = {
        {(void **)&w->pasts, pasts, sizeof *w->pasts},
        {(void **)&w->stores, stores, sizeof *w->stores},
        {(void **)&w->edge_in, pasts, sizeof *w->edge_in},
        {(void **)&w->edge_out, pasts, sizeof *w->edge_out},
        {(void **)&w->branch_n_rows, branches, sizeof *w->branch_n_rows},
        {(void **)&w->branch_first_row, branches, sizeof *w->branch_first_row},
        {(void **)&w->positions, (size_t)w->plan.rows, sizeof *w->positions},
        {(void **)&w->views, branches, sizeof *w->views},
        {(void **)&w->states, branches, sizeof *w->states},
        {(void **)&w->copies, 2 * branches, sizeof *w->copies},
        {(void **)&w->segments, 1 + (size_t)w->plan.merge_queries, sizeof *w->segments},
        {(void **)&w->flags, n_flags, sizeof *w->flags},
        {(void **)&w->draw_scratch, w->comm->rank == 0 ? (size_t)w->model->shape->vocab_size : 0,
         YOCO_DRAW_SCRATCH},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        *tables[i].table = calloc(tables[i].n + 1, tables[i].size);
        if (!*tables[i].table) {
            yoco_log_error("cannot allocate the tables of %zu branches", branches);
            return YOCO_ERR_MEMORY;
        }
    }
    return YOCO_OK;
}

/* Where each past and each branch's rows lie. */
static void place(yoco_worker *w)
{
    const yoco_plan_input *in = &w->plan.input;
    yoco_pasts_place(w);
    for (int64_t b = 0, row = 0; b < in->n_branches; b++) {
        w->branch_first_row[b] = row;
        row += yoco_branch_rank_rows((int)b, in->branch_rows, in->rank, in->grid.n_ranks);
    }
}

/* All but what only the rows of answers take. */
static yoco_status check_buffers(yoco_worker *w)
{
    size_t sure = 0, most = 0;
    for (int i = 0; i < YOCO_N_BUFFERS; i++) {
        bool of_branches = i >= YOCO_BUF_BRANCH_K && i <= YOCO_BUF_BRANCH_PAST;
        most += w->plan.buffer_bytes[i];
        sure += of_branches ? 0 : w->plan.buffer_bytes[i];
    }
    return check_memory(w, "the document and its questions", sure, most);
}

/* Rows of other ranks stay where every rank has the memory; a device's is not asked. */
static yoco_status choose_rows(const yoco_worker *w, yoco_plan_input *input)
{
    yoco_plan plan;
    size_t bytes = 0;
    if (!yoco_plan_passes_rows(input) || !w->ops->host_memory)
        return YOCO_OK;
    YOCO_TRY(w->comm->ops->agree(w->comm, yoco_plan_make(input, &plan)));
    for (int i = 0; i < YOCO_N_BUFFERS; i++)
        bytes += plan.buffer_bytes[i];
    double left = (double)yoco_i64_min(yoco_memory_available(), yoco_group_memory_left(""));
    float drops =
        w->comm->node_n_ranks * (double)bytes > left || !yoco_failpoint("worker.keep_rows");
    YOCO_TRY(w->comm->ops->all_max_f32(w->comm, &drops, 1));
    input->drops_rows = drops > 0;
    return YOCO_OK;
}

/* Whether a prefill can run the layer. Windows of others are read where they were last made. */
static bool can_run(const yoco_model *m, int index)
{
    const yoco_layer *layer = &m->layers[index];
    yoco_past_shape pasts[YOCO_MAX_PASTS];
    if (layer->ops->keep || layer->ops->mix)
        return true;
    if (!layer->ops->mix_all || !m->ops->causal)
        return false;
    if (yoco_layer_keeps_rows(yoco_shape_source(m->shape, index)))
        return true;
    for (int i = layer->shape->source + 1; i < index; i++)
        for (int j = yoco_layer_pasts(m->layers[i].shape, pasts); j-- > 0;)
            if (pasts[j].form != YOCO_PAST_ROWS)
                return false;
    return true;
}

yoco_status yoco_worker_run_all_layers(yoco_worker *w)
{
    if (w->comm->n_ranks > 1) {
        yoco_log_error("all layers for all rows run on one rank only: start one");
        return YOCO_ERR_USAGE;
    }
    for (int i = 0; i < w->model->shape->n_layers; i++) {
        if (can_run(w->model, i))
            continue;
        yoco_log_error("layer %d (%s) runs for the last row only on the %s backend: all layers for "
                       "all rows are not supported for this model",
                       i, yoco_layer_kind_name(w->model->shape->layers[i].kind), w->ops->name);
        return YOCO_ERR_USAGE;
    }
    w->runs_all = true;
    return YOCO_OK;
}

static yoco_status reserve(yoco_worker *w, int64_t n_tokens, int64_t chunk_rows, int n_branches,
                           int64_t branch_rows, bool durable)
{
    yoco_plan_input input = plan_input(w, (yoco_grid){n_tokens, chunk_rows, w->comm->n_ranks});
    input.n_branches = n_branches;
    input.branch_rows = branch_rows;
    input.durable = durable;
    input.runs_all = w->runs_all;
    input.stages_rows = !w->ops->host_memory && !w->comm->device_messages;
    release(w);
    YOCO_TRY(choose_rows(w, &input));
    yoco_status status = yoco_plan_make(&input, &w->plan);
    if (status == YOCO_OK)
        status = check_buffers(w);
    if (status == YOCO_OK)
        status = allocate_host(w);
    if (status == YOCO_OK) {
        place(w);
        status = yoco_buffers_alloc(w);
    }
    if (status == YOCO_OK)
        status = yoco_relay_create(w);
    return w->comm->ops->agree(w->comm, status);
}

yoco_status yoco_worker_regroup(yoco_worker *w, yoco_comm *comm)
{
    release(w);
    w->comm = comm;
    follow_stream(w);
    yoco_status status = YOCO_OK;
    if (comm->rank == 0)
        status = yoco_model_add_output(w->model, w->checkpoint);
    return comm->ops->agree(comm, status);
}

yoco_status yoco_worker_reserve(yoco_worker *w, int64_t n_tokens, int64_t chunk_rows,
                                int n_branches, int64_t branch_rows)
{
    return reserve(w, n_tokens, chunk_rows, n_branches, branch_rows, false);
}

yoco_status yoco_worker_reserve_durable(yoco_worker *w, int64_t n_tokens, int64_t chunk_rows,
                                        int n_branches, int64_t branch_rows)
{
    return reserve(w, n_tokens, chunk_rows, n_branches, branch_rows, true);
}

const yoco_plan *yoco_worker_plan(const yoco_worker *w)
{
    return &w->plan;
}

const char *yoco_worker_arithmetic(const yoco_worker *w)
{
    return w->arithmetic;
}

size_t yoco_worker_device_memory(const yoco_worker *w)
{
    return w->ops->memory_in_use(w->device);
}

yoco_dtype yoco_worker_dtype(const yoco_worker *w)
{
    return w->model->dtype;
}
