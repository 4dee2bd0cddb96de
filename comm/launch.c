#include "comm/launch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* Launchers in order of precedence: inside Slurm, MPICH's and Open MPI's mpiexec start their own
 * daemons as Slurm tasks, whose count the ranks inherit. SLURM_NTASKS is not here: it is set, to
 * any value, in a batch script that starts a single process. */
static const struct {
    const char *n_tasks, *task;
} launchers[] = {
    {"PMI_SIZE", "PMI_RANK"},
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
    {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
};

static bool parse_count(const char *text, int *out)
{
    if (!text || *text == '\0')
        return false;
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < 0 || value > INT_MAX)
        return false;
    *out = (int)value;
    return true;
}

yoco_launch yoco_launch_read(const char *(*get)(const char *name))
{
    yoco_launch launch = {.variable = NULL};
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
        int n_tasks, task;
        if (parse_count(get(launchers[i].n_tasks), &n_tasks) && n_tasks > 0 &&
            parse_count(get(launchers[i].task), &task)) {
            launch.variable = launchers[i].n_tasks;
            launch.n_tasks = n_tasks;
            launch.task = task;
            break;
        }
    }
    return launch;
}

bool yoco_launch_found(const char *(*get)(const char *name))
{
    static const char *const marks[] = {
        "PMI_RANK",       "PMI_SIZE",    "PMI_ID",         "PMI_FD",
        "PMI_PORT",       "PMIX_RANK",   "PMIX_NAMESPACE", "OMPI_COMM_WORLD_SIZE",
        "PALS_RANKID",    "ALPS_APP_PE", "FLUX_JOB_SIZE",  "MPIRUN_RANK",
        "MPI_LOCALNRANKS"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (get(marks[i]))
            return true;
    return yoco_launch_read(get).variable != NULL;
}

yoco_status yoco_launch_check(const yoco_launch *launch, int rank, int n_ranks, int expected_ranks)
{
    /* Where the launcher's tasks did not find each other, every one of them is rank 0. */
    bool speaks = rank == 0 && (n_ranks > 1 || launch->task == 0);
    const char *plural = n_ranks == 1 ? "" : "s";
    if (launch->variable && launch->n_tasks != n_ranks) {
        if (speaks)
            yoco_log_error("the launcher started %d task%s (%s), but MPI sees %d rank%s: use "
                           "`srun --mpi=pmi2` or this MPI's own mpiexec",
                           launch->n_tasks, launch->n_tasks == 1 ? "" : "s", launch->variable,
                           n_ranks, plural);
        return YOCO_ERR_USAGE;
    }
    if (expected_ranks != 0 && expected_ranks != n_ranks) {
        if (speaks)
            yoco_log_error("%d rank%s expected, but MPI sees %d rank%s: start as many as "
                           "--expect-ranks says, with `srun --mpi=pmi2` or this MPI's own mpiexec",
                           expected_ranks, expected_ranks == 1 ? "" : "s", n_ranks, plural);
        return YOCO_ERR_USAGE;
    }
    return YOCO_OK;
}
