#include "coordinator/scale/child.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t MAX_BYTES = (size_t)256 << 20;

extern char **environ;

static yoco_status grow(char **text, size_t used, size_t *size)
{
    char *larger;
    if (*size >= MAX_BYTES) {
        yoco_log_error("a child printed more than %zu bytes", MAX_BYTES);
        return YOCO_ERR_DATA;
    }
    size_t wanted = *size ? 2 * *size : 1 << 16;
    YOCO_TRY(yoco_alloc(wanted, "a child's output", (void **)&larger));
    if (used > 0)
        memcpy(larger, *text, used);
    yoco_free(*text);
    *text = larger;
    *size = wanted;
    return YOCO_OK;
}

static yoco_status read_all(int fd, char **text)
{
    size_t used = 0, size = 0;
    for (;;) {
        if (used + 1 >= size)
            YOCO_TRY(grow(text, used, &size));
        ssize_t n = read(fd, *text + used, size - used - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            yoco_log_error("reading a child's output failed: %s", strerror(errno));
            return YOCO_ERR_IO;
        }
        if (n == 0)
            break;
        used += (size_t)n;
    }
    (*text)[used] = '\0';
    return YOCO_OK;
}

/* True for a variable that tells a process its place in a job. */
static bool is_launchers(const char *variable)
{
    static const char *const begins[] = {"PMI_", "PMIX_", "OMPI_COMM_WORLD_",
                                         "SLURM_STEP_NUM_TASKS=", "SLURM_PROCID="};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(variable, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

/* This process may be one of a job, and the child is not: it starts its own. */
static char **make_environment(void)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **variables = calloc(n + 1, sizeof *variables);
    for (size_t i = 0; variables && i < n; i++)
        if (!is_launchers(environ[i]))
            variables[kept++] = environ[i];
    return variables;
}

static yoco_status start(const char *const *argv, pid_t *pid, int *from)
{
    int ends[2];
    char **variables = make_environment();
    if (!variables || pipe(ends) != 0) {
        free(variables);
        yoco_log_error("cannot make a pipe: %s", strerror(errno));
        return YOCO_ERR_INTERNAL;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    int failed = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)argv, variables);
    free(variables);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        yoco_log_error("cannot start %s: %s", argv[0], strerror(failed));
        return YOCO_ERR_OPEN;
    }
    *from = ends[0];
    return YOCO_OK;
}

yoco_status yoco_child_run(const char *const *argv, char **text)
{
    pid_t pid;
    int from, ended = 0;
    *text = NULL;
    YOCO_TRY(start(argv, &pid, &from));
    yoco_status status = read_all(from, text);
    close(from);
    while (waitpid(pid, &ended, 0) < 0 && errno == EINTR)
        ;
    if (status == YOCO_OK && (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0)) {
        yoco_log_error("%s ended with %s %d", argv[0], WIFEXITED(ended) ? "status" : "signal",
                       WIFEXITED(ended) ? WEXITSTATUS(ended) : WTERMSIG(ended));
        status = YOCO_ERR_STOPPED;
    }
    if (status != YOCO_OK) {
        yoco_free(*text);
        *text = NULL;
    }
    return status;
}
