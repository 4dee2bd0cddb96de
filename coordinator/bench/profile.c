#include "coordinator/bench/profile.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "comm/tags.h"
#include "configs/files/atomic_file.h"
#include "coordinator/cli/machine.h"
#include "coordinator/timing/repeat.h"
#include "coordinator/timing/spread.h"
#include "kernels/ops_attend.h"
#include "kernels/ops_dense.h"
#include "kernels/ops_retention.h"
#include "kernels/ops_window.h"
#include "partition/op_work.h"
#include "worker/model.h"

enum {
    N_RUNS = 5,
    MAX_WEIGHTS = 4096,
    FEW_QUERIES = 1,
    MANY_QUERIES = 16,
    CONTEXT_ROWS = 32768, /* of the attention that is timed: more than caches hold */
    PING_BYTES = 1 << 20,
    N_PINGS = 32,
};

static const double RUN_S = 0.1, LEAST_S = 1e-9;

typedef struct profiler {
    yoco_session *session;
    const yoco_ops *ops;
    yoco_device *device;
    const yoco_model_shape *shape;
    const yoco_layer_shape *windowed,
        *stateful;                  /* the first with such an edge; NULL: there is none */
    const yoco_layer_shape *merged; /* the last layer */
    size_t element;
    int64_t rows; /* of a chunk */
    int n_weights;
    struct {
        yoco_weight *weight;
        int64_t n_out, n_in;
    } weights[MAX_WEIGHTS];
    void *x, *k, *v, *out; /* inputs in the run's dtype or f32, whichever is asked */
    float *wide, *more, *state, *partial;
    int bad; /* of an attention, which is not looked at: its inputs are zeros */
} profiler;

typedef void (*profile_run)(profiler *p);

typedef struct repeated {
    profiler *p;
    profile_run run;
} repeated;

static yoco_status run_repeated(void *data)
{
    const repeated *r = data;
    r->run(r->p);
    return r->p->ops->synchronize(r->p->device);
}

/* Median time of one call of `run` on all ranks, the mean over the ranks. */
static yoco_status time_run(profiler *p, profile_run run, double *seconds)
{
    yoco_comm *comm = p->session->comm;
    double runs[N_RUNS];
    yoco_repeat repeat = {.comm = comm,
                          .n_warm_up = 1,
                          .n_runs = N_RUNS,
                          .least_s = RUN_S,
                          .work = run_repeated,
                          .data = &(repeated){p, run}};
    YOCO_TRY(yoco_repeat_run(&repeat, runs, NULL));
    int64_t picoseconds = (int64_t)(1e12 * yoco_spread_make(runs, N_RUNS).median);
    YOCO_TRY(yoco_all_sum_i64(comm, &picoseconds, 1));
    *seconds = 1e-12 * (double)picoseconds / comm->n_ranks;
    return YOCO_OK;
}

/* Work. */

static void multiply(profiler *p, int64_t n_rows,
                     void (*linear)(yoco_device *, const yoco_linear_args *))
{
    for (int i = 0; i < p->n_weights; i++)
        linear(p->device,
               &(yoco_linear_args){
                   .n_rows = n_rows, .weight = p->weights[i].weight, .x = p->x, .y = p->wide});
}

static void run_slabs(profiler *p)
{
    multiply(p, p->rows, p->ops->dense->linear_slabs);
}

static void run_one_row(profiler *p)
{
    multiply(p, FEW_QUERIES, p->ops->dense->linear_rows);
}

static void run_many_rows(profiler *p)
{
    multiply(p, MANY_QUERIES, p->ops->dense->linear_rows);
}

static yoco_work weights_work(const profiler *p, yoco_work_kind kind, int64_t n_rows)
{
    yoco_work sum = {.kind = kind};
    for (int i = 0; i < p->n_weights; i++) {
        yoco_work one = yoco_work_linear(kind, n_rows, p->weights[i].n_out, p->weights[i].n_in,
                                         p->element, false);
        sum.flops += one.flops;
        sum.bytes += one.bytes;
    }
    return sum;
}

static int window_of(const profiler *p)
{
    return (int)yoco_i64_min(p->windowed->window, p->rows);
}

