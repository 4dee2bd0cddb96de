/* The `yoco` program: finds the subcommand and runs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/commands.h"
#include "failpoint.h"
#include "streams.h"

static const yoco_command *const commands[] = {
    &yoco_command_run,    &yoco_command_batch, &yoco_command_context, &yoco_command_eval,
    &yoco_command_plan,   &yoco_command_info,  &yoco_command_bench,   &yoco_command_init,
    &yoco_command_doctor, &yoco_command_scale, &yoco_command_measure};

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

/* What was printed may have gone nowhere: a full disk shows when the buffer is written. */
static int check_stdout(int exit_code)
{
    bool written = fflush(yoco_stdout()) == 0 && !ferror(yoco_stdout());
    if (written || exit_code != 0)
        return exit_code;
    yoco_log_error("writing to stdout failed");
    return yoco_status_exit_code(YOCO_ERR_IO);
}

#ifdef YOCO_FAILPOINTS
/* In front of the command, for tests: see failpoint.h. */
static void take_failpoint(int *argc, char ***argv, const char *launcher_rank)
{
    if (*argc < 3 || strcmp((*argv)[1], "--failpoint") != 0 ||
        !yoco_failpoint_arm((*argv)[2], launcher_rank ? atoi(launcher_rank) : 0))
        return;
    *argc -= 2;
    *argv += 2;
}
#endif

int main(int argc, char **argv)
{
    /* Until the ranks are known: errors in the arguments are the same on every rank, so the first
     * one speaks. */
    const char *launcher_rank = getenv("PMI_RANK");
    yoco_log_set_quiet(launcher_rank && strcmp(launcher_rank, "0") != 0);
    yoco_status status = yoco_streams_open();
    if (status != YOCO_OK)
        return yoco_status_exit_code(status);
#ifdef YOCO_FAILPOINTS
    take_failpoint(&argc, &argv, launcher_rank);
#endif

    if (argc < 2) {
        print_usage(stderr);
        return yoco_status_exit_code(YOCO_ERR_USAGE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        yoco_print("yoco " YOCO_VERSION "\n");
        return check_stdout(0);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(yoco_stdout());
        return check_stdout(0);
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return check_stdout(commands[i]->run(commands[i], argc - 1, argv + 1));
    yoco_log_error("'%s' is no command of yoco (see yoco --help)", argv[1]);
    return yoco_status_exit_code(YOCO_ERR_USAGE);
}
