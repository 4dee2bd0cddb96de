#include "partition/cost.h"

enum { MIN_CHUNK = 256, MAX_CHUNK = 8192 };

static const char *const limit_texts[YOCO_N_LIMITS] = {
    [YOCO_LIMIT_COMPUTE] = "compute",
    [YOCO_LIMIT_FEW_CHUNKS] = "too few chunks",
    [YOCO_LIMIT_CHAIN] = "edge chain",
    [YOCO_LIMIT_ROWS] = "rows round the ring",
    [YOCO_LIMIT_LAST_EDGES] = "broadcast of the last edges",
    [YOCO_LIMIT_WEIGHTS] = "repeated part of the step",
    [YOCO_LIMIT_ATTENTION] = "attention",
    [YOCO_LIMIT_MERGE] = "merge latency",
};

const char *yoco_limit_text(yoco_limit limit)
{
    return limit_texts[limit];
}

/* Messages. */

/* Between ranks that are `distance` apart: worst case of the ring and of a reduction's step. */
static double message_s(const yoco_cost_input *in, double bytes, int64_t distance)
{
    const yoco_hardware *h = in->hardware;
    if (distance < h->node.n_devices)
        return h->node.latency_s + bytes / h->node.byte_s;
    bool same_leaf = distance < (int64_t)h->node.n_devices * h->network.leaf_nodes;
    return h->network.latency_s + (same_leaf ? 0 : h->network.hop_s) +
           bytes / h->network.port_byte_s;
}

static int log2_up(int n)
{
    int log2 = 0;
    while ((INT64_C(1) << log2) < n)
        log2++;
    return log2;
}

/* Recursive doubling; ranks beyond a power of two hand in their part before and get it after. */
static double all_reduce_s(const yoco_cost_input *in, double bytes)
{
    int n_ranks = in->grid.n_ranks, n_steps = log2_up(n_ranks + 1) - 1;
    double seconds = (n_ranks & (n_ranks - 1)) != 0 ? 2 * message_s(in, bytes, 1) : 0;
    for (int i = 0; i < n_steps; i++)
        seconds += message_s(in, bytes, INT64_C(1) << i);
    return seconds;
}

/* Scatter and all-gather: halves, quarters, ... out and back. The root is any rank, and ranks count
 * from there, so among several nodes some pair of every step is in two of them. */
static double broadcast_s(const yoco_cost_input *in, double bytes)
{
    int n_ranks = in->grid.n_ranks, n_devices = in->hardware->node.n_devices;
    int64_t least = n_ranks > n_devices ? n_devices : 0;
    double seconds = 0, part = bytes / n_ranks;
    for (int i = 0; i < log2_up(n_ranks); i++, part *= 2)
        seconds += 2 * message_s(in, part, yoco_i64_max(INT64_C(1) << i, least));
    return seconds;
}

/* Prefill. */

/* To the next rank: in its node, or, once for each node, out of it. */
static double near_message_s(const yoco_cost_input *in, double bytes)
{
    return message_s(in, bytes, 0);
}

static double far_message_s(const yoco_cost_input *in, double bytes)
{
    int n_devices = in->hardware->node.n_devices;
    return message_s(in, bytes, in->grid.n_ranks > n_devices ? n_devices : 0);
}

static double mean_message_s(const yoco_cost_input *in, double bytes)
{
    double near = near_message_s(in, bytes), far = far_message_s(in, bytes);
    return near + (far - near) / in->hardware->node.n_devices;
}

/* The slowest past's; where some need the edge before them, of those. */
static double hop_s(const yoco_cost_input *in, const yoco_cost_account *a, bool *is_chained)
{
    double hop = 0;
    *is_chained = false;
    for (int i = 0; i < a->n_edges; i++) {
        const yoco_cost_edge *edge = &a->edges[i];
        double one = edge->pass_s + mean_message_s(in, edge->bytes);
        if (edge->is_chained < *is_chained)
            continue;
        hop = edge->is_chained > *is_chained || one > hop ? one : hop;
        *is_chained = edge->is_chained;
    }
    return hop;
}

/* Edges that need no other are late by at most one stall for each past, as a delay moves on one
 * rank per layer. */
static double stalls_s(const yoco_cost_input *in, const yoco_cost_account *a)
{
    int64_t n_chunks = yoco_grid_n_chunks(&in->grid);
    int64_t hops = yoco_i64_min(a->n_edges, yoco_i64_min(n_chunks, in->grid.n_ranks) - 1);
    int64_t far_hops = yoco_div_up(hops, in->hardware->node.n_devices);
    double seconds = 0;
    for (int i = 0; i < hops; i++) {
        const yoco_cost_edge *edge = &a->edges[i];
        double late =
            (i < far_hops ? far_message_s(in, edge->bytes) : near_message_s(in, edge->bytes)) -
            (edge->take_s - edge->give_s);
        seconds += late > 0 ? late : 0;
    }
    return seconds;
}

