#include "partition/cost.h"

#include "partition/op_work.h"

enum { F32 = 4, I64 = 8, MIN_CHUNK = 256, MAX_CHUNK = 8192 };

static const char *const limit_texts[YOCO_N_LIMITS] = {
    [YOCO_LIMIT_COMPUTE] = "compute",
    [YOCO_LIMIT_FEW_CHUNKS] = "too few chunks",
    [YOCO_LIMIT_CHAIN] = "edge chain",
    [YOCO_LIMIT_LAST_EDGES] = "broadcast of the last edges",
    [YOCO_LIMIT_WEIGHTS] = "repeated part of the step",
    [YOCO_LIMIT_ATTENTION] = "attention",
    [YOCO_LIMIT_MERGE] = "merge latency",
};

const char *yoco_limit_text(yoco_limit limit)
{
    return limit_texts[limit];
}

/* Ops. */

static double pointwise_s(const yoco_cost_input *in, double bytes)
{
    return yoco_work_s(in->hardware, yoco_work_pointwise(bytes));
}

static double linear_s(const yoco_cost_input *in, yoco_work_kind kind, int64_t rows, int64_t n_out,
                       int64_t n_in, bool accumulate)
{
    return yoco_work_s(in->hardware, yoco_work_linear(kind, rows, n_out, n_in,
                                                      yoco_dtype_bytes(in->dtype), accumulate));
}

/* rows x width values of f32 in, of the run's dtype out: norm, rotation, cast. */
static double convert_s(const yoco_cost_input *in, int64_t rows, int64_t width)
{
    return pointwise_s(in, (double)(rows * width) * (F32 + (double)yoco_dtype_bytes(in->dtype)));
}

/* The same, f32 out. */
static double in_place_s(const yoco_cost_input *in, int64_t rows, int64_t width)
{
    return pointwise_s(in, 2.0 * F32 * (double)(rows * width));
}

static double swiglu_s(const yoco_cost_input *in, int64_t rows, int64_t width)
{
    double bytes = 2 * F32 + (double)yoco_dtype_bytes(in->dtype);
    return pointwise_s(in, (double)(rows * width) * bytes);
}

static double host_copy_s(const yoco_cost_input *in, double bytes)
{
    return in->hardware->device.host_s + bytes / in->hardware->device.host_byte_s;
}

/* Output projection and feed-forward part of a layer. */
static double layer_end_s(const yoco_cost_input *in, yoco_work_kind kind, int64_t rows)
{
    const yoco_model_config *c = &in->shape->config;
    return linear_s(in, kind, rows, c->dim, c->dim, true) + convert_s(in, rows, c->dim) +
           2 * linear_s(in, kind, rows, c->hidden_dim, c->dim, false) +
           swiglu_s(in, rows, c->hidden_dim) +
           linear_s(in, kind, rows, c->dim, c->hidden_dim, true);
}

static double retention_gate_s(const yoco_cost_input *in, int64_t rows)
{
    return in_place_s(in, rows, (&in->shape->config)->dim) +
           swiglu_s(in, rows, (&in->shape->config)->dim);
}

/* Embedding and rotary tables before the layers, the shared K,V after the self-decoder. */
static double begin_s(const yoco_cost_input *in, int64_t rows)
{
    const yoco_model_config *c = &in->shape->config;
    double angles = yoco_config_self_head_dim(c);
    return host_copy_s(in, F32 * (double)rows) + host_copy_s(in, I64 * (double)rows) +
           convert_s(in, rows, c->dim) + pointwise_s(in, F32 * angles * (double)rows);
}

