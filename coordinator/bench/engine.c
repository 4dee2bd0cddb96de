#include "coordinator/bench/engine.h"

#include "coordinator/ask/output.h"
#include "coordinator/cli/progress.h"

enum { N_STEPS = 11, N_WARM_UP_STEPS = 2 };

_Static_assert(N_STEPS + N_WARM_UP_STEPS <= YOCO_BENCH_BRANCH_ROWS, "a branch has room for steps");

static int add_shape(yoco_bench_gemm *gemms, int n, int64_t n_out, int64_t n_in, int n_per_token)
{
    for (int i = 0; i < n; i++) {
        if (gemms[i].n_out == n_out && gemms[i].n_in == n_in) {
            gemms[i].n_per_token += n_per_token;
            return n;
        }
    }
    gemms[n] = (yoco_bench_gemm){.n_out = n_out, .n_in = n_in, .n_per_token = n_per_token};
    return n + 1;
}

int yoco_bench_shapes(const yoco_model_config *c, yoco_bench_gemm *gemms)
{
    int n_layers = yoco_config_n_self_layers(c), n = 0;
    bool retention = yoco_config_is_retention(c);
    n = add_shape(gemms, n, c->dim, c->dim, (retention ? 5 : 4) * n_layers);
    if (retention)
        n = add_shape(gemms, n, c->n_self_heads, c->dim, n_layers);
    n = add_shape(gemms, n, c->hidden_dim, c->dim, 2 * n_layers);
    n = add_shape(gemms, n, c->dim, c->hidden_dim, n_layers);
    return add_shape(gemms, n, yoco_config_kv_dim(c), c->dim, 2);
}

/* Pairs of rows that see each other: query t sees min(window, t + 1) rows. */
static int64_t window_pairs(int64_t n, int64_t window)
{
    int64_t head = yoco_i64_min(n, window);
    return head * (head + 1) / 2 + (n - head) * window;
}

/* The same in blocks of YOCO_RETENTION_ROWS; reading and feeding the state costs a row as much as
 * head_dim more pairs. */
static int64_t retention_pairs(int64_t n, int64_t head_dim)
{
    int64_t rows = YOCO_RETENTION_ROWS;
    return n / rows * window_pairs(rows, rows) + window_pairs(n % rows, rows) + n * head_dim;
}

/* A score and a weighted sum: 4 flops for each pair and channel. */
static double attention_flops(const yoco_model_config *c, int64_t n)
{
    int64_t pairs = yoco_config_is_retention(c) ? retention_pairs(n, yoco_config_self_head_dim(c))
                                                : window_pairs(n, c->sliding_window);
    return 4.0 * c->dim * (double)pairs * yoco_config_n_self_layers(c);
}

/* All ranks together: the slowest counts. */
static yoco_status time_prefill(yoco_session *session, const int32_t *ids, int64_t n_tokens,
                                double *seconds)
{
    yoco_comm *comm = session->comm;
    yoco_progress_line line;
    YOCO_TRY(comm->ops->agree(comm, YOCO_OK));
    yoco_progress_begin(&line, comm->rank != 0);
    yoco_status status = yoco_worker_prefill(session->worker, ids, yoco_progress_update, &line);
    YOCO_TRY(comm->ops->agree(comm, status));
    *seconds = yoco_progress_end(&line, n_tokens);
    return YOCO_OK;
}

yoco_status yoco_bench_time_prefill(yoco_session *session, int64_t chunk_rows, int64_t n_runs,
                                    const int32_t *ids, int64_t n_tokens, yoco_bench_prefill *out)
{
    const yoco_model_config *c = &session->checkpoint->config;
    double seconds[YOCO_BENCH_MAX_RUNS], warm_up;
    YOCO_TRY(yoco_worker_reserve(session->worker, n_tokens, chunk_rows, 1, 1));
    YOCO_TRY(time_prefill(session, ids, n_tokens, &warm_up));
    for (int64_t run = 0; run < n_runs; run++)
        YOCO_TRY(time_prefill(session, ids, n_tokens, &seconds[run]));
    *out = (yoco_bench_prefill){.n_tokens = n_tokens,
                                .seconds = yoco_spread_make(seconds, (int)n_runs),
                                .attention_flops = attention_flops(c, n_tokens)};
    return YOCO_OK;
}

/* The tables of a step. */
typedef struct stepper {
    yoco_session *session;
    int *branches; /* (n_branches): 0, 1, ... */
    int32_t *ids;  /* (n_branches), the same on all ranks */
    int32_t *next; /* (n_branches): what a greedy decoder would go on with */
} stepper;