static void run_window(profiler *p)
{
    p->ops->window->attend(p->device,
                           &(yoco_window_args){.q_end = p->rows,
                                               .window = window_of(p),
                                               .n_heads = p->windowed->n_heads,
                                               .n_kv_heads = p->windowed->n_kv_heads,
                                               .n_v_heads = yoco_layer_v_heads(p->windowed),
                                               .head_dim = p->windowed->k_dim,
                                               .v_dim = p->windowed->v_dim,
                                               .scale_log2 = 0.1f,
                                               .q = p->wide,
                                               .kv_dtype = p->session->device.dtype,
                                               .k = p->k,
                                               .v = p->v,
                                               .out_dtype = p->session->device.dtype,
                                               .out = p->out});
}

static yoco_retention_args retention_args(const profiler *p)
{
    return (yoco_retention_args){.n_rows = p->rows,
                                 .n_heads = p->stateful->n_heads,
                                 .head_dim = p->stateful->k_dim,
                                 .q = p->wide,
                                 .k = p->wide,
                                 .v = p->wide,
                                 .gate = p->partial,
                                 .gate_scale = 1.0 / (double)p->stateful->decay_divisor,
                                 .decay = p->partial + p->rows * p->stateful->n_heads,
                                 .state = p->state,
                                 .edge_in = p->state,
                                 .edge_out = p->state,
                                 .out = p->more};
}

static void run_retention(profiler *p)
{
    yoco_retention_args args = retention_args(p);
    p->ops->retention->local(p->device, &args);
}

static void run_correct(profiler *p)
{
    yoco_retention_args args = retention_args(p);
    p->ops->retention->correct(p->device, &args);
}

static void run_copy_state(profiler *p)
{
    size_t bytes = (size_t)(yoco_layer_out_width(p->stateful) * p->stateful->k_dim) * sizeof(float);
    p->ops->copy(p->device, p->more, p->state, bytes);
}

static void attend(profiler *p, int64_t n_queries)
{
    const yoco_layer_shape *c = p->merged;
    yoco_kv_segment segment = {.n_queries = n_queries,
                               .n_rows = CONTEXT_ROWS,
                               .chunk_rows = CONTEXT_ROWS,
                               .k = p->k,
                               .v = p->v};
    int64_t n_partials = CONTEXT_ROWS / YOCO_BLOCK_ROWS * n_queries * c->n_heads;
    float *max = p->partial, *sum = max + n_partials;
    p->ops->attend->partials(p->device, &(yoco_attend_args){.n_queries = n_queries,
                                                            .n_heads = c->n_heads,
                                                            .n_kv_heads = c->n_kv_heads,
                                                            .n_v_heads = yoco_layer_v_heads(c),
                                                            .head_dim = c->k_dim,
                                                            .v_dim = c->v_dim,
                                                            .scale_log2 = 0.1f,
                                                            .n_segments = 1,
                                                            .segments = &segment,
                                                            .kv_dtype = p->session->device.dtype,
                                                            .q = p->wide,
                                                            .max = max,
                                                            .sum = sum,
                                                            .partial = p->more,
                                                            .global_max = sum + n_partials,
                                                            .bad = &p->bad});
}

static void run_attend_one(profiler *p)
{
    attend(p, FEW_QUERIES);
}

static void run_attend_many(profiler *p)
{
    attend(p, MANY_QUERIES);
}

/* The pointwise ops of the first layer, for each row. */
static void pointwise(profiler *p, int64_t n_rows)
{
    const yoco_layer_shape *c = &p->shape->layers[0];
    yoco_dtype dtype = p->session->device.dtype;
    yoco_rms_norm_args norm = {.n_rows = n_rows,
                               .dim = c->dim,
                               .eps = p->shape->norm_eps,
                               .x = p->wide,
                               .out_dtype = dtype,
                               .out = p->out};
    yoco_rope_args rope = {.n_rows = n_rows,
                           .n_heads = c->n_heads,
                           .head_dim = c->k_dim,
                           .width = c->k_dim,
                           .scale = 1,
                           .cos = p->partial,
                           .sin = p->partial,
                           .x = p->wide,
                           .out_dtype = dtype,
                           .out = p->out};
    p->ops->dense->rms_norm(p->device, &norm);
    p->ops->dense->rms_norm(p->device, &norm);
    p->ops->dense->rope(p->device, &rope);
    p->ops->dense->rope(p->device, &rope);
    p->ops->dense->cast(
        p->device,
        &(yoco_cast_args){.n = n_rows * c->dim, .x = p->wide, .out_dtype = dtype, .out = p->out});
    p->ops->dense->swiglu(p->device, &(yoco_swiglu_args){.n = n_rows * c->hidden_dim,
                                                         .a = p->wide,
                                                         .b = p->more,
                                                         .out_dtype = dtype,
                                                         .out = p->out});
}

