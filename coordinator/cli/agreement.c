#include "coordinator/cli/agreement.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/cli/shared_folder.h"
#include "coordinator/cli/told.h"

static const double start_deadline_s = 600, failure_deadline_s = 30, no_deadline_s = 1e9;

static struct {
    char **argv;
    yoco_told told;
    bool needs_ranks, opened;
} process = {.needs_ranks = true};

void yoco_agreement_begin(char **argv)
{
    int task;
    process.argv = argv;
    if (yoco_comm_launched_tasks(&task) < 2 || task == 0)
        return;
    yoco_log_set_quiet(true);
    yoco_log_hold();
}

yoco_status yoco_agreement_tell(const yoco_command *command, const yoco_option *options,
                                int n_options, bool help)
{
    process.needs_ranks = !help && !yoco_command_is_alone(command, options, n_options);
    yoco_told_free(&process.told);
    return process.needs_ranks ? yoco_told_options(command, options, n_options, &process.told)
                               : yoco_told_arguments(command, process.argv, &process.told);
}

/* MPI starts once in a task: a command that needs no ranks must leave it to what a script may start
 * after it. Where the launcher has started this process itself, nothing comes after it. */
static bool is_last_of_task(void)
{
    static const char *const daemons[] = {"hydra_pmi_proxy\n", "slurmstepd\n"};
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)getppid());
    FILE *file = fopen(path, "re");
    bool is_read = file && fgets(name, sizeof name, file);
    if (file)
        fclose(file);
    for (size_t i = 0; is_read && i < sizeof daemons / sizeof *daemons; i++)
        if (strcmp(name, daemons[i]) == 0)
            return true;
    return false;
}

/* MPI starts once in a process. */
static yoco_status open_ranks(double deadline_s, int expected_ranks, yoco_comm **out)
{
    const yoco_comm_options options = {.deadline_s = deadline_s};
    process.opened = true;
    YOCO_TRY(yoco_comm_open(&options, expected_ranks, out));
    yoco_log_set_quiet(false);
    return YOCO_OK;
}

static yoco_status share(yoco_comm *comm, yoco_told *first)
{
    yoco_told told = {.bytes = process.told.bytes};
    YOCO_TRY(yoco_broadcast(comm, 0, &told.bytes, sizeof told.bytes));
    told.records = malloc(told.bytes + 1);
    if (!told.records)
        yoco_log_error("cannot allocate rank 0's options");
    yoco_status status = yoco_agree(comm, told.records ? YOCO_OK : YOCO_ERR_MEMORY);
    if (status == YOCO_OK && comm->rank == 0 && told.records)
        memcpy(told.records, process.told.records, told.bytes);
    if (status == YOCO_OK)
        status = yoco_broadcast(comm, 0, told.records, told.bytes);
    if (status != YOCO_OK)
        yoco_told_free(&told);
    else
        *first = told;
    return status;
}

/* Compares what failed before MPI and what all were told. *differ is no error where no rank is
 * needed. */
static yoco_status compare(yoco_comm *comm, yoco_status before, bool *differ)
{
    char text[YOCO_TOLD_DIFFERENCE_BYTES];
    yoco_told first;
    bool is_first;
    int64_t n_needed = process.needs_ranks;
    YOCO_TRY(yoco_comm_agree_lines(comm, before));
    YOCO_TRY(share(comm, &first));
    bool mine = yoco_told_differ(&process.told, &first, text);
    yoco_told_free(&first);
    YOCO_TRY(yoco_comm_first(comm, mine, &is_first, differ));
    YOCO_TRY(yoco_all_sum_i64(comm, &n_needed, 1));
    if (!*differ || n_needed == 0)
        return YOCO_OK;
    if (is_first)
        yoco_log_error("%s", text);
    return YOCO_ERR_USAGE;
}

static yoco_status check_folders(yoco_comm *comm)
{
    const yoco_parsed *parsed = yoco_options_parsed();
    for (int i = 0; i < parsed->n_options; i++) {
        const yoco_option *option = &parsed->options[i];
        char name[64];
        if (!(option->kind & YOCO_OPTION_SHARED) || !*(const char *const *)option->value)
            continue;
        snprintf(name, sizeof name, "--%s", option->name);
        YOCO_TRY(yoco_shared_folder_check(comm, name, *(const char *const *)option->value));
    }
    return YOCO_OK;
}

/* Rank 0 alone reads stdin: the launcher never ends that of the others. */
static yoco_status close_stdin(const yoco_comm *comm)
{
    int fd = comm->rank > 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
    if (comm->rank == 0 || (fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO && close(fd) == 0))
        return YOCO_OK;
    yoco_log_error("cannot open /dev/null: %s", strerror(errno));
    return YOCO_ERR_OPEN;
}

yoco_status yoco_agreement_open(double deadline_s, int64_t expected_ranks, yoco_comm **out)
{
    yoco_comm *comm;
    bool differ;
    YOCO_TRY(open_ranks(deadline_s, 0, &comm));
    yoco_status status = compare(comm, YOCO_OK, &differ);
    if (status == YOCO_OK)
        status = yoco_comm_expect_ranks(comm, (int)yoco_i64_min(expected_ranks, INT_MAX));
    if (status == YOCO_OK)
        status = check_folders(comm);
    if (status == YOCO_OK)
        status = comm->ops->agree(comm, close_stdin(comm));
    if (status == YOCO_OK)
        *out = comm;
    else
        yoco_comm_close(comm);
    return status;
}

/* Releases errors that were held: there is nobody to compare them with. */
static void stop_holding(void)
{
    char line[YOCO_LOG_LINE_BYTES];
    bool is_held = yoco_log_release(line);
    yoco_log_set_quiet(false);
    if (is_held && line[0])
        yoco_log_error("%s", line);
}

yoco_status yoco_agreement_open_alone(yoco_comm **out, bool *mine)
{
    int task;
    bool differ = false;
    *out = NULL;
    *mine = true;
    if (yoco_comm_launched_tasks(&task) < 2 || !is_last_of_task()) {
        stop_holding();
        return YOCO_OK;
    }
    yoco_comm *comm;
    YOCO_TRY(open_ranks(start_deadline_s, YOCO_ANY_RANKS, &comm));
    yoco_status status = compare(comm, YOCO_OK, &differ);
    if (status != YOCO_OK || differ || comm->n_ranks == 1) {
        yoco_comm_close(comm);
        return status;
    }
    comm->deadline_s = no_deadline_s; /* for as long as rank 0 works */
    *mine = comm->rank == 0;
    *out = comm;
    return YOCO_OK;
}

yoco_status yoco_agreement_close_alone(yoco_comm *comm, yoco_status status)
{
    if (!comm)
        return status;
    status = yoco_agree(comm, status);
    yoco_comm_close(comm);
    return status;
}

static yoco_status status_of(int exit_code)
{
    for (int status = YOCO_OK; status < YOCO_N_STATUS; status++)
        if (yoco_status_exit_code((yoco_status)status) == exit_code)
            return (yoco_status)status;
    return YOCO_ERR_INTERNAL;
}

int yoco_agreement_end(int exit_code)
{
    int task;
    bool differ;
    yoco_comm *comm;
    bool joins = process.needs_ranks || is_last_of_task();
    if (exit_code != 0 && !process.opened && yoco_comm_launched_tasks(&task) > 1 && joins &&
        open_ranks(failure_deadline_s, YOCO_ANY_RANKS, &comm) == YOCO_OK) {
        compare(comm, status_of(exit_code), &differ);
        yoco_comm_close(comm);
    }
    stop_holding();
    yoco_told_free(&process.told);
    return exit_code;
}
