#include "worker/tally.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "kernels/tally/tally.h"
#include "worker/past/past.h"

/* The seconds so far of what was run, by part. */
typedef struct counter {
    const yoco_hardware *hardware;
    double seconds[YOCO_N_TALLY_PARTS];
} counter;

static void count_work(void *data, yoco_tally_part part, yoco_work work)
{
    counter *c = data;
    c->seconds[part] += yoco_work_s(c->hardware, work);
}

static void count_host_copy(void *data, yoco_tally_part part, size_t bytes)
{
    counter *c = data;
    c->seconds[part] += yoco_host_copy_s(c->hardware, bytes);
}

static void settle(void *data)
{
    (void)data;
}

/* Reads as zeros and takes no memory; the same for all buffers, and for the weights. */
static void *address(void *data, size_t bytes)
{
    static const size_t ZERO_BYTES = (size_t)1 << 40;
    static void *zeros;
    (void)data;
    if (!zeros) {
        void *at =
            mmap(NULL, ZERO_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        zeros = at == MAP_FAILED ? NULL : at;
    }
    return bytes <= ZERO_BYTES ? zeros : NULL;
}

/* Ranks that are not there: nothing moves, reductions are counted. */
typedef struct counted_comm {
    yoco_comm comm;
    yoco_cost_account *account;
} counted_comm;

static yoco_status reduce(yoco_comm *comm, int64_t n, size_t element)
{
    yoco_cost_account *account = ((counted_comm *)(void *)comm)->account;
    account->n_reductions++;
    account->reduction_bytes += (double)n * (double)element;
    return YOCO_OK;
}

static yoco_status all_max(yoco_comm *comm, float *data, int64_t n)
{
    (void)data;
    return reduce(comm, n, sizeof *data);
}

static yoco_status all_sum(yoco_comm *comm, int64_t *data, int64_t n)
{
    (void)data;
    return reduce(comm, n, sizeof *data);
}

static yoco_status broadcast(yoco_comm *comm, int root, void *data, size_t bytes)
{
    (void)comm;
    (void)root;
    (void)data;
    (void)bytes;
    return YOCO_OK;
}

static yoco_status agree(yoco_comm *comm, yoco_status mine)
{
    (void)comm;
    return mine;
}

/* What a worker does that runs neither the ring nor a gather. */
static const yoco_comm_ops counted_ops = {.name = "counted",
                                          .all_max_f32 = all_max,
                                          .all_sum_i64 = all_sum,
                                          .broadcast = broadcast,
                                          .agree = agree};

/* A chunk in the middle of a context, its edges timed instead of sent. */
typedef struct counted_chunk {
    yoco_pass pass;
    const counter *count;
    yoco_cost_edge *edges;
} counted_chunk;

static yoco_status take(yoco_pass *p, const yoco_past *past)
{
    const counted_chunk *c = (const counted_chunk *)(const void *)p;
    yoco_cost_edge *edge = &c->edges[past->index];
    const double *now = &c->count->seconds[YOCO_TALLY_REPEATED];
    edge->take_s = *now;
    past->ops->load(p, past, yoco_bytes(p->w, YOCO_BUF_EDGE_IN) + past->slot_at);
    edge->pass_s = *now - edge->take_s;
    edge->is_chained = edge->give_s == 0;
    return YOCO_OK;
}

static yoco_status give(yoco_pass *p, const yoco_past *past)
{
    const counted_chunk *c = (const counted_chunk *)(const void *)p;
    yoco_cost_edge *edge = &c->edges[past->index];
    past->ops->save(p, past, yoco_bytes(p->w, YOCO_BUF_EDGE_OUT) + past->slot_at);
    edge->give_s = c->count->seconds[YOCO_TALLY_REPEATED];
    if (edge->is_chained)
        edge->pass_s = edge->give_s - edge->take_s;
    return YOCO_OK;
}

/* The seconds of one chunk. */
static yoco_status run_chunk(yoco_worker *w, counter *count, int64_t rows, int64_t chunk,
                             yoco_cost_edge *edges, double *seconds)
{
    static const yoco_edge_port port = {
        .take = take, .give = give, .gives_first = true, .waits = true};
    counted_chunk c = {.pass = {.w = w,
                                .linear = w->ops->dense->linear_slabs,
                                .port = &port,
                                .n_rows = rows,
                                .position = chunk * rows,
                                .chunk = chunk},
                       .count = count,
                       .edges = edges};
    count->seconds[YOCO_TALLY_REPEATED] = 0;
    YOCO_TRY(yoco_piece_run(&c.pass));
    *seconds = count->seconds[YOCO_TALLY_REPEATED];
    return YOCO_OK;
}

static void find_row_layers(const yoco_worker *w, int64_t rows, yoco_cost_account *account)
{
    for (int i = 0; i < w->model->n_stores; i++) {
        const yoco_store *store = &w->stores[i];
        if (!yoco_shape_passes_rows(w->model->shape, store->layer))
            continue;
        account->n_row_layers++;
        account->row_bytes += (double)rows * (double)(store->row_bytes[0] + store->row_bytes[1]);
    }
}

static yoco_status count_chunk(yoco_worker *w, const yoco_cost_input *in, counter *count,
                               yoco_cost_account *account)
{
    int64_t rows = yoco_i64_min(in->grid.chunk_rows, in->grid.n_tokens);
    /* The first one behind which every window is full. */
    int64_t chunk = yoco_i64_max(1, yoco_div_up(yoco_shape_longest_window(in->shape), rows));
    double later_s = 0;
    YOCO_TRY(yoco_worker_reserve(w, (chunk + 2) * rows, rows, 1, 1));
    find_row_layers(w, rows, account);
    account->n_edges = w->model->n_pasts;
    size_t bytes = ((size_t)account->n_edges + 1) * sizeof *account->edges;
    YOCO_TRY(yoco_alloc(bytes, "the edges of a chunk", (void **)&account->edges));
    if (account->n_row_layers > 0)
        YOCO_TRY(run_chunk(w, count, rows, chunk + 1, account->edges, &later_s));
    for (int i = 0; i < account->n_edges; i++)
        account->edges[i] = (yoco_cost_edge){
            .bytes = (double)yoco_past_bytes_before(w, &w->pasts[i], in->grid.n_tokens)};
    YOCO_TRY(run_chunk(w, count, rows, chunk, account->edges, &account->chunk_s));
    if (account->n_row_layers > 0) {
        account->earlier_s = later_s - account->chunk_s;
        account->chunk_s -= account->earlier_s * (double)chunk;
    }
    return YOCO_OK;
}

/* On the rank with the most rows, as one of n_ranks. */
static yoco_status count_step(yoco_worker *w, const yoco_cost_input *in, counter *count,
                              yoco_cost_account *account)
{
    int32_t *ids = calloc((size_t)in->n_branches, sizeof *ids);
    int *branches = calloc((size_t)in->n_branches, sizeof *branches);
    yoco_status status = YOCO_ERR_MEMORY;
    w->comm->n_ranks = in->grid.n_ranks;
    if (ids && branches) {
        for (int i = 0; i < in->n_branches; i++)
            branches[i] = i;
        status = yoco_worker_reserve(w, in->grid.n_tokens, in->grid.chunk_rows, in->n_branches,
                                     in->branch_rows);
    } else {
        yoco_log_error("cannot allocate the rows of a step");
    }
    for (int part = 0; part < YOCO_N_TALLY_PARTS; part++)
        count->seconds[part] = 0;
    account->n_reductions = 0;
    account->reduction_bytes = 0;
    if (status == YOCO_OK)
        status = yoco_worker_step(w, in->n_branches, branches, ids, address(NULL, 1));
    account->repeated_s = count->seconds[YOCO_TALLY_REPEATED];
    account->attention_s = count->seconds[YOCO_TALLY_ATTENTION];
    account->merge_s = count->seconds[YOCO_TALLY_MERGE];
    free(ids);
    free(branches);
    return status;
}

yoco_status yoco_worker_tally(const yoco_cost_input *in, yoco_cost_account *out)
{
    counter count = {.hardware = in->hardware};
    yoco_cost_account account = {.edges = NULL};
    const yoco_tally tally = {.context = &count,
                              .work = count_work,
                              .host_copy = count_host_copy,
                              .settle = settle,
                              .address = address};
    /* It is not the first rank of its machine: that one would look for memory. */
    counted_comm comm = {.comm = {.ops = &counted_ops, .n_ranks = 1, .node_rank = 1},
                         .account = &account};
    const yoco_device_options device = {.n_threads = 1, .dtype = in->dtype};
    yoco_checkpoint *checkpoint;
    yoco_worker *worker = NULL;
    yoco_tally_begin(&tally);
    YOCO_TRY(yoco_checkpoint_borrow(in->shape, in->dtype, address(NULL, 1), &checkpoint));
    yoco_status status =
        yoco_worker_create(&comm.comm, &yoco_tally_ops, &device, checkpoint, &worker);
    if (status == YOCO_OK)
        status = count_chunk(worker, in, &count, &account);
    if (status == YOCO_OK)
        status = count_step(worker, in, &count, &account);
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
    if (status != YOCO_OK) {
        yoco_free(account.edges);
        return status;
    }
    *out = account;
    return YOCO_OK;
}