static void run_pointwise(profiler *p)
{
    pointwise(p, p->rows);
}

static void run_small(profiler *p)
{
    pointwise(p, 1);
}

static double pointwise_bytes(const profiler *p)
{
    double element = (double)p->element, dim = p->shape->dim,
           hidden = p->shape->layers[0].hidden_dim;
    return (double)p->rows * (5 * dim * (4 + element) + hidden * (8 + element));
}

/* Rates. */

static yoco_status rate_of(profiler *p, profile_run run, double units, double launch_s, double *out)
{
    double seconds;
    YOCO_TRY(time_run(p, run, &seconds));
    *out = units / fmax(seconds - launch_s, LEAST_S);
    return YOCO_OK;
}

static yoco_status measure_products(profiler *p, yoco_hardware *h)
{
    yoco_rate *slabs = &h->device.rate[YOCO_WORK_SLABS], *rows = &h->device.rate[YOCO_WORK_ROWS];
    double launch_s = h->device.launch_s * p->n_weights;
    yoco_work many = weights_work(p, YOCO_WORK_SLABS, p->rows);
    YOCO_TRY(rate_of(p, run_slabs, many.flops, launch_s, &slabs->flop_s));
    yoco_work one = weights_work(p, YOCO_WORK_ROWS, FEW_QUERIES);
    YOCO_TRY(rate_of(p, run_one_row, one.bytes, launch_s, &rows->byte_s));
    yoco_work few = weights_work(p, YOCO_WORK_ROWS, MANY_QUERIES);
    YOCO_TRY(rate_of(p, run_many_rows, few.flops, launch_s, &rows->flop_s));
    slabs->byte_s = rows->byte_s;
    return YOCO_OK;
}

static yoco_widths widths_of(const yoco_layer_shape *layer)
{
    return (yoco_widths){.q = yoco_layer_q_width(layer),
                         .k = yoco_layer_k_width(layer),
                         .v = yoco_layer_v_width(layer),
                         .out = yoco_layer_out_width(layer)};
}

/* What no layer of the model does gets the products' rate, and is of no use. */
static yoco_status measure_mixers(profiler *p, yoco_hardware *h)
{
    const yoco_layer_shape *c;
    yoco_rate *rate = h->device.rate;
    double launch_s = h->device.launch_s;
    rate[YOCO_WORK_WINDOW] = rate[YOCO_WORK_RETENTION] = rate[YOCO_WORK_STATE] = (yoco_rate){
        .flop_s = rate[YOCO_WORK_SLABS].flop_s, .byte_s = rate[YOCO_WORK_POINTWISE].byte_s};
    if ((c = p->windowed)) {
        const yoco_widths widths = widths_of(c);
        yoco_work window = yoco_work_window(0, 0, p->rows, window_of(p), &widths, p->element);
        YOCO_TRY(rate_of(p, run_window, window.flops, launch_s, &rate[YOCO_WORK_WINDOW].flop_s));
    }
    if ((c = p->stateful)) {
        yoco_rate *local_rate = &rate[YOCO_WORK_RETENTION], *state = &rate[YOCO_WORK_STATE];
        yoco_work local = yoco_work_retention_local(p->rows, c->dim, c->k_dim);
        yoco_work correct = yoco_work_retention_correct(p->rows, c->dim, c->k_dim);
        double copied = 2.0 * sizeof(float) * c->dim * c->k_dim;
        YOCO_TRY(rate_of(p, run_retention, local.flops, launch_s, &local_rate->flop_s));
        YOCO_TRY(rate_of(p, run_correct, correct.flops, launch_s, &state->flop_s));
        YOCO_TRY(rate_of(p, run_copy_state, copied, launch_s, &state->byte_s));
    }
    return YOCO_OK;
}