static double shared_kv_s(const yoco_cost_input *in, yoco_work_kind kind, int64_t rows)
{
    const yoco_model_config *c = &in->shape->config;
    int kv_dim = yoco_config_kv_dim(c);
    return convert_s(in, rows, c->dim) + 2 * linear_s(in, kind, rows, kv_dim, c->dim, false) +
           2 * convert_s(in, rows, kv_dim);
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

/* One layer of a chunk, in the order of worker/piece.c. */
typedef struct layer_times {
    double to_give_s; /* until the edge that leaves can go, where it needs no other */
    double to_take_s; /* until the edge that enters is needed */
    double pass_s;    /* from the edge that enters to the one that leaves, where that needs it */
    double rest_s;    /* from there to the layer's end */
    bool chained;     /* an edge needs the one before it */
} layer_times;

static double edge_bytes(const yoco_cost_input *in)
{
    const yoco_model_config *c = &in->shape->config;
    if (yoco_config_is_retention(c))
        return (double)F32 * c->dim * yoco_config_self_head_dim(c);
    int64_t rows = yoco_i64_min(c->sliding_window - 1, in->grid.n_tokens);
    return 2.0 * (double)rows * c->dim * (double)yoco_dtype_bytes(in->dtype);
}

/* An edge to the next rank: in its node, or, once for each node, out of it. */
static double near_message_s(const yoco_cost_input *in)
{
    return message_s(in, edge_bytes(in), 0);
}

static double far_message_s(const yoco_cost_input *in)
{
    int n_devices = in->hardware->node.n_devices;
    return message_s(in, edge_bytes(in), in->grid.n_ranks > n_devices ? n_devices : 0);
}

static double mean_message_s(const yoco_cost_input *in)
{
    int n_devices = in->hardware->node.n_devices;
    return near_message_s(in) + (far_message_s(in) - near_message_s(in)) / n_devices;
}

static layer_times window_layer(const yoco_cost_input *in, int64_t rows)
{
    const yoco_model_config *c = &in->shape->config;
    int64_t past = c->sliding_window - 1, waiting = yoco_i64_min(past, rows);
    size_t element = yoco_dtype_bytes(in->dtype);
    double product = linear_s(in, YOCO_WORK_SLABS, rows, c->dim, c->dim, false);
    double save = 2 * pointwise_s(in, edge_bytes(in)); /* of K and V: half the bytes, twice */
    layer_times t = {.chained = rows < past};
    double own = 3 * convert_s(in, rows, c->dim) + 2 * product;
    double queries = product + in_place_s(in, rows, c->dim);
    if (rows > waiting)
        queries += yoco_work_s(in->hardware, yoco_work_window(past, waiting, rows,
                                                              c->sliding_window, c->dim, element));
    t.to_give_s = own + save;
    t.to_take_s = queries + own + (t.chained ? 0 : save);
    t.pass_s = 2 * pointwise_s(in, edge_bytes(in)) + (t.chained ? save : 0);
    t.rest_s = yoco_work_s(in->hardware,
                           yoco_work_window(past, 0, waiting, c->sliding_window, c->dim, element)) +
               layer_end_s(in, YOCO_WORK_SLABS, rows);
    return t;
}

static layer_times retention_layer(const yoco_cost_input *in, int64_t rows)
{
    const yoco_model_config *c = &in->shape->config;
    int head_dim = yoco_config_self_head_dim(c);
    double copy = pointwise_s(in, 2 * edge_bytes(in));
    layer_times t = {.chained = true};
    t.to_take_s = convert_s(in, rows, c->dim) +
                  4 * linear_s(in, YOCO_WORK_SLABS, rows, c->dim, c->dim, false) +
                  linear_s(in, YOCO_WORK_SLABS, rows, c->n_self_heads, c->dim, false) +
                  2 * in_place_s(in, rows, c->dim) +
                  yoco_work_s(in->hardware, yoco_work_retention_local(rows, c->dim, head_dim));
    t.to_give_s = t.to_take_s;
    t.pass_s =
        2 * copy + yoco_work_s(in->hardware, yoco_work_retention_scan(rows, c->dim, head_dim));
    t.rest_s = yoco_work_s(in->hardware, yoco_work_retention_correct(rows, c->dim, head_dim)) +
               retention_gate_s(in, rows) + layer_end_s(in, YOCO_WORK_SLABS, rows);
    return t;
}

static layer_times layer_of(const yoco_cost_input *in, int64_t rows)
{
    return yoco_config_is_retention((&in->shape->config)) ? retention_layer(in, rows)
                                                          : window_layer(in, rows);
}

static double chunk_s(const yoco_cost_input *in, int64_t rows)
{
    layer_times t = layer_of(in, rows);
    return begin_s(in, rows) + shared_kv_s(in, YOCO_WORK_SLABS, rows) +
           yoco_config_n_self_layers((&in->shape->config)) * (t.to_take_s + t.pass_s + t.rest_s);
}

/* What the edges add to the computing of the busiest rank. A window edge that needs no other is
 * late by at most one stall for each layer, as a delay moves on one rank per layer. Edges that need
 * each other form a chain over all chunks: the ranks of the first round start one hop after
 * another, and a round lasts at least one hop for each rank. */
static double chain_s(const yoco_cost_input *in, const yoco_cost *cost, const layer_times *t)
{
    int64_t n_chunks = yoco_grid_n_chunks(&in->grid);
    int n_self = yoco_config_n_self_layers((&in->shape->config));
    if (n_chunks == 1)
        return 0;
    if (!t->chained) {
        double early = t->to_take_s - t->to_give_s;
        double near = near_message_s(in) - early, far = far_message_s(in) - early;
        int64_t hops = yoco_i64_min(n_self, yoco_i64_min(n_chunks, in->grid.n_ranks) - 1);
        int64_t far_hops = yoco_div_up(hops, in->hardware->node.n_devices);
        return (near > 0 ? near * (double)(hops - far_hops) : 0) +
               (far > 0 ? far * (double)far_hops : 0);
    }
    int64_t rounds = yoco_div_up(n_chunks, in->grid.n_ranks);
    double busiest = cost->compute_s + cost->uneven_s;
    double skewed =
        busiest + cost->hop_s * (double)(n_chunks - 1 - (rounds - 1) * in->grid.n_ranks);
    double chained = cost->chunk_s + cost->hop_s * (double)(n_chunks - 1);
    return (skewed > chained ? skewed : chained) - busiest;
}

static yoco_limit largest(const double *seconds, const yoco_limit *limits, int n)
{
    int at = 0;
    for (int i = 1; i < n; i++)
        at = seconds[i] > seconds[at] ? i : at;
    return limits[at];
}

static void make_prefill(const yoco_cost_input *in, yoco_cost *cost)
{
    const yoco_grid *grid = &in->grid;
    int64_t rows = yoco_i64_min(grid->chunk_rows, grid->n_tokens);
    layer_times t = layer_of(in, rows);
    cost->chunk_s = chunk_s(in, rows);
    cost->hop_s = t.pass_s + mean_message_s(in);
    double per_row = cost->chunk_s / (double)rows;
    cost->compute_s = per_row * (double)grid->n_tokens / grid->n_ranks;
    cost->uneven_s = per_row * (double)yoco_grid_max_rank_rows(grid) - cost->compute_s;
    cost->chain_s = chain_s(in, cost, &t);
    cost->last_edges_s =
        yoco_config_n_self_layers((&in->shape->config)) * broadcast_s(in, edge_bytes(in));
    cost->prefill_s = cost->compute_s + cost->uneven_s + cost->chain_s + cost->last_edges_s;
    cost->prefill_limit =
        largest((double[]){cost->compute_s, cost->uneven_s, cost->chain_s, cost->last_edges_s},
                (yoco_limit[]){YOCO_LIMIT_COMPUTE, YOCO_LIMIT_FEW_CHUNKS, YOCO_LIMIT_CHAIN,
                               YOCO_LIMIT_LAST_EDGES},
                4);
}

/* Decode. */

static double step_self_s(const yoco_cost_input *in)
{
    const yoco_model_config *c = &in->shape->config;
    int64_t rows = in->n_branches;
    size_t element = yoco_dtype_bytes(in->dtype);
    double product = linear_s(in, YOCO_WORK_ROWS, rows, c->dim, c->dim, false);
    double seconds =
        convert_s(in, rows, c->dim) + 3 * product + layer_end_s(in, YOCO_WORK_ROWS, rows);
    if (yoco_config_is_retention(c))
        return seconds + product +
               linear_s(in, YOCO_WORK_ROWS, rows, c->n_self_heads, c->dim, false) +
               2 * in_place_s(in, rows, c->dim) + retention_gate_s(in, rows) +
               yoco_work_s(in->hardware,
                           yoco_work_retention_step(rows, c->dim, yoco_config_self_head_dim(c)));
    int64_t seen = yoco_i64_min(c->sliding_window, in->grid.n_tokens + 1);
    return seconds + in_place_s(in, rows, c->dim) + 2 * convert_s(in, rows, c->dim) +
           2 * (double)rows * pointwise_s(in, 2.0 * (double)element * c->dim) +
           yoco_work_s(in->hardware, yoco_work_attend(1, rows * seen, c->dim, c->dim, element, 0));
}

/* A cross layer but for attention and merge. */
static double step_cross_s(const yoco_cost_input *in)
{
    const yoco_model_config *c = &in->shape->config;
    int64_t rows = in->n_branches;
    return convert_s(in, rows, c->dim) + in_place_s(in, rows, c->dim) +
           linear_s(in, YOCO_WORK_ROWS, rows, c->dim, c->dim, false) +
           layer_end_s(in, YOCO_WORK_ROWS, rows);
}

/* The context's K,V, on the rank that has the most of them. */
static double step_attend_s(const yoco_cost_input *in)
{
    const yoco_model_config *c = &in->shape->config;
    int64_t rows = yoco_grid_max_rank_rows(&in->grid);
    int64_t partials = in->n_branches * yoco_div_up(rows, YOCO_BLOCK_ROWS);
    double partial_bytes = (double)F32 * (double)partials * (c->dim + c->n_attn_heads);
    return yoco_work_s(in->hardware,
                       yoco_work_attend(in->n_branches, rows, c->dim, yoco_config_kv_dim(c),
                                        yoco_dtype_bytes(in->dtype), partials)) +
           2 * pointwise_s(in, partial_bytes);
}

static double step_merge_s(const yoco_cost_input *in)
{
    const yoco_model_config *c = &in->shape->config;
    double queries = in->n_branches, heads = c->n_attn_heads, dim = c->dim;
    double max_bytes = F32 * queries * heads, sum_bytes = I64 * queries * (heads + dim);
    double flag_bytes = F32 * YOCO_MERGE_FLAGS;
    return pointwise_s(in, F32 * queries * dim) + 2 * host_copy_s(in, flag_bytes) +
           all_reduce_s(in, max_bytes + flag_bytes) + all_reduce_s(in, sum_bytes) +
           pointwise_s(in, queries * dim * (I64 + (double)yoco_dtype_bytes(in->dtype)));
}

static void make_step(const yoco_cost_input *in, yoco_cost *cost)
{
    const yoco_model_config *c = &in->shape->config;
    int64_t rows = in->n_branches;
    double n_layers = yoco_config_n_self_layers(c);
    double stored = 2.0 * (double)yoco_dtype_bytes(in->dtype) * yoco_config_kv_dim(c);
    double output_s = convert_s(in, rows, c->dim) +
                      linear_s(in, YOCO_WORK_ROWS, rows, c->vocab_size, c->dim, false) +
                      host_copy_s(in, (double)F32 * (double)rows * c->vocab_size);
    cost->repeated_s = begin_s(in, rows) + n_layers * (step_self_s(in) + step_cross_s(in)) +
                       shared_kv_s(in, YOCO_WORK_ROWS, rows) +
                       2.0 * (double)rows * pointwise_s(in, stored) + output_s;
    cost->attention_s = n_layers * step_attend_s(in);
    cost->merge_s = n_layers * step_merge_s(in);
    cost->step_s = cost->repeated_s + cost->attention_s + cost->merge_s;
    cost->step_limit =
        largest((double[]){cost->repeated_s, cost->attention_s, cost->merge_s},
                (yoco_limit[]){YOCO_LIMIT_WEIGHTS, YOCO_LIMIT_ATTENTION, YOCO_LIMIT_MERGE}, 3);
}

/* Memory, from the plan. */

static size_t matrix_bytes(const void *context, int64_t n_out, int64_t n_in)
{
    const yoco_cost_input *in = context;
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
                                  .weight_context = input,
                                  .file_dtype = input->dtype};
    yoco_cost cost = {0};
    YOCO_TRY(yoco_plan_make(&plan_input, &plan));
    cost.memory_bytes = plan.total_bytes;
    cost.fits = plan.total_bytes <= (size_t)input->hardware->device.memory_bytes;
    make_prefill(input, &cost);
    make_step(input, &cost);
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
