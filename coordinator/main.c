/* The `yoco` program: finds the subcommand and runs it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/cli/agreement.h"
#include "coordinator/cli/commands.h"
#include "coordinator/cli/spin.h"
#include "failpoint.h"
#include "streams.h"

static const yoco_command *const commands[] = {
    &yoco_command_run,    &yoco_command_batch, &yoco_command_context, &yoco_command_eval,
    &yoco_command_plan,   &yoco_command_info,  &yoco_command_bench,   &yoco_command_init,
    &yoco_command_doctor, &yoco_command_scale};

static void print_usage(FILE *file)
{
    fprintf(file, "yoco " YOCO_VERSION
                  ": runs YOCO language models on very long prompts, on any number of ranks\n\n"
                  "usage: yoco COMMAND [OPTION]...\n"
                  "       mpiexec -n RANKS yoco COMMAND [OPTION]...\n\ncommands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(file, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(file, "\nyoco COMMAND --help explains a command; yoco --version prints the version.\n");
}

/* Printed output may have gone nowhere: a full disk shows when the buffer is written. */
static int check_stdout(int exit_code)
{
    bool written = fflush(yoco_stdout()) == 0 && !ferror(yoco_stdout());
    if (written || exit_code != 0)
        return exit_code;
    yoco_log_error("writing to stdout failed");
    return yoco_status_exit_code(YOCO_ERR_IO);
}

#ifdef YOCO_FAILPOINTS
/* Arms a failpoint that stands in front of the command, for tests: see failpoint.h. */
static void take_failpoint(int *argc, char ***argv)
{
    int task;
    yoco_comm_launched_tasks(&task);
    if (*argc < 3 || strcmp((*argv)[1], "--failpoint") != 0 ||
        !yoco_failpoint_arm((*argv)[2], task))
        return;
    *argc -= 2;
    *argv += 2;
}
#endif

static yoco_status print_version(void *parsed)
{
    (void)parsed;
    yoco_print("yoco " YOCO_VERSION "\n");
    return YOCO_OK;
}

static yoco_status print_help(void *parsed)
{
    (void)parsed;
    print_usage(yoco_stdout());
    return YOCO_OK;
}

/* They are no commands, but one process prints for all under mpiexec, too. */
static const yoco_command version = {.name = "--version", .is_alone = true};
static const yoco_command help = {.name = "--help", .is_alone = true};

static int run(int argc, char **argv)
{
    if (argc < 2) {
        int task;
        if (yoco_comm_launched_tasks(&task) < 2 || task == 0)
            print_usage(stderr);
        yoco_log_error("no command is given");
        return yoco_status_exit_code(YOCO_ERR_USAGE);
    }
    if (strcmp(argv[1], "--version") == 0)
        return check_stdout(yoco_command_execute(&version, NULL, 0, 1, argv, print_version, NULL));
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return check_stdout(yoco_command_execute(&help, NULL, 0, 1, argv, print_help, NULL));
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return check_stdout(commands[i]->run(commands[i], argc - 1, argv + 1));
    if (strcmp(argv[1], "measure") == 0)
        yoco_log_error("yoco measure is yoco bench --per-rank now");
    else
        yoco_log_error("'%s' is no command of yoco (see yoco --help)", argv[1]);
    return yoco_status_exit_code(YOCO_ERR_USAGE);
}

int main(int argc, char **argv)
{
    yoco_spin_shortly(argv);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails, with its name */
    yoco_status status = yoco_streams_open();
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
    yoco_agreement_begin(argv);
#ifdef YOCO_FAILPOINTS
    take_failpoint(&argc, &argv);
#endif
    return yoco_agreement_end(run(argc, argv));
}
