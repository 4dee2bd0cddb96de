#include "coordinator/bench/engine.h"

#include "coordinator/cli/progress.h"
#include "coordinator/session/memory.h"
#include "coordinator/timing/measure.h"
#include "coordinator/timing/repeat.h"

static int add_shape(yoco_bench_gemm *gemms, int n, int64_t n_out, int64_t n_in, int n_per_token)
{
    for (int i = 0; i < n; i++) {
        if (gemms[i].n_out == n_out && gemms[i].n_in == n_in) {
            gemms[i].n_per_token += n_per_token;
            return n;
        }
    }
    if (n == YOCO_BENCH_MAX_SHAPES)
        return n;
    gemms[n] = (yoco_bench_gemm){.n_out = n_out, .n_in = n_in, .n_per_token = n_per_token};
    return n + 1;
}

/* Of the last layer that keeps a past prefill needs what is kept; of one that keeps rows, K and V.
 */
static bool is_run(const yoco_model_shape *shape, int layer, yoco_role role)
{
    int last = yoco_shape_last_kept(shape);
    bool is_kept = role == YOCO_ROLE_K || role == YOCO_ROLE_V;
    return layer < last || is_kept || !yoco_layer_keeps_rows(&shape->layers[last]);
}

int yoco_bench_shapes(const yoco_model_shape *shape, bool all, yoco_bench_gemm *gemms)
{
    int n = 0, end = all ? shape->n_layers : yoco_shape_last_kept(shape) + 1;
    for (int i = 0; i < end; i++) {
        yoco_tensor_rule rules[YOCO_N_ROLES];
        int n_rules = yoco_layer_tensor_rules(&shape->layers[i], rules);
        for (int j = 0; j < n_rules; j++)
            if (!rules[j].is_table && (all || is_run(shape, i, rules[j].role)))
                n = add_shape(gemms, n, rules[j].n_out, rules[j].n_in, 1);
    }
    return n;
}

static double attention_flops(const yoco_model_shape *shape, bool all, int64_t n)
{
    double flops = 0;
    for (int i = 0; i < (all ? shape->n_layers : yoco_shape_last_kept(shape)); i++) {
        const yoco_layer_shape layer = yoco_layer_for_all_rows(&shape->layers[i]);
        flops += yoco_layer_mixer_flops(&layer, n);
    }
    return flops;
}

/* A prefill that is timed. */
typedef struct prefiller {
    yoco_session *session;
    const int32_t *ids;
    int64_t n_tokens;
} prefiller;

static yoco_status prefill(void *data)
{
    const prefiller *p = data;
    yoco_progress_line line;
    yoco_progress_begin(&line, p->session->comm->rank != 0);
    YOCO_TRY(yoco_worker_prefill(p->session->worker, p->ids, yoco_progress_update, &line));
    yoco_progress_end(&line, p->n_tokens);
    return YOCO_OK;
}

yoco_status yoco_bench_time_prefill(yoco_session *session, int64_t chunk_rows, int64_t n_runs,
                                    const int32_t *ids, int64_t n_tokens, yoco_bench_prefill *out)
{
    const yoco_model_shape *c = session->checkpoint->shape;
    double seconds[YOCO_SCALE_MAX_RUNS];
    yoco_repeat repeat = {.comm = session->comm,
                          .n_warm_up = 1,
                          .n_runs = (int)n_runs,
                          .slowest = true,
                          .work = prefill,
                          .data = &(prefiller){session, ids, n_tokens}};
    YOCO_TRY(yoco_worker_reserve(session->worker, n_tokens, chunk_rows, 1, 1));
    YOCO_TRY(yoco_repeat_run(&repeat, seconds, NULL));
    bool all = yoco_worker_plan(session->worker)->input.runs_all;
    *out = (yoco_bench_prefill){.n_tokens = n_tokens,
                                .seconds = yoco_spread_make(seconds, (int)n_runs),
                                .attention_flops = attention_flops(c, all, n_tokens)};
    return YOCO_OK;
}

/* The tables of a step. */
typedef struct stepper {
    yoco_session *session;
    int n_steps;
    int n_branches; /* of a step */
    int *branches;  /* (n_branches): 0, 1, ... */
    int32_t *ids;   /* (n_branches), the same on all ranks */
    int32_t *next;  /* (n_branches): what a greedy decoder would go on with */
} stepper;