/* What the edges add to the computing of the busiest rank. Edges that need each other form a chain
 * over all chunks: the ranks of the first round start one hop after another, and a round lasts at
 * least one hop for each rank. */
static double chain_s(const yoco_cost_input *in, const yoco_cost *cost, const yoco_cost_account *a,
                      bool is_chained)
{
    int64_t n_chunks = yoco_grid_n_chunks(&in->grid);
    if (n_chunks == 1)
        return 0;
    if (!is_chained)
        return stalls_s(in, a);
    int64_t rounds = yoco_div_up(n_chunks, in->grid.n_ranks);
    double busiest = cost->compute_s + cost->uneven_s;
    double skewed =
        busiest + cost->hop_s * (double)(n_chunks - 1 - (rounds - 1) * in->grid.n_ranks);
    double last_s = a->chunk_s + a->earlier_s * (double)(n_chunks - 1);
    double chained = last_s + cost->hop_s * (double)(n_chunks - 1);
    return (skewed > chained ? skewed : chained) - busiest;
}

/* What rows before them add to a rank's chunks; to a short one its part. */
static double earlier_s(const yoco_cost_input *in, const yoco_cost_account *a, int rank)
{
    const yoco_grid *grid = &in->grid;
    double chunk_rows = (double)yoco_i64_min(grid->chunk_rows, grid->n_tokens), n_earlier = 0;
    if (!(a->earlier_s > 0))
        return 0;
    for (int64_t chunk = rank; chunk < yoco_grid_n_chunks(grid); chunk += grid->n_ranks)
        n_earlier += (double)chunk * (double)yoco_grid_chunk_rows(grid, chunk) / chunk_rows;
    return a->earlier_s * n_earlier;
}

/* All chunks of a rank. */
static double rank_s(const yoco_cost_input *in, const yoco_cost_account *a, int rank)
{
    double rows = (double)yoco_i64_min(in->grid.chunk_rows, in->grid.n_tokens);
    return a->chunk_s / rows * (double)yoco_grid_rank_rows(&in->grid, rank) +
           earlier_s(in, a, rank);
}

/* Rows of a chunk to the next rank, K and V at once: within a node they share a device's link, out
 * of it each has a port. */
static double far_rows_s(const yoco_cost_input *in, double bytes)
{
    int n_devices = in->hardware->node.n_devices;
    return in->grid.n_ranks > n_devices ? message_s(in, bytes / 2, n_devices)
                                        : near_message_s(in, bytes);
}

/* Waiting of a rank for rows. Each layer of its first chunk begins with rows that are not there
 * yet, and the ranks of the round get them one after the other. Later ones are under way, two
 * chunks at a time, while those before are attended to: only what takes longer than that counts. */
static double wait_for_rows_s(const yoco_cost_input *in, const yoco_cost_account *a, int rank)
{
    const yoco_grid *grid = &in->grid;
    if (a->n_row_layers == 0 || rank == 0)
        return 0;
    double bytes = a->row_bytes / a->n_row_layers, n_runs = 0;
    double near = near_message_s(in, bytes), far = far_rows_s(in, bytes);
    double hop = near + (far - near) / in->hardware->node.n_devices;
    double late = (far > near ? far : near) / 2 - a->earlier_s / a->n_row_layers;
    for (int64_t chunk = rank; chunk < yoco_grid_n_chunks(grid); chunk += grid->n_ranks)
        n_runs += (double)yoco_i64_min(chunk, grid->n_ranks - 1);
    return hop * (rank + a->n_row_layers - 1) + (late > 0 ? late * n_runs * a->n_row_layers : 0);
}

static yoco_limit largest(const double *seconds, const yoco_limit *limits, int n)
{
    int at = 0;
    for (int i = 1; i < n; i++)
        at = seconds[i] > seconds[at] ? i : at;
    return limits[at];
}

