#include "coordinator/cli/signals.h"

#include <unistd.h>

#include "base.h"

static volatile sig_atomic_t stop;
static int stopped_exit_code;

static void ask(int signal_number)
{
    (void)signal_number;
    if (stop)
        _exit(stopped_exit_code);
    stop = 1;
}

const volatile sig_atomic_t *yoco_signals_catch(void)
{
    const struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART};
    stopped_exit_code = yoco_status_exit_code(YOCO_ERR_STOPPED);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    return &stop;
}