static yoco_status stepper_create(yoco_session *session, int64_t n_branches, int64_t n_steps,
                                  stepper *s)
{
    size_t n = (size_t)n_branches;
    s->session = session;
    s->n_steps = (int)n_steps;
    YOCO_TRY(yoco_alloc(n * sizeof *s->branches, "branches", (void **)&s->branches));
    YOCO_TRY(yoco_alloc(n * sizeof *s->ids, "branches", (void **)&s->ids));
    for (int i = 0; i < n_branches; i++) {
        s->branches[i] = i;
        s->ids[i] = i % session->checkpoint->shape->vocab_size;
    }
    return yoco_alloc(n * sizeof *s->next, "branches", (void **)&s->next);
}

static void stepper_free(stepper *s)
{
    yoco_free(s->branches);
    yoco_free(s->ids);
    yoco_free(s->next);
}

static yoco_status step(void *data)
{
    const stepper *s = data;
    yoco_worker *worker = s->session->worker;
    YOCO_TRY(yoco_worker_step(worker, s->n_branches, s->branches, s->ids, NULL));
    return s->session->comm->rank > 0
               ? YOCO_OK
               : yoco_worker_likeliest(worker, 0, s->n_branches, NULL, 0, s->next);
}

/* Greedy decoding, timed on rank 0, which finds the next ids last. */
static yoco_status time_steps(stepper *s, int n_branches, yoco_spread *out)
{
    double seconds[YOCO_SCALE_MAX_STEPS];
    yoco_repeat repeat = {.comm = s->session->comm,
                          .n_warm_up = YOCO_BENCH_WARM_UP_STEPS,
                          .n_runs = s->n_steps,
                          .work = step,
                          .data = s};
    s->n_branches = n_branches;
    for (int i = 0; i < n_branches; i++)
        YOCO_TRY(yoco_worker_branch(s->session->worker, i, NULL, 0));
    YOCO_TRY(yoco_repeat_run(&repeat, seconds, NULL));
    *out = yoco_spread_make(seconds, s->n_steps);
    return YOCO_OK;
}

/* Reading as much as one cross layer reads of K,V, and as a whole step touches: where the caches
 * help the engine, they help the roof. */
static yoco_status measure_reading(const yoco_session *session, yoco_rater *rater,
                                   yoco_bench_context *context)
{
    const yoco_plan *plan = yoco_worker_plan(session->worker);
    int64_t kv =
        (int64_t)(plan->buffer_bytes[YOCO_BUF_SHARD_K] + plan->buffer_bytes[YOCO_BUF_SHARD_V]);
    YOCO_TRY(yoco_roof_read(rater, kv, &context->kv_byte_s));
    YOCO_TRY(yoco_roof_read(rater, kv + (int64_t)plan->weight_bytes, &context->step_byte_s));
    context->kv_bytes = kv;
    return yoco_all_sum_i64(session->comm, &context->kv_bytes, 1);
}

static yoco_status time_context(stepper *s, yoco_rater *rater, const yoco_bench_list *branches,
                                const int32_t *ids, yoco_bench_context *context)
{
    yoco_memory memory;
    yoco_status status = prefill(&(prefiller){s->session, ids, context->n_tokens});
    YOCO_TRY(yoco_agree(s->session->comm, status));
    YOCO_TRY(yoco_memory_measure(s->session, &memory));
    context->device_bytes = (int64_t)memory.device_bytes;
    YOCO_TRY(measure_reading(s->session, rater, context));
    for (int i = 0; i < branches->n; i++) {
        YOCO_TRY(time_steps(s, (int)branches->values[i], &context->step_s[i]));
        if (s->session->comm->rank == 0)
            yoco_log_info("decode on %lld tokens, %lld branches: %.2f ms per step",
                          (long long)context->n_tokens, (long long)branches->values[i],
                          1e3 * context->step_s[i].median);
    }
    return YOCO_OK;
}

yoco_status yoco_bench_time_decode(yoco_session *session, yoco_rater *rater, int64_t chunk_rows,
                                   const yoco_bench_list *branches, int64_t n_steps,
                                   const int32_t *ids, int64_t n_tokens, yoco_bench_context *out)
{
    yoco_bench_context context = {.n_tokens = n_tokens};
    int64_t most = 1;
    for (int i = 0; i < branches->n; i++)
        most = yoco_i64_max(most, branches->values[i]);
    YOCO_TRY(yoco_worker_reserve(session->worker, n_tokens, chunk_rows, (int)most,
                                 n_steps + YOCO_BENCH_WARM_UP_STEPS));
    stepper s = {0};
    yoco_status status = yoco_agree(session->comm, stepper_create(session, most, n_steps, &s));
    if (status == YOCO_OK)
        status = time_context(&s, rater, branches, ids, &context);
    stepper_free(&s);
    if (status == YOCO_OK)
        *out = context;
    return status;
}