static void make_prefill(const yoco_cost_input *in, const yoco_cost_account *a, yoco_cost *cost)
{
    const yoco_grid *grid = &in->grid;
    int64_t rows = yoco_i64_min(grid->chunk_rows, grid->n_tokens);
    double per_row = a->chunk_s / (double)rows, all_s = 0;
    int busiest = 0;
    bool is_chained;
    for (int rank = 0; rank < grid->n_ranks && a->earlier_s > 0; rank++)
        all_s += earlier_s(in, a, rank);
    for (int rank = 1; rank < grid->n_ranks; rank++)
        busiest = rank_s(in, a, rank) > rank_s(in, a, busiest) ? rank : busiest;
    cost->chunk_s = a->chunk_s;
    cost->hop_s = hop_s(in, a, &is_chained);
    cost->compute_s = (per_row * (double)grid->n_tokens + all_s) / grid->n_ranks;
    cost->uneven_s = rank_s(in, a, busiest) - cost->compute_s;
    cost->chain_s = chain_s(in, cost, a, is_chained);
    cost->rows_s = wait_for_rows_s(in, a, busiest);
    for (int i = 0; i < a->n_edges; i++)
        cost->last_edges_s += broadcast_s(in, a->edges[i].bytes);
    cost->prefill_s =
        cost->compute_s + cost->uneven_s + cost->chain_s + cost->rows_s + cost->last_edges_s;
    cost->prefill_limit =
        largest((double[]){cost->compute_s, cost->uneven_s, cost->chain_s, cost->rows_s,
                           cost->last_edges_s},
                (yoco_limit[]){YOCO_LIMIT_COMPUTE, YOCO_LIMIT_FEW_CHUNKS, YOCO_LIMIT_CHAIN,
                               YOCO_LIMIT_ROWS, YOCO_LIMIT_LAST_EDGES},
                5);
}

/* Decode. A reduction's time is a constant and a part for each byte, so that of the mean one is the
 * mean. */
static void make_step(const yoco_cost_input *in, const yoco_cost_account *a, yoco_cost *cost)
{
    cost->repeated_s = a->repeated_s;
    cost->attention_s = a->attention_s;
    cost->merge_s = a->merge_s;
    if (a->n_reductions > 0)
        cost->merge_s += a->n_reductions * all_reduce_s(in, a->reduction_bytes / a->n_reductions);
    cost->step_s = cost->repeated_s + cost->attention_s + cost->merge_s;
    cost->step_limit =
        largest((double[]){cost->repeated_s, cost->attention_s, cost->merge_s},
                (yoco_limit[]){YOCO_LIMIT_WEIGHTS, YOCO_LIMIT_ATTENTION, YOCO_LIMIT_MERGE}, 3);
}

/* Memory, from the plan. */

static size_t matrix_bytes(const void *data, int64_t n_out, int64_t n_in)
{
    const yoco_cost_input *in = data;
    return (size_t)n_out * (size_t)n_in * yoco_dtype_bytes(in->dtype);
}

yoco_status yoco_cost_make(const yoco_cost_input *input, yoco_cost *out)
{
    yoco_plan plan;
    yoco_plan_input plan_input = {.shape = input->shape,
                                  .grid = input->grid,
                                  .n_branches = input->n_branches,
                                  .branch_rows = input->branch_rows,
                                  .dtype = input->dtype,
                                  .weight_bytes = matrix_bytes,
                                  .weight_data = input,
                                  .file_dtype = input->dtype};
    yoco_cost cost = {0};
    yoco_cost_account account;
    YOCO_TRY(yoco_plan_make(&plan_input, &plan));
    cost.memory_bytes = plan.total_bytes;
    cost.fits = plan.total_bytes <= (size_t)input->hardware->device.memory_bytes;
    YOCO_TRY(input->measure(input, &account));
    make_prefill(input, &account, &cost);
    make_step(input, &account, &cost);
    yoco_free(account.edges);
    *out = cost;
    return YOCO_OK;
}

yoco_status yoco_cost_best_chunk(const yoco_cost_input *input, int64_t *chunk_rows, yoco_cost *cost)
{
    yoco_cost_input in = *input;
    *chunk_rows = 0;
    for (int64_t rows = MIN_CHUNK; rows <= MAX_CHUNK; rows *= 2) {
        yoco_cost one;
        in.grid.chunk_rows = rows;
        YOCO_TRY(yoco_cost_make(&in, &one));
        if (*chunk_rows == 0 || one.prefill_s < cost->prefill_s) {
            *chunk_rows = rows;
            *cost = one;
        }
    }
    return YOCO_OK;
}

yoco_status yoco_cost_recommend(const yoco_cost_input *input, double target_s, yoco_grid *grid,
                                yoco_cost *cost)
{
    static const double LEAST_EFFICIENCY = 0.5;
    yoco_cost_input in = *input;
    double rank_seconds = 0;
    bool found = false;
    for (int n_ranks = 1; n_ranks <= YOCO_COST_MAX_RANKS; n_ranks *= 2) {
        yoco_cost one;
        in.grid.n_ranks = n_ranks;
        YOCO_TRY(yoco_cost_best_chunk(&in, &in.grid.chunk_rows, &one));
        if (!one.fits)
            continue;
        if (rank_seconds == 0)
            rank_seconds = n_ranks * one.prefill_s;
        bool good = target_s > 0 ? one.prefill_s <= target_s
                                 : rank_seconds >= LEAST_EFFICIENCY * n_ranks * one.prefill_s;
        if (!good)
            continue;
        found = true;
        *grid = in.grid;
        *cost = one;
        if (target_s > 0)
            break;
    }
    return found ? YOCO_OK : YOCO_ERR_DATA;
}
