#include "coordinator/cli/spin.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* A few microseconds: longer than an op of a decode step, far shorter than a scheduler's turn. */
static const char count[] = "1000";

void yoco_spin_shortly(char **argv)
{
    char path[PATH_MAX];
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0 || setenv("GOMP_SPINCOUNT", count, true) != 0)
        return;
    path[length] = '\0';
    execv(path, argv);
}
