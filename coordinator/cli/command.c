/* The steps of every command. */
#include <string.h>

#include "coordinator/cli/agreement.h"
#include "coordinator/cli/options.h"
#include "coordinator/cli/stdin.h"

static bool is_stdin(const char *path)
{
    return path && (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0);
}

static bool reads_stdin(const yoco_option *option)
{
    if (!(option->kind & YOCO_OPTION_STDIN))
        return false;
    if (yoco_option_kind_of(option) == YOCO_OPTION_STRING)
        return is_stdin(*(const char *const *)option->value);
    const yoco_strings *paths = option->value;
    for (int i = 0; i < paths->n; i++)
        if (is_stdin(paths->values[i]))
            return true;
    return false;
}

/* Before anything is loaded: mpiexec gives up where what it passes on is not read soon. */
static yoco_status keep_stdin(const yoco_option *options, int n_options)
{
    for (int i = 0; i < n_options; i++)
        if (reads_stdin(&options[i]))
            return yoco_stdin_keep();
    return YOCO_OK;
}

static yoco_status run_alone(const yoco_command *command, const yoco_option *options, int n_options,
                             bool help, yoco_status (*run)(void *parsed), void *parsed)
{
    yoco_comm *comm;
    bool mine;
    yoco_status status = YOCO_OK;
    YOCO_TRY(yoco_agreement_open_alone(&comm, &mine));
    if (mine && help)
        yoco_options_print_help(command, options, n_options);
    else if (mine)
        status = run(parsed);
    return yoco_agreement_close_alone(comm, status);
}

int yoco_command_execute(const yoco_command *command, const yoco_option *options, int n_options,
                         int argc, char **argv, yoco_status (*run)(void *parsed), void *parsed)
{
    bool help;
    yoco_status status = yoco_options_parse(command, options, n_options, argc, argv, &help);
    yoco_options_keep(command, options, n_options);
    if (status == YOCO_OK && !help)
        status = keep_stdin(options, n_options);
    if (status == YOCO_OK)
        status = yoco_agreement_tell(command, options, n_options, help);
    else
        yoco_agreement_tell(command, NULL, 0, false); /* whether it needs ranks */
    if (status == YOCO_OK && (help || yoco_command_is_alone(command, options, n_options)))
        status = run_alone(command, options, n_options, help, run, parsed);
    else if (status == YOCO_OK)
        status = run(parsed);
    yoco_options_free(options, n_options);
    return yoco_status_exit_code(status);
}
