#include "coordinator/timing/measure.h"

#include <string.h>
#include <sys/resource.h>

#include "comm/tags.h"
#include "coordinator/timing/repeat.h"

/* One rank's record of one phase. */
typedef struct phase {
    double wall_s;
    yoco_trace_sums sums;
    struct {
        int peer;
        yoco_trace_peer sent;
    } peers[YOCO_SCALE_MAX_PEERS];
} phase;

typedef struct rank_record {
    int64_t memory_bytes;
    phase prefill, decode;
} rank_record;

typedef struct run {
    yoco_worker *worker;
    yoco_comm *comm;
    const yoco_scale_spec *spec;
    rank_record mine;
    double prefill_s[YOCO_SCALE_MAX_RUNS], step_s[YOCO_SCALE_MAX_STEPS];
    int *branches; /* (n_branches): 0, 1, ... */
    int32_t *ids;  /* (n_branches) */
} run;

/* Starts the trace. */
static yoco_status phase_begin(void *data)
{
    const run *r = data;
    return yoco_trace_start(r->comm->n_ranks, 1);
}

/* Stops the trace. */
static void phase_end(const run *r, double start_s, phase *out)
{
    *out = (phase){.wall_s = yoco_now_s() - start_s, .sums = *yoco_trace_read()};
    const yoco_trace_peer *peers = yoco_trace_peers();
    int n = 0;
    for (int peer = 0; peer < r->comm->n_ranks && n < YOCO_SCALE_MAX_PEERS; peer++) {
        if (peers[peer].n_messages == 0)
            continue;
        out->peers[n].peer = peer;
        out->peers[n++].sent = peers[peer];
    }
    yoco_trace_stop();
}

static yoco_status prefill(void *data)
{
    run *r = data;
    double start_s = yoco_now_s();
    yoco_status status = yoco_worker_prefill(r->worker, r->spec->ids, NULL, NULL);
    phase_end(r, start_s, &r->mine.prefill);
    return status;
}

static yoco_status time_prefills(run *r)
{
    yoco_repeat repeat = {.comm = r->comm,
                          .n_warm_up = r->spec->warm_up,
                          .n_runs = (int)r->spec->n_runs,
                          .slowest = true,
                          .begin = phase_begin,
                          .work = prefill,
                          .data = r};
    return yoco_repeat_run(&repeat, r->prefill_s, NULL);
}

static yoco_status step(const run *r)
{
    return yoco_worker_step(r->worker, (int)r->spec->n_branches, r->branches, r->ids,
                            r->spec->logits);
}

/* Timed on rank 0, which has the logits last. The steps follow each other as they do in a run: no
 * agreement stands between them. */
static yoco_status time_steps(run *r)
{
    double start_s, before_s;
    for (int i = 0; i < r->spec->n_branches; i++)
        YOCO_TRY(yoco_worker_branch(r->worker, i, NULL, 0));
    if (r->spec->warm_up)
        YOCO_TRY(step(r));
    YOCO_TRY(yoco_agree(r->comm, phase_begin(r)));
    start_s = before_s = yoco_now_s();
    for (int64_t i = 0; i < r->spec->n_steps; i++) {
        YOCO_TRY(step(r));
        double now_s = yoco_now_s();
        r->step_s[i] = now_s - before_s;
        before_s = now_s;
    }
    phase_end(r, start_s, &r->mine.decode);
    return YOCO_OK;
}

static int64_t memory_bytes(const run *r)
{
    struct rusage usage;
    if (r->spec->is_simulated)
        return (int64_t)yoco_worker_plan(r->worker)->total_bytes;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss << 10;
}

static yoco_status measure(run *r)
{
    const yoco_scale_spec *s = r->spec;
    YOCO_TRY(yoco_worker_reserve(r->worker, s->n_tokens, s->chunk_rows, (int)s->n_branches,
                                 s->n_steps + 1));
    YOCO_TRY(time_prefills(r));
    YOCO_TRY(time_steps(r));
    r->mine.memory_bytes = memory_bytes(r);
    return YOCO_OK;
}

/* The record as JSON. */

static void append(json_t *object, const char *name, json_t *value)
{
    json_t *array = json_object_get(object, name);
    if (!array) {
        array = json_array();
        json_object_set_new(object, name, array);
    }
    json_array_append_new(array, value);
}

