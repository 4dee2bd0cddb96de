/* yoco-sim: one run of a scaling experiment on the simulated device, a rank of it. Built with
 * SimGrid's smpicc, started by yoco scale under smpirun; prints the run as one line of JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "configs/files/json_text.h"
#include "coordinator/cli/options.h"
#include "coordinator/timing/measure.h"
#include "kernels/sim/sim.h"
#include "kernels/tally/tally.h"

typedef struct sim_options {
    const char *model, *hardware;
    int64_t n_tokens, chunk_rows, n_branches, n_steps, n_ranks, slow_rank;
    double slow_rank_time;
} sim_options;

static yoco_status load(const sim_options *o, yoco_hardware *hardware, yoco_model_shape **shape)
{
    if (!o->model || !o->hardware || o->n_tokens < 1) {
        yoco_log_error("yoco-sim: --model, --hardware and --tokens are needed");
        return YOCO_ERR_USAGE;
    }
    YOCO_TRY(yoco_hardware_load(o->hardware, hardware));
    YOCO_TRY(yoco_model_shape_load(o->model, shape));
    (*shape)->max_seq_len =
        yoco_i64_max((*shape)->max_seq_len, o->n_tokens + YOCO_SCALE_MAX_STEPS); /* no weights */
    return YOCO_OK;
}

static size_t no_weights(const void *data, int64_t n_out, int64_t n_in)
{
    (void)data;
    (void)n_out;
    (void)n_in;
    return 0;
}

/* The largest buffer that messages and collectives start from or arrive in. */
static yoco_status message_bytes(const sim_options *o, const yoco_model_shape *shape,
                                 const yoco_comm *comm, size_t *out)
{
    yoco_plan plan;
    yoco_plan_input input = {.shape = shape,
                             .grid = {o->n_tokens, o->chunk_rows, comm->n_ranks},
                             .rank = comm->rank,
                             .n_branches = (int)o->n_branches,
                             .branch_rows = o->n_steps + 1,
                             .dtype = YOCO_BF16,
                             .weight_bytes = no_weights,
                             .file_dtype = YOCO_BF16};
    YOCO_TRY(yoco_plan_make(&input, &plan));
    static const int shared[] = {YOCO_BUF_EDGE_IN, YOCO_BUF_GLOBAL_MAX, YOCO_BUF_FIXED};
    *out = 0;
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (plan.buffer_bytes[shared[i]] > *out)
            *out = plan.buffer_bytes[shared[i]];
    /* Rows of a chunk lie in larger buffers: see yoco_sim_message. */
    for (int part = YOCO_BUF_PIECE_K; part <= YOCO_BUF_PIECE_V; part++)
        if (yoco_plan_passes_rows(&input) && plan.buffer_bytes[part] > *out)
            *out = plan.buffer_bytes[part];
    return YOCO_OK;
}

static yoco_status simulate(const sim_options *o, yoco_comm *comm)
{
    yoco_hardware hardware;
    yoco_model_shape *shape = NULL;
    size_t bytes = 0;
    YOCO_TRY(load(o, &hardware, &shape));
    YOCO_TRY(message_bytes(o, shape, comm, &bytes));
    YOCO_TRY(
        yoco_sim_describe(&hardware, bytes, comm->rank == o->slow_rank ? o->slow_rank_time : 1.0));
    yoco_checkpoint *checkpoint = NULL;
    YOCO_TRY(yoco_checkpoint_borrow(shape, YOCO_BF16, yoco_sim_zeros(), &checkpoint));
    yoco_device_options device = {.n_threads = 1, .dtype = YOCO_BF16};
    yoco_worker *worker = NULL;
    yoco_status status = yoco_worker_create(comm, &yoco_tally_ops, &device, checkpoint, &worker);
    yoco_scale_spec spec = {.n_tokens = o->n_tokens,
                            .chunk_rows = o->chunk_rows,
                            .n_branches = o->n_branches,
                            .n_runs = 1,
                            .n_steps = o->n_steps,
                            .is_simulated = true,
                            .ids = yoco_sim_zeros(),
                            .logits = (float *)yoco_sim_zeros()};
    json_t *record = NULL;
    if (status == YOCO_OK)
        status = yoco_scale_measure(worker, comm, &spec, &record);
    if (record) {
        yoco_json_print(record, JSON_COMPACT | JSON_REAL_PRECISION(12), stdout);
        fflush(stdout);
        json_decref(record);
    }
    yoco_worker_free(worker);
    yoco_checkpoint_close(checkpoint);
    yoco_free(shape);
    return status;
}

static yoco_status run_simulation(const sim_options *o)
{
    yoco_comm_options options = {.deadline_s = 1e9};
    yoco_comm *comm;
    if (o->n_steps > YOCO_SCALE_MAX_STEPS) {
        yoco_log_error("yoco-sim: --steps is at most %d", YOCO_SCALE_MAX_STEPS);
        return YOCO_ERR_USAGE;
    }
    YOCO_TRY(yoco_comm_open_mpi(&options, (int)o->n_ranks, &comm));
    yoco_status status = simulate(o, comm);
    yoco_comm_close(comm);
    return status;
}

static const yoco_command command = {
    .name = "yoco-sim",
    .summary = "a run of yoco scale on a simulated machine",
    .synopsis = "smpirun ... yoco-sim --model SHAPE --hardware NAME --tokens N [OPTION]...",
    .description = "Started by yoco scale --simulate, which also makes the platform.",
};

int main(int argc, char **argv)
{
    sim_options o = {
        .chunk_rows = 2048, .n_branches = 1, .n_steps = 1, .slow_rank = -1, .slow_rank_time = 1};
    const yoco_option options[] = {
        {"model", 'm', "SHAPE", YOCO_OPTION_STRING, &o.model, 0, "Config of the shape."},
        {"hardware", 0, "NAME", YOCO_OPTION_STRING, &o.hardware, 0, "Of configs/hardware."},
        {"tokens", 0, "N", YOCO_OPTION_SIZE, &o.n_tokens, 1, "Tokens of the document."},
        {"chunk", 0, "C", YOCO_OPTION_SIZE, &o.chunk_rows, 1, "Tokens per chunk."},
        {"branches", 0, "B", YOCO_OPTION_SIZE, &o.n_branches, 1, "Branches of a step."},
        {"steps", 0, "N", YOCO_OPTION_SIZE, &o.n_steps, 1, "Decode steps."},
        {"slow-rank", 0, "R", YOCO_OPTION_SIZE, &o.slow_rank, 0, "A rank that is slower."},
        {"slow-rank-time", 0, "F", YOCO_OPTION_REAL, &o.slow_rank_time, 1e-6,
         "How many times as long its ops take."},
        {"expect-ranks", 0, "P", YOCO_OPTION_SIZE, &o.n_ranks, 0, "Ranks there must be."},
    };
    const int n_options = sizeof options / sizeof *options;
    bool help;
    yoco_status status = yoco_options_parse(&command, options, n_options, argc, argv, &help);
    if (status == YOCO_OK && help)
        yoco_options_print_help(&command, options, n_options);
    else if (status == YOCO_OK)
        status = run_simulation(&o);
    return yoco_status_exit_code(status);
}