static yoco_status stepper_create(yoco_session *session, int64_t n_branches, stepper *s)
{
    size_t n = (size_t)n_branches;
    s->session = session;
    YOCO_TRY(yoco_alloc(n * sizeof *s->branches, "branches", (void **)&s->branches));
    YOCO_TRY(yoco_alloc(n * sizeof *s->ids, "branches", (void **)&s->ids));
    for (int i = 0; i < n_branches; i++) {
        s->branches[i] = i;
        s->ids[i] = i % session->checkpoint->config.vocab_size;
    }
    return yoco_alloc(n * sizeof *s->next, "branches", (void **)&s->next);
}

static void stepper_free(stepper *s)
{
    yoco_free(s->branches);
    yoco_free(s->ids);
    yoco_free(s->next);
}

/* Greedy decoding, timed on rank 0, which finds the next ids last. */
static yoco_status time_steps(const stepper *s, int n_branches, yoco_spread *out)
{
    yoco_comm *comm = s->session->comm;
    yoco_worker *worker = s->session->worker;
    double seconds[N_STEPS];
    yoco_status status = YOCO_OK;
    for (int i = 0; i < n_branches; i++)
        YOCO_TRY(yoco_worker_branch(worker, i, NULL, 0));
    for (int i = -N_WARM_UP_STEPS; i < N_STEPS; i++) {
        YOCO_TRY(comm->ops->agree(comm, status));
        double start = yoco_now_s();
        YOCO_TRY(yoco_worker_step(worker, n_branches, s->branches, s->ids, NULL));
        if (comm->rank == 0)
            status = yoco_worker_likeliest(worker, 0, n_branches, NULL, 0, s->next);
        seconds[i < 0 ? 0 : i] = yoco_now_s() - start;
    }
    *out = yoco_spread_make(seconds, N_STEPS);
    return comm->ops->agree(comm, status);
}

/* Reading as much as one cross layer reads of K,V, and as a whole step touches: where the caches
 * help the engine, they help the peer. */
static yoco_status measure_reading(const yoco_session *session, yoco_peer *peer,
                                   yoco_bench_context *context)
{
    const yoco_plan *plan = yoco_worker_plan(session->worker);
    int64_t kv =
        (int64_t)(plan->buffer_bytes[YOCO_BUF_SHARD_K] + plan->buffer_bytes[YOCO_BUF_SHARD_V]);
    YOCO_TRY(yoco_peer_read(peer, kv, &context->kv_byte_s));
    YOCO_TRY(yoco_peer_read(peer, kv + (int64_t)plan->weight_bytes, &context->step_byte_s));
    context->kv_bytes = kv;
    return session->comm->ops->all_sum_i64(session->comm, &context->kv_bytes, 1);
}

static yoco_status time_context(const stepper *s, yoco_peer *peer, const yoco_bench_list *branches,
                                const int32_t *ids, yoco_bench_context *context)
{
    double seconds;
    yoco_memory memory;
    YOCO_TRY(time_prefill(s->session, ids, context->n_tokens, &seconds));
    YOCO_TRY(yoco_memory_measure(s->session, &memory));
    context->device_bytes = (int64_t)memory.device_bytes;
    YOCO_TRY(measure_reading(s->session, peer, context));
    for (int i = 0; i < branches->n; i++) {
        YOCO_TRY(time_steps(s, (int)branches->values[i], &context->step_s[i]));
        if (s->session->comm->rank == 0)
            yoco_log_info("decode on %lld tokens, %lld branches: %.2f ms per step",
                          (long long)context->n_tokens, (long long)branches->values[i],
                          1e3 * context->step_s[i].median);
    }
    return YOCO_OK;
}

yoco_status yoco_bench_time_decode(yoco_session *session, yoco_peer *peer, int64_t chunk_rows,
                                   const yoco_bench_list *branches, const int32_t *ids,
                                   int64_t n_tokens, yoco_bench_context *out)
{
    yoco_bench_context context = {.n_tokens = n_tokens};
    int64_t most = 1;
    for (int i = 0; i < branches->n; i++)
        most = yoco_i64_max(most, branches->values[i]);
    YOCO_TRY(yoco_worker_reserve(session->worker, n_tokens, chunk_rows, (int)most,
                                 YOCO_BENCH_BRANCH_ROWS));
    stepper s = {0};
    yoco_status status =
        session->comm->ops->agree(session->comm, stepper_create(session, most, &s));
    if (status == YOCO_OK)
        status = time_context(&s, peer, branches, ids, &context);
    stepper_free(&s);
    if (status == YOCO_OK)
        *out = context;
    return status;
}
