/* yoco doctor: what stands in the way of a run, before it costs anything. */
#include <unistd.h>

#include "coordinator/cli/agreement.h"
#include "coordinator/cli/commands.h"
#include "coordinator/doctor/doctor.h"

enum { EXIT_BAD = 1 };

typedef struct doctor_options {
    yoco_plan_question question; /* session.model NULL: no plan */
    const char *folder;
    bool json;
    bool bad; /* the outcome */
} doctor_options;

/* On every rank: bytes of the largest one. */
static yoco_status plan_bytes(yoco_comm *comm, const doctor_options *o, size_t *bytes)
{
    yoco_plan_question question = o->question;
    yoco_plan_basis basis = {.shape = NULL};
    yoco_plan plan;
    question.n_ranks = comm->n_ranks;
    if (!question.session.model)
        return YOCO_OK;
    yoco_log_hold();
    yoco_status status = yoco_plan_basis_make(&question, &basis);
    if (status == YOCO_OK)
        status = yoco_plan_make(&basis.input, &plan);
    if (status == YOCO_OK)
        *bytes = plan.total_bytes;
    yoco_plan_basis_free(&basis);
    return yoco_comm_agree_lines(comm, status);
}

static yoco_status examine(yoco_comm *comm, doctor_options *o)
{
    yoco_doctor d = {.comm = comm};
    size_t bytes = 0;
    gethostname(d.host, sizeof d.host - 1);
    YOCO_TRY(plan_bytes(comm, o, &bytes));
    YOCO_TRY(yoco_doctor_ranks(&d));
    if (comm->node_rank == 0) {
        yoco_doctor_cpu(&d);
        yoco_doctor_gpu(&d);
        yoco_doctor_memory(&d, bytes);
        yoco_doctor_shared_memory(&d);
        yoco_doctor_disk(&d, o->folder);
    }
    YOCO_TRY(yoco_agree(comm, YOCO_OK));
    YOCO_TRY(yoco_doctor_shared(&d, o->folder));
    YOCO_TRY(yoco_doctor_clocks(&d));
    YOCO_TRY(yoco_doctor_messages(&d));
    return yoco_doctor_print(&d, o->json, &o->bad);
}

static yoco_status check_options(const doctor_options *o)
{
    if ((o->question.session.model != NULL) == (o->question.n_tokens >= 0))
        return YOCO_OK;
    yoco_log_error("yoco doctor: -m MODEL and --tokens N go together");
    return YOCO_ERR_USAGE;
}

static yoco_status run(void *parsed)
{
    doctor_options *o = parsed;
    const yoco_session_options *session = &o->question.session;
    yoco_comm *comm;
    YOCO_TRY(check_options(o));
    YOCO_TRY(yoco_agreement_open(session->deadline_s, session->expect_ranks, &comm));
    yoco_status status = examine(comm, o);
    yoco_comm_close(comm);
    return status;
}

static int run_command(const yoco_command *command, int argc, char **argv)
{
    doctor_options o = {.question = {.session = YOCO_SESSION_DEFAULTS,
                                     .n_tokens = -1,
                                     .n_branches = 1,
                                     .branch_rows = 256},
                        .folder = "."};
    o.question.session.deadline_s = 60;
    const yoco_option options[] = {
        {"model", 'm', "MODEL", YOCO_OPTION_STRING | YOCO_OPTION_PER_RANK,
         &o.question.session.model, 0,
         "Compare the free memory with a plan for this model (or its config); needs --tokens.",
         .path = YOCO_PATH_READS_MODEL},
        {"tokens", 0, "N", YOCO_OPTION_SIZE, &o.question.n_tokens, 0, "Tokens of the document."},
        {"branches", 0, "B", YOCO_OPTION_SIZE, &o.question.n_branches, 1,
         "Questions answered together (default 1)."},
        {"dir", 0, "DIR", YOCO_OPTION_STRING, &o.folder, 0,
         "Folder of results, checkpoints or contexts (default: the current folder)."},
        {"json", 0, NULL, YOCO_OPTION_FLAG, &o.json, 0, "Print one JSON object."},
        {"expect-ranks", 0, "N", YOCO_OPTION_SIZE, &o.question.session.expect_ranks, 1,
         "Refuse another number of ranks."},
        {"deadline", 0, "SECONDS", YOCO_OPTION_REAL, &o.question.session.deadline_s, 0.001,
         "Longest wait for another rank (default 60); then the job ends with exit code 75."},
    };
    int code = yoco_command_execute(command, options, sizeof options / sizeof *options, argc, argv,
                                    run, &o);
    return code == 0 && o.bad ? EXIT_BAD : code;
}

const yoco_command yoco_command_doctor = {
    .name = "doctor",
    .summary = "check ranks, machines, network and disk, and say what to do",
    .synopsis = "mpiexec -n RANKS yoco doctor [--dir DIR] [-m MODEL --tokens N] [OPTION]...\n"
                "srun --mpi=pmi2 -n RANKS yoco doctor ...",
    .description =
        "Start it as the job will be started. Each line is ok, warn or bad; what to do stands\n"
        "below it. It checks the ranks against the launcher's count, MPI and UCX, cores, OpenMP\n"
        "settings, quotas, other load, GPUs, free memory, /dev/shm, the folder's file system,\n"
        "clocks, and how fast ranks reach each other. It takes seconds and leaves nothing behind.\n"
        "\n"
        "The exit status is 1 if a line is bad. Where launcher and MPI disagree on the number of\n"
        "ranks nothing can be checked: one line says so, and the exit status is 2.",
    .examples = "mpiexec -n 8 yoco doctor --dir /scratch/me -m MODEL --tokens 1M",
    .run = run_command,
};
