/* yoco measure: one run of yoco scale, under mpiexec or srun. */
#include <stdio.h>

#include "configs/files/json_text.h"
#include "coordinator/cli/commands.h"
#include "coordinator/session/session_options.h"
#include "coordinator/timing/measure.h"
#include "streams.h"

enum { MAX_BRANCHES = 1 << 20 };

typedef struct measure_options {
    yoco_session_options session;
    int64_t n_tokens, chunk_rows, n_branches, n_runs, n_steps;
    bool cold;
} measure_options;

static yoco_status check_options(const measure_options *o)
{
    if (o->n_tokens < 1) {
        yoco_log_error("yoco measure: --tokens N is missing");
        return YOCO_ERR_USAGE;
    }
    if (o->n_runs > YOCO_SCALE_MAX_RUNS || o->n_steps > YOCO_SCALE_MAX_STEPS ||
        o->n_branches > MAX_BRANCHES) {
        yoco_log_error("yoco measure: --runs is at most %d, --steps %d, --branches %d",
                       YOCO_SCALE_MAX_RUNS, YOCO_SCALE_MAX_STEPS, MAX_BRANCHES);
        return YOCO_ERR_USAGE;
    }
    return YOCO_OK;
}

static void make_ids(int32_t *ids, int64_t n, int vocab_size)
{
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)(i * 7919 % vocab_size);
}

static yoco_status print_record(json_t *record)
{
    if (yoco_json_print(record, JSON_COMPACT | JSON_REAL_PRECISION(12), yoco_stdout()))
        return YOCO_OK;
    yoco_log_error("writing to stdout failed");
    return YOCO_ERR_IO;
}

static yoco_status run(const measure_options *o, yoco_session *s)
{
    const yoco_model_config *c = &s->checkpoint->config;
    yoco_comm *comm = s->comm;
    yoco_scale_spec spec = {.n_tokens = o->n_tokens,
                            .n_branches = o->n_branches,
                            .n_runs = o->n_runs,
                            .n_steps = o->n_steps,
                            .warm_up = !o->cold};
    if (o->n_tokens > c->max_seq_len - o->n_steps - 1) {
        if (comm->rank == 0)
            yoco_log_error("yoco measure: %lld tokens and %lld steps are more than the model's "
                           "max_seq_len %lld",
                           (long long)o->n_tokens, (long long)o->n_steps,
                           (long long)c->max_seq_len);
        return YOCO_ERR_DATA;
    }
    yoco_log_hold();
    YOCO_TRY(yoco_comm_agree_lines(
        comm, yoco_session_chunk_rows(c, s->ops, o->chunk_rows, &spec.chunk_rows)));
    int32_t *ids = NULL;
    yoco_status status = yoco_alloc((size_t)o->n_tokens * sizeof *ids, "token ids", (void **)&ids);
    if (status == YOCO_OK && comm->rank == 0)
        status = yoco_alloc((size_t)o->n_branches * (size_t)c->vocab_size * sizeof(float), "logits",
                            (void **)&spec.logits);
    status = comm->ops->agree(comm, status);
    json_t *record = NULL;
    if (status == YOCO_OK) {
        make_ids(ids, o->n_tokens, c->vocab_size);
        spec.ids = ids;
        status = yoco_scale_measure(s->worker, comm, &spec, &record);
    }
    if (status == YOCO_OK)
        status = comm->ops->agree(comm, comm->rank == 0 ? print_record(record) : YOCO_OK);
    json_decref(record);
    yoco_free(spec.logits);
    yoco_free(ids);
    return status;
}

static yoco_status measure(void *parsed)
{
    const measure_options *o = parsed;
    yoco_session session;
    YOCO_TRY(check_options(o));
    YOCO_TRY(yoco_session_open(&o->session, &session));
    yoco_status status = run(o, &session);
    yoco_session_close(&session);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    measure_options o = {
        .session = YOCO_SESSION_DEFAULTS, .n_branches = 1, .n_runs = 3, .n_steps = 8};
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING | YOCO_OPTION_PER_RANK, &o.session.model, 0,
         "Model folder, or a params.json alone (configs/shapes/): random weights of that shape.",
         .path = YOCO_PATH_READS_MODEL},
        {"tokens", 0, "N", YOCO_OPTION_SIZE, &o.n_tokens, 1, "Tokens of the document."},
        {"branches", 0, "B", YOCO_OPTION_SIZE, &o.n_branches, 1,
         "Branches that step together (default 1)."},
        {"runs", 0, "N", YOCO_OPTION_SIZE, &o.n_runs, 1, "Prefills that are timed (default 3)."},
        {"steps", 0, "N", YOCO_OPTION_SIZE, &o.n_steps, 1,
         "Decode steps that are timed (default 8)."},
        {"cold", 0, NULL, YOCO_OPTION_FLAG, &o.cold, 0,
         "Time the first prefill and step, too, instead of warming up with them."},
        {"chunk", 0, "C", YOCO_OPTION_SIZE, &o.chunk_rows, 1,
         "As in yoco run (default 2048, on a GPU 8192)."},
        YOCO_SESSION_OPTIONS(o.session),
    };
    return yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                measure, &o);
}

const yoco_command yoco_command_measure = {
    .name = "measure",
    .summary = "time prefill and decode once, and what each rank waits for",
    .synopsis = "mpiexec -n RANKS yoco measure -m MODEL --tokens N [OPTION]...",
    .description =
        "Runs prefills and decode steps and prints, as one line of JSON, their times and for each\n"
        "rank: computing, waiting for edges, reductions, other waits, idle time, bytes sent and\n"
        "peak memory. yoco scale runs it for each point of a sweep.",
    .examples = "mpiexec -n 2 yoco measure -m configs/shapes/yoco-160m-window.json --tokens 16K",
    .run = run_command,
};