static yoco_status measure_attend(profiler *p, yoco_hardware *h)
{
    const yoco_layer_shape *c = p->merged;
    yoco_rate *rate = &h->device.rate[YOCO_WORK_ATTEND];
    double launch_s = h->device.launch_s;
    const yoco_widths widths = widths_of(c);
    yoco_work one = yoco_work_attend(FEW_QUERIES, CONTEXT_ROWS, &widths, p->element, 0);
    yoco_work many = yoco_work_attend(MANY_QUERIES, CONTEXT_ROWS, &widths, p->element, 0);
    YOCO_TRY(rate_of(p, run_attend_one, one.bytes, launch_s, &rate->byte_s));
    return rate_of(p, run_attend_many, many.flops, launch_s, &rate->flop_s);
}

static yoco_status measure_ops(profiler *p, yoco_hardware *h)
{
    static const int SMALL_OPS = 6;
    double small_s;
    yoco_rate *rate = &h->device.rate[YOCO_WORK_POINTWISE];
    YOCO_TRY(time_run(p, run_small, &small_s));
    h->device.launch_s = small_s / SMALL_OPS;
    YOCO_TRY(rate_of(p, run_pointwise, pointwise_bytes(p), small_s, &rate->byte_s));
    rate->flop_s = 1e21; /* these ops count bytes only */
    h->device.host_byte_s = rate->byte_s;
    YOCO_TRY(measure_products(p, h));
    YOCO_TRY(measure_mixers(p, h));
    return measure_attend(p, h);
}

/* Half a round trip between ranks 0 and 1, or from rank 0 to itself; other ranks wait. */
static yoco_status ping(profiler *p, char *data, size_t bytes, double *seconds)
{
    yoco_comm *comm = p->session->comm;
    const yoco_wait_for what = {.what = "a ping", .chunk = -1, .layer = -1};
    int peer = comm->n_ranks == 1 ? 0 : 1 - comm->rank;
    YOCO_TRY(yoco_agree(comm, YOCO_OK));
    double start = yoco_now_s();
    for (int i = 0; i < N_PINGS && comm->rank < 2; i++) {
        yoco_request in = {0}, out = {0};
        YOCO_TRY(yoco_receive(comm, peer, YOCO_TAG_PING, data, bytes, &in));
        if (comm->rank == 1)
            YOCO_TRY(yoco_wait(comm, &in, &what));
        YOCO_TRY(yoco_send(comm, peer, YOCO_TAG_PING, data + PING_BYTES, bytes, &out));
        YOCO_TRY(yoco_wait(comm, &out, &what));
        YOCO_TRY(yoco_wait(comm, &in, &what));
    }
    *seconds = (yoco_now_s() - start) / N_PINGS / (comm->n_ranks == 1 ? 1 : 2);
    return YOCO_OK;
}

static yoco_status measure_network(profiler *p, yoco_hardware *h)
{
    char *data = NULL;
    double small_s = 0, large_s = 0;
    yoco_comm *comm = p->session->comm;
    YOCO_TRY(yoco_agree(comm, yoco_alloc(2 * (size_t)PING_BYTES, "a message", (void **)&data)));
    memset(data, 0, 2 * (size_t)PING_BYTES);
    yoco_status status = ping(p, data, 8, &small_s);
    if (status == YOCO_OK)
        status = ping(p, data, PING_BYTES, &large_s);
    if (status == YOCO_OK)
        status = ping(p, data, 8, &small_s); /* the first one warmed up */
    yoco_free(data);
    h->node.latency_s = fmin(small_s, 1);
    h->node.byte_s = PING_BYTES / fmax(large_s - small_s, LEAST_S);
    h->network.latency_s = h->node.latency_s;
    h->network.port_byte_s = h->node.byte_s;
    return status;
}

/* Buffers and weights. */

static yoco_status alloc_filled(profiler *p, size_t bytes, void **out)
{
    YOCO_TRY(p->ops->alloc(p->device, bytes, "the profile", out));
    p->ops->zero(p->device, *out, bytes);
    return YOCO_OK;
}