static void add_phase(json_t *to, const phase *p)
{
    const double *kind_s = p->sums.kind_s;
    double known_s = 0;
    int64_t bytes = 0;
    json_t *sent = json_array();
    for (int kind = YOCO_SPAN_WORK; kind < YOCO_N_SPAN_KINDS; kind++)
        known_s += kind_s[kind];
    for (int i = 0; i < YOCO_SCALE_MAX_PEERS; i++) {
        if (p->peers[i].sent.n_messages == 0)
            continue;
        bytes += p->peers[i].sent.bytes;
        json_array_append_new(sent, json_pack("[i, I, I]", p->peers[i].peer,
                                              (json_int_t)p->peers[i].sent.n_messages,
                                              (json_int_t)p->peers[i].sent.bytes));
    }
    append(to, "compute_s", json_real(kind_s[YOCO_SPAN_WORK]));
    append(to, "edge_wait_s", json_real(kind_s[YOCO_SPAN_EDGE_WAIT]));
    append(to, "reduce_s", json_real(kind_s[YOCO_SPAN_REDUCE]));
    append(to, "wait_s", json_real(kind_s[YOCO_SPAN_WAIT]));
    append(to, "idle_s", json_real(p->wall_s > known_s ? p->wall_s - known_s : 0));
    append(to, "bytes", json_integer(bytes));
    append(to, "reductions", json_integer(p->sums.n_reductions));
    append(to, "reduced_bytes", json_integer(p->sums.reduced_bytes));
    append(to, "sent", sent);
}

static json_t *make_record(const run *r)
{
    const yoco_scale_spec *s = r->spec;
    json_t *record = json_pack("{s:i, s:I, s:I, s:I, s:s, s:[], s:[], s:[], s:{}, s:{}}", "ranks",
                               r->comm->n_ranks, "tokens", (json_int_t)s->n_tokens, "chunk",
                               (json_int_t)s->chunk_rows, "branches", (json_int_t)s->n_branches,
                               "arithmetic", yoco_worker_arithmetic(r->worker), "prefill_s",
                               "step_s", "memory_bytes", "prefill", "decode");
    for (int64_t i = 0; i < s->n_runs; i++)
        append(record, "prefill_s", json_real(r->prefill_s[i]));
    for (int64_t i = 0; i < s->n_steps; i++)
        append(record, "step_s", json_real(r->step_s[i]));
    return record;
}

static void add_rank(json_t *record, const rank_record *rank)
{
    append(record, "memory_bytes", json_integer(rank->memory_bytes));
    add_phase(json_object_get(record, "prefill"), &rank->prefill);
    add_phase(json_object_get(record, "decode"), &rank->decode);
}

static yoco_status gather(run *r, json_t **out)
{
    yoco_comm *comm = r->comm;
    yoco_request request = {0};
    const yoco_wait_for what = {.what = "the record of a rank", .chunk = -1, .layer = -1};
    if (comm->rank > 0) {
        YOCO_TRY(yoco_send(comm, 0, YOCO_TAG_RECORD, &r->mine, sizeof r->mine, &request));
        return yoco_wait(comm, &request, &what);
    }
    json_t *record = make_record(r);
    add_rank(record, &r->mine);
    for (int rank = 1; rank < comm->n_ranks; rank++) {
        rank_record theirs;
        YOCO_TRY(yoco_receive(comm, rank, YOCO_TAG_RECORD, &theirs, sizeof theirs, &request));
        YOCO_TRY(yoco_wait(comm, &request, &what));
        add_rank(record, &theirs);
    }
    *out = record;
    return YOCO_OK;
}

static yoco_status run_create(run *r)
{
    size_t n = (size_t)r->spec->n_branches;
    YOCO_TRY(yoco_alloc(n * sizeof *r->branches, "branches", (void **)&r->branches));
    YOCO_TRY(yoco_alloc(n * sizeof *r->ids, "branches", (void **)&r->ids));
    for (size_t i = 0; i < n; i++) {
        r->branches[i] = (int)i;
        r->ids[i] = 0;
    }
    return YOCO_OK;
}

yoco_status yoco_scale_measure(yoco_worker *worker, yoco_comm *comm, const yoco_scale_spec *spec,
                               json_t **out)
{
    run *r = NULL;
    yoco_status status = yoco_alloc(sizeof *r, "a scaling run", (void **)&r);
    if (status == YOCO_OK) {
        memset(r, 0, sizeof *r);
        r->worker = worker;
        r->comm = comm;
        r->spec = spec;
        status = run_create(r);
    }
    status = yoco_agree(comm, status);
    if (status == YOCO_OK)
        status = yoco_agree(comm, measure(r));
    if (status == YOCO_OK)
        status = gather(r, out);
    if (r) {
        yoco_free(r->branches);
        yoco_free(r->ids);
    }
    yoco_free(r);
    return status;
}