/* Elements of a row of what a product or the attention of the layer reads or writes, at most. */
static int64_t widest_row(const yoco_layer_shape *layer)
{
    yoco_tensor_rule rules[YOCO_N_ROLES];
    int64_t widest = yoco_i64_max(layer->dim, yoco_layer_heads_width(layer));
    for (int i = yoco_layer_tensor_rules(layer, rules); i-- > 0;)
        if (!rules[i].is_table)
            widest = yoco_i64_max(widest, yoco_i64_max(rules[i].n_out, rules[i].n_in));
    return widest;
}

static int64_t kv_width(const yoco_layer_shape *layer)
{
    return yoco_i64_max(yoco_layer_k_width(layer), yoco_layer_v_width(layer));
}

static yoco_status make_buffers(profiler *p)
{
    size_t f32 = sizeof(float), rows = (size_t)p->rows, dim = (size_t)p->shape->dim;
    size_t width = dim, heads = 0, state = 0;
    for (int i = 0; i < p->shape->n_layers; i++) {
        const yoco_layer_shape *c = &p->shape->layers[i];
        size_t scratch = yoco_layer_scratch(c, p->rows);
        width = (size_t)yoco_i64_max((int64_t)width, widest_row(c));
        heads = (size_t)yoco_i64_max((int64_t)heads, c->n_heads);
        state = scratch > state ? scratch : state;
    }
    size_t context = (size_t)(CONTEXT_ROWS * kv_width(p->merged)) * p->element;
    size_t window = p->windowed ? rows * (size_t)kv_width(p->windowed) * p->element : 0;
    size_t partials = (size_t)CONTEXT_ROWS / YOCO_BLOCK_ROWS * MANY_QUERIES;
    size_t maxima = (2 * partials + MANY_QUERIES) * heads;
    size_t kv = window > context ? window : context;
    size_t many = width * (rows > MANY_QUERIES ? rows : MANY_QUERIES);
    size_t heads_out = partials * (size_t)yoco_layer_heads_width(p->merged);
    size_t more = many > heads_out ? many : heads_out;
    size_t small = rows * dim > maxima ? rows * dim : maxima;
    YOCO_TRY(alloc_filled(p, many * f32, &p->x));
    YOCO_TRY(alloc_filled(p, many * f32, &p->out));
    YOCO_TRY(alloc_filled(p, kv, &p->k));
    YOCO_TRY(alloc_filled(p, kv, &p->v));
    YOCO_TRY(alloc_filled(p, many * f32, (void **)&p->wide));
    YOCO_TRY(alloc_filled(p, more * f32, (void **)&p->more));
    YOCO_TRY(alloc_filled(p, small * f32, (void **)&p->partial));
    return alloc_filled(p, state, (void **)&p->state);
}

static yoco_status add_weight(profiler *p, const yoco_tensor *tensor)
{
    if (p->n_weights == MAX_WEIGHTS)
        return YOCO_OK;
    yoco_matrix matrix = {.dtype = tensor->dtype,
                          .n_out = tensor->shape[0],
                          .n_in = tensor->shape[1],
                          .data = tensor->data};
    YOCO_TRY(p->ops->weight_create(p->device, &matrix, YOCO_WEIGHT_LINEAR,
                                   &p->weights[p->n_weights].weight));
    p->weights[p->n_weights].n_out = matrix.n_out;
    p->weights[p->n_weights++].n_in = matrix.n_in;
    return YOCO_OK;
}

/* Those of the prefill: more than caches hold, so that they come from memory as they do in a step.
 */
static yoco_status make_weights(profiler *p)
{
    yoco_tensor_rule rules[YOCO_N_ROLES];
    for (int i = 0; i < yoco_shape_last_kept(p->shape); i++)
        for (int j = yoco_layer_tensor_rules(&p->shape->layers[i], rules); j-- > 0;)
            if (!rules[j].is_table)
                YOCO_TRY(add_weight(p, p->session->checkpoint->layers[i].role[rules[j].role]));
    return p->ops->synchronize(p->device);
}

static void release(profiler *p)
{
    void *const buffers[] = {p->x, p->out, p->k, p->v, p->wide, p->more, p->partial, p->state};
    if (!p->device)
        return;
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        p->ops->free(p->device, buffers[i]);
    for (int i = 0; i < p->n_weights; i++)
        p->ops->weight_free(p->device, p->weights[i].weight);
    p->ops->close(p->device);
}

/* The file. */

static void describe(const profiler *p, const char *path, yoco_hardware *h)
{
    const yoco_comm *comm = p->session->comm;
    const char *name = strrchr(path, '/');
    char cpu[256];
    yoco_machine_cpu(cpu, sizeof cpu);
    snprintf(h->name, sizeof h->name, "%.*s", (int)strcspn(name ? name + 1 : path, "."),
             name ? name + 1 : path);
    snprintf(h->device.name, sizeof h->device.name, "%.60s", cpu);
    snprintf(h->device.source, sizeof h->device.source,
             "yoco bench --profile, yoco " YOCO_VERSION " (%s), %d ranks of %d threads at the same "
             "time, chunks of %lld",
             yoco_machine_commit(), comm->n_ranks, p->session->device.n_threads,
             (long long)p->rows);
    h->device.measured = true;
    h->device.memory_bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) /
                             yoco_i64_max(comm->node_n_ranks, 1);
    h->node.n_devices = comm->n_ranks;
    snprintf(h->node.source, sizeof h->node.source, "measured: half a round trip %s",
             comm->n_ranks > 1 ? "between ranks 0 and 1" : "of a rank with itself");
    h->network.leaf_nodes = 1;
    h->network.taper = 1;
    snprintf(h->network.source, sizeof h->network.source,
             "none measured: the figures are the node's");
}

static yoco_status save(const char *path, const yoco_hardware *h)
{
    char *text;
    YOCO_TRY(yoco_hardware_print(h, &text));
    yoco_status status = yoco_atomic_file_save(path, text, strlen(text));
    yoco_free(text);
    return status;
}

static yoco_status profile(profiler *p, const char *path)
{
    yoco_comm *comm = p->session->comm;
    yoco_hardware h = {0};
    yoco_status status = p->ops->open(&p->session->device, &p->device);
    if (status == YOCO_OK)
        status = make_buffers(p);
    if (status == YOCO_OK)
        status = make_weights(p);
    YOCO_TRY(yoco_agree(comm, status));
    YOCO_TRY(measure_ops(p, &h));
    YOCO_TRY(measure_network(p, &h));
    describe(p, path, &h);
    return yoco_agree(comm, comm->rank == 0 ? save(path, &h) : YOCO_OK);
}

static const yoco_layer_shape *first_with(const yoco_model_shape *shape, yoco_past_form form)
{
    yoco_past_shape pasts[YOCO_MAX_PASTS];
    for (int i = 0; i < shape->n_layers; i++) {
        const yoco_layer_shape *layer = &shape->layers[i];
        /* A window that bounds no query holds the inputs of convolutions. */
        bool attends = form != YOCO_PAST_WINDOW || layer->window > 0;
        if (yoco_layer_pasts(layer, pasts) > 0 && pasts[0].form == form && attends)
            return layer;
    }
    return NULL;
}

yoco_status yoco_bench_profile_write(yoco_session *session, int64_t chunk_rows, const char *path)
{
    profiler *p = NULL;
    yoco_status status = yoco_alloc(sizeof *p, "the profile", (void **)&p);
    if (status == YOCO_OK)
        status = yoco_model_check_ops(session->ops, session->checkpoint->shape);
    status = yoco_agree(session->comm, status);
    if (status == YOCO_OK) {
        memset(p, 0, sizeof *p);
        p->session = session;
        p->ops = session->ops;
        p->shape = session->checkpoint->shape;
        p->windowed = first_with(p->shape, YOCO_PAST_WINDOW);
        p->stateful = first_with(p->shape, YOCO_PAST_STATE);
        p->merged = &p->shape->layers[p->shape->n_layers - 1];
        p->element = yoco_dtype_bytes(session->device.dtype);
        p->rows = chunk_rows;
        status = profile(p, path);
        release(p);
    }
    yoco_free(p);
    return status;
}
